"""The table of accuracies: its rows are those asked for, and say what was measured."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from myodrive.tools import bench_params, bench_params_emg
from myodrive.tools.bench_params import ARRAYS, FIRST_SEED, ROWS, Row, measured, params
from myodrive.tools.bench_params_estimators import Estimates

SEED = 350


def truth(units, progress=lambda share: None):
    """An estimator that knows, and is as sure as it may be."""
    progress(1.0)
    return Estimates(
        units.zones_mm + 0.1, np.full(len(units), 0.1), units.speeds_m_s - 0.01, np.full(len(units), 0.001), 0.5
    )


def test_the_short_table_has_what_the_issue_asks_for():
    usual = [row for row in ROWS if row.usual]
    matched = Counter((row.array, row.snr_db) for row in usual if row.split == "matched" and row.input == "muap")
    assert matched == Counter((array, snr_db) for array in ARRAYS for snr_db in (0.0, 10.0, 20.0))
    assert any(row.conductor == "cylinder" for row in usual)
    assert any(row.input == "emg" for row in usual)


def test_no_two_rows_are_the_same():
    assert len(set(map(str, ROWS))) == len(ROWS)


@pytest.mark.parametrize(
    ("row", "split"),
    [
        (Row("8x8", 0.0), "matched"), (Row("8x8", 0.0, conductor="half-space"), "matched"),
        (Row("8x8", 0.0, conductor="cylinder"), "left_out"), (Row("8x8", 0.0, draws="fat 9-14 mm"), "left_out"),
        (Row("8x8", 0.0, "emg", "cylinder"), "left_out"),
    ],
)  # fmt: skip
def test_what_training_has_not_seen_is_left_out(row, split):
    assert row.split == split


def test_a_row_says_what_was_measured_and_of_how_many():
    found = measured(Row("16x1", 20.0), 4, SEED, estimator=truth)
    assert (found["n"], found["answered"], found["seed"], found["n_unmatched"]) == (4, 4, SEED, 0)
    assert (found["array"], found["snr_db"], found["input"], found["conductor"]) == ("16x1", 20.0, "muap", "planar")
    assert found["iz_mae_mm"] == pytest.approx(0.1)
    assert found["cv_mae_m_s"] == pytest.approx(0.01)
    assert (found["iz_cover90"], found["cv_cover90"]) == (1.0, 0.0)
    assert found["ms_a_unit"] == 125.0
    assert (found["iz_met"], found["cv_met"]) == (True, True)
    assert found["constant_iz_mae_mm"] > 1.0
    assert found["classical_iz_answered"] >= 2
    assert not any(name.startswith("encoder_") for name in found)


def test_a_second_estimator_stands_beside_the_first_with_the_same_fields():
    found = measured(Row("16x1", 20.0), 2, SEED, estimator=truth, encoder=lambda units, progress: None)
    for name in ("iz_mae_mm", "cv_mae_m_s", "iz_cover90", "cv_cover90", "ms_a_unit"):
        assert found[f"encoder_{name}"] is None
        assert found[f"classical_{name}"] is not None or "cv" in name
        assert name in found


def test_every_row_has_its_own_seed_whatever_else_is_measured():
    plan = [ROWS[0], ROWS[10], ROWS[2]]
    found = params(units=1, plan=plan, seed=SEED, estimator=truth)["rows"]
    assert [row["seed"] for row in found] == [SEED, SEED + 10, SEED + 2]
    alone = params(units=1, plan=[ROWS[10]], seed=SEED, estimator=truth)["rows"][0]
    assert alone["constant_iz_mae_mm"] == found[1]["constant_iz_mae_mm"]


def test_the_full_table_has_every_row_and_units_enough(monkeypatch):
    asked = []

    def noted(row, count, seed, *rest):
        asked.append((row, count, seed))
        stated = dict.fromkeys(("iz_sd_median_mm", "cv_sd_median_m_s", "iz_median_mm", "cv_median_m_s"))
        return {**vars(row), "split": row.split, **stated}

    monkeypatch.setattr(bench_params, "measured", noted)
    params(full=True)
    assert [row for row, _, _ in asked] == list(ROWS)
    assert {(row.input, count) for row, count, _ in asked} == {("muap", 500), ("emg", 200)}
    assert [seed for _, _, seed in asked] == list(range(FIRST_SEED, FIRST_SEED + len(ROWS)))
    asked.clear()
    params()
    assert {(row.input, count) for row, count, _ in asked} == {("muap", 300), ("emg", 40)}
    assert [row for row, _, _ in asked] == [row for row in ROWS if row.usual]


def test_progress_rises_to_the_end_and_says_what_is_done():
    told = []
    params(units=2, plan=ROWS[:2], seed=SEED, estimator=truth, progress=lambda *one: told.append(one))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1.0
    assert any("row 2 of 2" in note and "16x1, 10 dB" in note for _, note in told)
    assert {note.rsplit(": ", 1)[1] for _, note in told} == {"simulating", "estimating", "baselines"}


def test_an_emg_row_counts_what_is_no_simulated_unit(monkeypatch):
    monkeypatch.setattr(bench_params_emg, "SECONDS", 12.0)
    monkeypatch.setattr(bench_params_emg, "POOL_UNITS", 12)
    monkeypatch.setattr(bench_params_emg, "MOST_FIBRES", 20)
    monkeypatch.setattr(bench_params_emg, "LEAST_ROA", 1.1)
    found = measured(Row("8x8", 30.0, "emg"), 3, SEED, estimator=truth)
    assert found["n"] == 0
    assert found["n_unmatched"] > 0
    assert found["recordings"] == 2
    assert found["iz_mae_mm"] is None
    assert found["ms_a_unit"] is None
