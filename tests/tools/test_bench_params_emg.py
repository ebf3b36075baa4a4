"""Units found in interference EMG: each is scored against the unit it is."""

from __future__ import annotations

import numpy as np
import pytest

from myodrive.models.calibration import CalibrationSettings
from myodrive.models.simulation.simulator import simulate
from myodrive.stream.average_window import window_samples
from myodrive.stream.errors import CalibrationError
from myodrive.tools import bench_params_emg
from myodrive.tools.bench_params_emg import emg_set, settings_of
from myodrive.tools.bench_params_estimators import classical
from myodrive.tools.bench_params_sets import FS_HZ, array


@pytest.fixture(scope="module")
def quick():
    """A short recording of few units."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_params_emg, "SECONDS", 12.0)
        patch.setattr(bench_params_emg, "POOL_UNITS", 12)
        patch.setattr(bench_params_emg, "MOST_FIBRES", 20)
        patch.setattr(bench_params_emg, "LEVELS", (15.0,))
        yield


@pytest.fixture(scope="module")
def found(quick):
    return emg_set("8x8", 3, 30.0, 305)


def test_units_are_found_and_each_is_one_of_the_simulated(found, quick):
    truth = simulate(settings_of("8x8", 30.0, (305, 0), "planar"), array("8x8")).truth
    assert found.recordings == 1
    assert 3 <= len(found) <= len(truth)
    simulated = {(unit["innervation_zone_mm"], unit["conduction_velocity_m_s"]) for unit in truth}
    scored = set(zip(found.zones_mm.tolist(), found.speeds_m_s.tolist(), strict=True))
    assert scored <= simulated
    assert len(scored) == len(found)


def test_their_averages_are_those_of_the_live_window_with_noise(found):
    for average in found.averages:
        assert average.waveform.shape == (64, sum(window_samples(FS_HZ)))
        assert average.discharges > 30
        assert (average.noise > 0.0).all()


def test_a_classical_estimate_is_near_the_truth_of_the_same_unit(found):
    error = np.abs(classical(found).iz_mm - found.zones_mm)
    shuffled = np.abs(classical(found).iz_mm - np.roll(found.zones_mm, 1))
    assert np.nanmedian(error) < 0.5 * np.nanmedian(shuffled)


def test_recordings_of_a_row_differ_and_come_again_with_the_seed():
    first, again, next_one, other = (
        settings_of("8x8", 20.0, seed, "cylinder") for seed in ((305, 0), (305, 0), (305, 1), (306, 0))
    )
    assert first == again
    assert len({first.seed, next_one.seed, other.seed}) == 3
    assert first.muscle.fat_mm != next_one.muscle.fat_mm
    assert first.muscle.conductor == "cylinder"


def test_recordings_without_a_unit_end_the_row(quick, monkeypatch):
    def nothing(*args, **kwargs):
        raise CalibrationError("no unit")

    monkeypatch.setattr(bench_params_emg, "calibrate", nothing)
    empty = emg_set("8x8", 6, 30.0, 307)
    assert len(empty) == 0
    assert empty.recordings == 2


def test_no_estimator_uses_a_channel_that_calibration_left_out(quick, monkeypatch):
    calibrate = bench_params_emg.calibrate

    def without_two(source, **kwargs):
        return calibrate(source, CalibrationSettings(bad=(3, 9)), **kwargs)

    monkeypatch.setattr(bench_params_emg, "calibrate", without_two)
    for average in emg_set("8x8", 1, 30.0, 305).averages:
        assert np.flatnonzero(np.isnan(average.noise)).tolist() == [3, 9]
        assert np.flatnonzero(np.isnan(average.waveform).any(axis=1)).tolist() == [3, 9]
