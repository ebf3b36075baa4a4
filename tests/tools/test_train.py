"""`train`: one command to a model that the live path reads, with its card; and what it refuses."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from myodrive.models.encoder import calibration, training  # noqa: E402
from myodrive.models.encoder.draws import draw_shard  # noqa: E402
from myodrive.stream.parameter_file import read_parameter_file  # noqa: E402
from myodrive.tools.commands import train  # noqa: E402


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of seconds: the same code on less."""
    few = lambda generator, device="cpu": draw_shard(generator, device, units=6)  # noqa: E731
    monkeypatch.setattr(training, "draw_shard", few)
    monkeypatch.setattr(calibration, "draw_shard", few)
    monkeypatch.setattr(calibration, "SHARDS", 24)
    monkeypatch.setattr(calibration, "UNITS", 48)
    monkeypatch.setattr(training, "TOKENS", 128)
    whole = training.TrainSettings
    monkeypatch.setattr(training, "TrainSettings", lambda **given: whole(**given, shards=12, physics_units=2))


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return parser.parse_args(words)


def test_it_writes_a_model_that_the_live_path_reads(
    small: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "parameters.onnx"
    assert train.main(arguments("-o", str(path), "--steps", "2", "--seed", "3", "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert not [warning for warning in recwarn if warning.category in (UserWarning, FutureWarning)]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert printed["bytes"] == path.stat().st_size < 5_000_000
    info = read_parameter_file(path).info
    assert info.names[:2] == ["iz_mm", "cv_m_s"]
    assert info.created_by["settings"]["seed"] == 3
    card = path.with_suffix(".md").read_text()
    assert "--seed 3 --steps 2" in card
    assert all(f"| {name}" in card for name in info.names)
    assert str(tmp_path) not in card
    log = (tmp_path / "parameters.run" / "log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "model.txt"], "end it in .onnx"),
        (["-o", "model.onnx", "--supervised", "0", "--physics", "0"], "nothing to learn"),
        (["-o", "missing/model.onnx"], "there is no folder"),
        pytest.param(
            ["-o", "model.onnx", "--device", "cuda"],
            "finds no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_bad_options(
    myodrive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert myodrive("train", *words).refused(sentence)
    assert not list(tmp_path.iterdir())


def test_no_training_draws_what_tests_draw() -> None:
    """Seeds of the tests begin at 1000; those of the smallest training lie beyond all of them."""
    with pytest.raises(SystemExit):
        arguments("-o", "model.onnx", "--seed", "0")
    least = object.__new__(training.Training)
    least.rank, least.settings = 0, training.TrainSettings(seed=arguments("-o", "m.onnx", "--seed", "1").seed)
    assert least._generator(1 - least.settings.shards).initial_seed() > 2**30
