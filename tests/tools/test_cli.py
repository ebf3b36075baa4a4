"""The command line as a whole: help, usage, exit codes, closed pipes."""

import os
import signal
import subprocess
import sys
import time

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


def test_an_interrupt_in_a_command_is_one_sentence_and_130(myodrive, monkeypatch):
    from myodrive.tools.commands import doctor

    def fail(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "main", fail)
    said = myodrive("doctor")
    assert (said.code, said.out, said.err) == (130, "", "myodrive doctor: interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("name", ["run", "decode", "listen"])
def test_ctrl_c_at_any_instant_is_no_traceback(name, decoder_path, muscle_path, tmp_path, address, unique):
    """From 50 ms after Python is there on; it takes some itself, in which nothing of ours runs."""
    arguments = {
        "run": ("--stream", unique, "--decoder", decoder_path, "--bind", address),
        "decode": (muscle_path, "--decoder", decoder_path, "-o", tmp_path / "events.tsv", "--overwrite"),
        "listen": ("--connect", address),
    }[name]
    entry = "import sys; print(flush=True); from myodrive.tools.cli import main; sys.exit(main())"
    for instant in (0.05, 0.2, 0.5, 1.0, 1.7):
        with subprocess.Popen(
            [sys.executable, "-P", "-c", entry, name, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        ) as one:  # fmt: skip
            one.stdout.readline()
            time.sleep(instant)
            os.killpg(one.pid, signal.SIGINT)
            try:
                _, err = one.communicate(timeout=60)
            finally:
                one.kill()
        said = err.decode()
        assert "Traceback" not in said, (instant, said)
        assert "ignored" not in said, (instant, said)
        # by the signal itself where Python has already been taken down, and in order where a command ends so
        assert one.returncode in (130, -signal.SIGINT, 0 if name != "listen" else 1), (instant, said)


def interrupted_in_a_callback() -> str:
    """Lines that call into C, which calls Python, which sends SIGINT: what it raises there goes nowhere."""
    return (
        "import ctypes, os, signal, sys, time\n"
        "from myodrive.tools import interrupt\n"
        "guard = interrupt.Guard()\n"
        "def called():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    for _ in range(1000): pass\n"
        "try:\n"
        "    with guard.lifted():\n"
        "        ctypes.CFUNCTYPE(None)(called)()\n"
        "        print('goes on', flush=True)\n"
        "        time.sleep(30)\n"
        "        print('lost')\n"
        "except KeyboardInterrupt:\n"
        "    print('came')\n"
    )


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_that_a_library_swallows_comes_once_more():
    lines = interrupted_in_a_callback()
    done = subprocess.run([sys.executable, "-P", "-c", lines], capture_output=True, text=True, timeout=60)
    assert done.stdout == "goes on\ncame\n"
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_where_ctrl_c_is_ignored_it_stays_so():
    lines = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from myodrive.tools import interrupt\n"
        "guard = interrupt.Guard()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "with guard.lifted(): os.kill(os.getpid(), signal.SIGINT)\n"
        "print('still here')"
    )
    done = subprocess.run([sys.executable, "-P", "-c", lines], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("still here\n", "")
