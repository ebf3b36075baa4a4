"""The ablation: every variant is trained as it says, and tested on the same units."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from rich.console import Console  # noqa: E402

from myodrive.models.encoder import training  # noqa: E402
from myodrive.models.encoder.draws import draw_shard  # noqa: E402
from myodrive.tools import bench_ablation  # noqa: E402


def test_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(training, "draw_shard", lambda generator, device="cpu": draw_shard(generator, device, units=6))
    monkeypatch.setattr(training, "TOKENS", 128)
    monkeypatch.setattr(bench_ablation, "SHARDS", 1)
    few = training.TrainSettings
    monkeypatch.setattr(bench_ablation, "TrainSettings", lambda: few(shards=12, physics_units=2))
    trained = []
    run = training.Training.run
    monkeypatch.setattr(training.Training, "run", lambda self, *a: (trained.append(self.settings), run(self, *a)))
    result = bench_ablation.ablation(1, 3, 390)
    assert [row["variant"] for row in result["rows"]] == list(bench_ablation.VARIANTS)
    assert [(s.supervised, s.physics, s.aligned) for s in trained] == [
        (1.0, 0.1, True), (1.0, 0.0, True), (0.0, 1.0, True), (1.0, 0.1, False),
    ]  # fmt: skip
    errors = [row["cv_16x1_20db"] for row in result["rows"]]
    assert len(set(errors)) > 1  # they are different networks
    Console(width=100).print(bench_ablation.table(result["rows"]))
    assert "no alignment" in capsys.readouterr().out
