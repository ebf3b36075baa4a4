"""The command line as a whole: help, usage, exit codes, closed pipes."""

import subprocess
import sys

import pytest

from myodrive.stream.errors import StreamError
from myodrive.tools import cli

NAMES = [name for group in cli.COMMANDS.values() for name in group]


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_command_has_an_example_that_calls_it(myodrive, name):
    said = myodrive(name, "--help")
    assert said.code == 0
    assert said.err == ""
    assert f"\n  myodrive {name}" in said.out.partition("Example:")[2]


@pytest.mark.parametrize("name", NAMES)
def test_the_overview_lists_every_command(myodrive, name):
    said = myodrive("--help")
    assert said.code == 0
    assert f"\n  {name} " in said.out


def test_without_arguments_it_shows_the_overview_and_ends_with_2(myodrive):
    said = myodrive()
    assert said.code == 2
    assert "usage: myodrive" in said.out


def test_a_command_that_does_not_exist_is_wrong_usage(myodrive):
    myodrive("decompose").wrong_usage("decompose", "myodrive --help")


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_does_not_exist_is_wrong_usage(myodrive, name):
    assert myodrive(name, "--nonsense").code == 2


def test_the_version_is_one_line(myodrive):
    said = myodrive("--version")
    assert said.code == 0
    assert said.out.startswith("myodrive ")
    assert len(said.out.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("--help",), ("calibrate", "--help"), ("score",)])
def test_a_reader_that_closes_the_pipe_gets_no_traceback(arguments, muscle_path, tmp_path, decoder_path):
    if arguments == ("score",):
        events = tmp_path / "e.tsv"
        events.write_text("onset\tsample\tunit_id\n0.5\t1024\t0\n")
        arguments = ("score", str(events), str(muscle_path), "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "myodrive.tools.cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()  # before the command can have written a byte
        err = process.stderr.read().decode()
    assert err == ""
    assert process.returncode in (0, 1)  # 120 is a complaint of Python's at exit; argparse swallows the broken pipe


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StreamError("it has gone"), "it has gone"),
        (OSError(28, "No space left on device", "/x/y"), "No space left on device"),
        (MemoryError(), "not enough memory"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_what_goes_wrong_in_a_command_is_one_sentence_and_1(myodrive, monkeypatch, error, words):
    from myodrive.tools.commands import doctor

    def fail(args):
        raise error

    monkeypatch.setattr(doctor, "main", fail)
    assert myodrive("doctor").refused(words)


BAD_OPTIONS = [
    ("calibrate", "x.h5", "-o", "d.onnx", "--channels", "5-2"),
    ("calibrate", "x.h5", "-o", "d.onnx", "--seed", "-1"),
    ("calibrate", "x.h5", "-o", "d.onnx", "--gain", "nan"),
    ("calibrate", "x.h5", "-o", "d.onnx", "--mains", "55"),
    ("calibrate", "x.h5", "-o", "d.onnx", "--stream", "emg"),
    ("calibrate", "-o", "d.onnx"),
    ("calibrate", "x.h5"),
    ("run", "--stream", "x", "--decoder", "d", "--seconds", "-1"),
    ("run", "--stream", "x", "--decoder", "d", "--seconds", "nan"),
    ("run", "--stream", "x", "--decoder", "d", "--wait", "-1"),
    ("run", "--stream", "x", "--decoder", "d", "--gain", "0"),
    ("run", "--stream", "x", "--decoder", "d", "--provider", "tpu"),
    ("run", "--stream", "x"),
    ("listen", "--seconds", "-1"),
    ("listen", "--count", "0"),
    ("demo", "--seconds", "-3"),
    ("demo", "--seconds", "inf"),
    ("demo", "--hop", "0"),
    ("bench", "throughput", "--seed", "-1"),
    ("bench", "latency", "--hop", "0"),
    ("bench", "latency", "--hop", "99999"),
    ("bench", "everything"),
    ("score", "a", "b", "--fs", "0"),
    ("decode", "x.h5", "--decoder", "d", "-o", "e.tsv", "--hop", "8.5"),
    ("play", "--chunk", "many"),
]


@pytest.mark.parametrize("arguments", BAD_OPTIONS, ids=" ".join)
def test_a_value_that_an_option_cannot_take_is_wrong_usage(myodrive, arguments):
    said = myodrive(*arguments)
    assert said.wrong_usage("error:")


@pytest.mark.parametrize("name", ["listen", "follow", "outlet", "dashboard", "keys"])
def test_what_only_reads_starts_without_the_kernels(name):
    """Numba alone takes longer to import than such a command does to start."""
    heavy = "{'numba', 'onnxruntime', 'torch', 'scipy.signal', 'scipy.stats'}"
    code = f"import myodrive.tools.commands.{name}, sys; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
