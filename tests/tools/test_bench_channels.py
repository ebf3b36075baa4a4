"""The figures of bad channels: each fault is what it says, and masking finds the units that the filters alone lose."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from myodrive.tools import bench_channels
from myodrive.tools.bench_channels import KINDS, bad_channels, own_references, rates_of_agreement, solve_seconds, tables

FS_HZ = 2000.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_changes_its_channels_from_its_start_on_and_nothing_else(kind):
    clean = np.random.default_rng(0).normal(0, 30, (4000, 5)).astype(np.float32)
    emg = clean.copy()
    bad_channels(emg, kind, [1, 3], 1000, FS_HZ)
    assert np.array_equal(emg[:, [0, 2, 4]], clean[:, [0, 2, 4]])
    assert np.array_equal(emg[:1000], clean[:1000])
    part = emg[1000:, 1]
    assert {
        "flat": np.ptp(part) == 0, "saturated": (np.abs(part) == bench_channels.RAIL_UV).mean() > 0.5,
        "noise": part.std() > 300, "nan": np.isnan(part).all(),
    }[kind]  # fmt: skip


def test_agreement_is_of_each_unit_with_its_own_reference_after_the_start():
    true = [np.arange(100, 8000, 200), np.arange(150, 8000, 170)]
    found = [np.r_[np.arange(5, 2000, 7), true[1][true[1] >= 2000]], true[0] + 3]
    references = own_references([true[1], true[0]], true, FS_HZ)
    assert np.array_equal(references[0], true[1])
    assert rates_of_agreement(found, references, 2000, FS_HZ) == [1.0, 1.0]


def test_rows_compare_filters_as_they_were_with_those_solved_again(muscle_path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_channels, "KINDS", ("noise",))
    monkeypatch.setattr(bench_channels, "LOST", (3,))
    monkeypatch.setattr(bench_channels, "solve_seconds", lambda *sizes: dict(zip("abcd", sizes, strict=True)))
    result = bench_channels.channels(str(muscle_path))
    (one,) = result["sets"]
    (row,) = one["rows"]
    assert one["no_fault"]["roa_median"] == 1.0
    assert one["exchanges_without_fault"] == 0
    assert 0 < row["masked_after_s"] < 0.5
    assert row["masked_later"]["roa_median"] > 0.8  # 3 of 24 channels
    assert row["naive"]["roa_median"] < 0.5
    Console(width=120).print(*tables(result))
    assert "solved again" in capsys.readouterr().out


def test_a_solution_is_timed():
    taken = solve_seconds(16, 4, 3, 2, times=2)
    assert 0 < taken["median_s"] <= taken["longest_s"]
