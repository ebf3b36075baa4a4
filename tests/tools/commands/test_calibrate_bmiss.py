"""`myodrive calibrate --method bmiss`: what it writes and tells, how it is interrupted, what it refuses."""

import importlib.util
import os
import signal
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.bmiss import calibration
from myodrive.stream.decoder_file import read_decoder
from myodrive.tools.commands import calibrate
from myodrive.tools.lead_fields import main as lead_fields

PLACED = {
    "iz_mm": {"value": 12.5, "sd": 0.5}, "cv_m_s": {"value": 4.0, "sd": 0.1}, "depth_mm": {"value": None},
    "lateral_mm": {"value": -3.0, "sd": 1.0}, "misfit_db": {"value": -15.0}, "reason": "of a test",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """A short search, and places out of the air: these recordings are easy, and of no muscle."""
    patch = pytest.MonkeyPatch()
    quick = replace(
        calibration.INVERSION, rounds=1, proposals=50, candidates=4, looked_at=25, refinements=1, restarts=1, polish=1
    )
    patch.setattr(calibration, "INVERSION", quick)
    patch.setattr(calibration, "by_physics", lambda emg, trains, *rest: [dict(PLACED) for _ in trains])
    yield
    patch.undo()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("bmiss") / "d.onnx"


@pytest.fixture
def interrupting(monkeypatch):
    """Ctrl-C as soon as there is a unit, as many times as said."""

    def set_up(times):
        left = [times]

        @contextmanager
        def bar(what):
            def tell(share, note=""):
                if what == "calibrating" and not note.startswith("0") and left[0]:
                    left[0] -= 1
                    os.kill(os.getpid(), signal.SIGINT)

            yield tell

        monkeypatch.setattr(calibrate, "progress_bar", bar)

    return set_up


def test_it_tells_every_unit_with_its_place_and_the_file_decodes_to_them(myodrive, muscle_path, muscle, out, tmp_path):
    drawn = tmp_path / "units.svg"
    said = myodrive(
        "calibrate", muscle_path, "-o", out, "--method", "bmiss", "--lookahead", "20", "--plot", drawn, "--json"
    )
    assert said.code == 0, said.err
    assert f"{len(muscle.units)} motor units" in drawn.read_text()
    decoder = read_decoder(out)
    assert said.json["sha256"] == decoder.sha256
    assert len(said.json["units"]) == len(decoder.info.units) == len(muscle.units)
    for told, unit in zip(said.json["units"], decoder.info.units, strict=True):
        assert told["parameters"] == unit.parameters == PLACED
    assert decoder.info.detector.lookahead == np.ceil(0.020 * muscle.fs_hz)
    assert decoder.info.created_by["method"] == "bmiss"
    events = tmp_path / "e.tsv"
    assert myodrive("decode", muscle_path, "--decoder", out, "-o", events).code == 0
    scored = myodrive("score", events, muscle_path, "--json")
    assert scored.json["totals"]["recovered_roa"] == len(muscle.units)


def test_one_ctrl_c_keeps_what_has_been_found(myodrive, muscle_path, tmp_path, interrupting):
    usual = signal.getsignal(signal.SIGINT)
    interrupting(1)
    path = tmp_path / "d.onnx"
    said = myodrive("calibrate", muscle_path, "-o", path, "--method", "bmiss")
    assert said.code == 0, said.err
    assert "Ctrl-C again" in said.err
    assert "depth" in said.err  # the table
    assert "12.5±0.5" in said.err
    decoder = read_decoder(path)
    assert decoder.info.created_by["interrupted"] is True
    assert len(decoder.info.units) >= 1
    assert signal.getsignal(signal.SIGINT) is usual


def test_two_ctrl_c_leave_no_decoder(myodrive, muscle_path, tmp_path, interrupting):
    usual = signal.getsignal(signal.SIGINT)
    interrupting(2)
    said = myodrive("calibrate", muscle_path, "-o", tmp_path / "d.onnx", "--method", "bmiss")
    assert said.code == 130
    assert said.err.splitlines()[-1] == "myodrive calibrate: interrupted"
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGINT) is usual


def test_a_model_of_another_array_is_refused(myodrive, muscle_path, tmp_path):
    model = tmp_path / "model.h5"
    assert lead_fields(["--conductor", "half-space", "--grid", "LIN04-10", "-o", str(model)]) == 0
    said = myodrive("calibrate", muscle_path, "-o", tmp_path / "d.onnx", "--method", "bmiss", "--model", model)
    assert said.refused("muscle model")


def test_electrodes_at_one_place_are_refused(myodrive, changed, tmp_path):
    def heap(file):
        file["row"][:] = 0
        file["col"][:] = 0

    said = myodrive("calibrate", changed(heap), "-o", tmp_path / "d.onnx", "--method", "bmiss")
    assert said.refused("place")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "mine.h5"), ("--model", "--method bmiss")),
        (("--lookahead", "12"), ("--lookahead", "--method bmiss")),
        (("--plot", "units.svg"), ("--plot", "--method bmiss")),
        (("--method", "bmiss", "--plot", "units.png"), ("units.png", ".svg")),
        (("--method", "bmiss", "--plot", "nowhere/units.svg"), ("nowhere",)),
        (("--method", "bmiss", "--model", "none.h5"), ("no muscle model", "none.h5")),
        (("--method", "bmiss", "--end", "4"), ("4.0 s long", "5 s")),
        (("--method", "bmiss", "--channels", "0-2"), ("3 of 3 channels",)),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_does_not_fit_is_refused(myodrive, muscle_path, tmp_path, arguments, words):
    assert myodrive("calibrate", muscle_path, "-o", tmp_path / "d.onnx", *arguments).refused(*words)
    assert not list(tmp_path.iterdir())


def test_too_short_a_recording_is_refused_before_it_is_made(myodrive, unique, tmp_path):
    """There is no such stream, and nobody looks for it."""
    said = myodrive("calibrate", "--stream", unique, "--seconds", "4", "--method", "bmiss", "-o", tmp_path / "d.onnx")
    assert said.refused("the recording is 4.0 s long", "at least 5 s")
    assert unique not in said.err


@pytest.mark.parametrize("wait", ["3", "33", "nan"])
def test_a_look_ahead_out_of_range_is_wrong_usage(myodrive, muscle_path, tmp_path, wait):
    said = myodrive("calibrate", muscle_path, "-o", tmp_path / "d.onnx", "--method", "bmiss", "--lookahead", wait)
    assert said.wrong_usage("4", "32")


def test_without_pytorch_the_extra_is_named(myodrive, muscle_path, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    said = myodrive("calibrate", muscle_path, "-o", tmp_path / "d.onnx", "--method", "bmiss")
    assert said.refused("PyTorch", "[train]")
