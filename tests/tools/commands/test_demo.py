"""`myodrive demo`: the whole chain as a user first sees it."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from myodrive.tools.commands import demo


@pytest.mark.slow
def test_three_seconds_find_units_and_lose_nothing(process, muscle_path, tmp_path):
    import msgspec

    demo = process("demo", "--seconds", "3", "--json", "--recording", muscle_path, "--keep", tmp_path / "d.onnx")
    out, err = demo.communicate(timeout=90)
    assert demo.returncode == 0, err
    assert len(out.splitlines()) == 1
    told = msgspec.json.decode(out)
    assert told["units"] == 4
    assert told["spikes"] > 0
    assert told["samples_in"] > 2 * 2048
    assert told["parameters"]
    assert (told["samples_lost"], told["gaps"], told["messages_missed"]) == (0, 0, 0)
    assert (tmp_path / "d.onnx").is_file()


def test_a_recording_that_is_not_there_is_refused_with_one_sentence(process, tmp_path):
    demo = process("demo", "--json", "--recording", tmp_path / "missing.h5")
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert out == b""
    lines = [line for line in err.decode().splitlines() if line.strip()]
    assert len(lines) == 1
    assert "missing.h5" in lines[0]


def test_a_parameter_model_that_is_not_there_is_refused_at_once(myodrive):
    assert myodrive("demo", "--params", "missing.onnx").refused("no parameter model at")


def test_a_decoder_that_cannot_be_kept_is_refused_at_once(myodrive, tmp_path):
    assert myodrive("demo", "--keep", tmp_path / "no" / "d.onnx").refused("no folder")


def test_it_ends_when_told_to_while_it_calibrates(process, muscle_path):
    demo = process("demo", "--recording", muscle_path)
    assert b"1/3" in demo.stderr.readline()
    demo.send_signal(signal.SIGTERM)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert b"interrupted" in err
    assert b"Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_the_advice_at_the_end_is_typed_as_it_stands(monkeypatch, tmp_path):
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "myodrive").touch()
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert demo.typed() == str(Path(".venv", "bin", "myodrive"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert demo.typed() == str(programs / "myodrive")
    monkeypatch.setattr(shutil, "which", lambda name: str(programs / "myodrive"))
    assert demo.typed() == "myodrive"  # the environment is active


def test_kernels_are_compiled_once(monkeypatch, tmp_path):
    monkeypatch.setattr(demo.stream, "__path__", [str(tmp_path)])
    assert not demo.kernels_compiled()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "drive.decayed-23.py311.nbi").touch()
    assert demo.kernels_compiled()
