"""Our own processes: where their modules come from, and the decoder that the benches share."""

import os
import re
import signal
import subprocess
import sys

import pytest

from myodrive.tools import processes


@pytest.fixture
def traps(tmp_path, monkeypatch):
    """A working directory with files named as what our processes import."""
    for name in ("msgspec", "numpy", "zmq", "h5py", "pylsl", "onnxruntime", "random"):
        (tmp_path / f"{name}.py").write_text('raise SystemExit("the working directory was imported from")')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_command_of_ours_takes_no_module_from_the_working_directory(traps):
    process = processes.start(["score", "--help"])
    assert b"usage" in processes.output_of(process, 60.0)
    processes.finish(process)


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
@pytest.mark.parametrize(("interrupted", "code"), [(1, 0), (99, -signal.SIGINT)])
def test_what_ctrl_c_met_before_it_had_a_group_of_its_own_is_started_again_some_times(tmp_path, interrupted, code):
    lines = (
        "import os, signal, sys\n"
        "tries = open(sys.argv[1], 'ab')\n"
        "tries.write(b'.')\n"
        "tries.close()\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "if os.path.getsize(sys.argv[1]) <= int(sys.argv[2]): os.kill(os.getpid(), signal.SIGINT)\n"
        "print('done')"
    )
    command = [sys.executable, "-c", lines, str(tmp_path / "tries"), str(interrupted)]
    done = processes.run_deaf(command, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == code
    assert done.stdout == (b"done\n" if code == 0 else b"")
    assert (tmp_path / "tries").stat().st_size == (2 if code == 0 else processes.MOST_TRIES)


def test_no_module_is_started_any_other_way(repository):
    other = re.compile(r'sys\.executable,\s*"-m"')
    found = [path.name for path in (repository / "tools").rglob("*.py") if other.search(path.read_text("utf-8"))]
    assert found == []


def test_a_decoder_that_is_given_is_taken_and_another_calibrated(monkeypatch, tmp_path):
    asked, notes = [], []
    monkeypatch.setattr(processes, "json_of", asked.append)
    told = lambda share, note: notes.append(note)  # noqa: E731
    assert processes.decoder_of("a.h5", "mine.onnx", tmp_path, told) == "mine.onnx"
    assert asked == notes == []
    path = processes.decoder_of("a.h5", None, tmp_path, told)
    assert asked == [["calibrate", "a.h5", "-o", path, "--json"]]
    assert notes == ["calibrating"]


def test_a_command_that_is_no_longer_wanted_is_ended_before_its_end(monkeypatch):
    started = []
    begin = subprocess.Popen

    def popen(*arguments, **options):
        started.append(begin(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    monkeypatch.setattr(processes, "python_command", lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"])
    with pytest.raises(KeyboardInterrupt):
        processes.json_of([], stop=lambda: True)
    assert started[0].returncode not in (None, 0)


def test_a_command_that_fails_has_said_why(monkeypatch):
    monkeypatch.setattr(processes, "python_command", lambda *_: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(SystemExit):
        processes.json_of([])
