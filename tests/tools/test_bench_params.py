"""The table of accuracies: its draws are as stated, and its columns say what they mean."""

from __future__ import annotations

import numpy as np
import pytest

from myodrive.models.inversion import inverter
from myodrive.tools.bench_params import FS_HZ, array, drawn_set, row


@pytest.mark.parametrize(("name", "channels", "length_mm"), [("16x1", 16, 75), ("8x8", 64, 56), ("13x5", 64, 96)])
def test_the_arrays_are_those_of_the_table(name, channels, length_mm):
    geometry = array(name)
    assert len(geometry) == channels
    assert np.ptp(geometry.along_mm()) == length_mm


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_the_noise_is_that_of_the_stated_snr(snr_db):
    geometry = array("16x1")
    noisy, variance, zones, speeds = drawn_set(geometry, 4, snr_db, 5)
    clean = drawn_set(geometry, 4, 200.0, 5)[0]
    power = np.square(clean).sum(axis=(1, 2)) / (len(geometry) * 0.04 * FS_HZ)
    assert variance[:, 0] == pytest.approx(power * 10 ** (-snr_db / 10), rel=1e-3)
    assert np.square(noisy - clean).mean(axis=(1, 2)) == pytest.approx(variance[:, 0], rel=0.15)
    assert np.abs(zones).max() < 37.5
    assert (speeds > 2.3).all()
    assert (speeds < 5.7).all()


def test_another_seed_is_another_set_and_the_same_seed_the_same():
    first, again, other = (drawn_set(array("16x1"), 3, 10.0, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_row_counts_its_units_and_beats_a_constant_guess(monkeypatch):
    monkeypatch.setattr(inverter, "ENTRIES", 800)
    monkeypatch.setattr(inverter, "FIBRES", (8, 12, 16))
    found = row("16x1", 20.0, 6, 77)
    assert (found["n"], found["answered"]) == (6, 6)
    assert found["split"] == "matched"
    assert found["iz_mae_mm"] < 0.3 * found["constant_iz_mae_mm"]
    assert found["cv_mae_m_s"] < 0.5 * found["constant_cv_mae_m_s"]
    assert 0.0 <= found["iz_cover90"] <= 1.0
