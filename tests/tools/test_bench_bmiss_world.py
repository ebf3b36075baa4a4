"""The simulated muscle: what is asked for is what is recorded, as the live path would see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.bandpass import design_filter
from myodrive.stream.errors import OptionError
from myodrive.stream.filter import CausalFilter
from myodrive.tools.bench_bmiss_waveforms import PARAMETERS, SIZE
from myodrive.tools.bench_bmiss_world import Settings, make_world, superposed

SMALL = Settings("5x4", units=6, seconds=3.0, seed=4)


@pytest.fixture(scope="module")
def world():
    return make_world(replace(SMALL, snr_db=20.0))


def test_a_seed_makes_the_same_muscle_and_another_another(world):
    again = make_world(replace(SMALL, snr_db=20.0))
    np.testing.assert_array_equal(again.emg, world.emg)
    np.testing.assert_array_equal(again.unit_parameters, world.unit_parameters)
    other = make_world(replace(SMALL, snr_db=20.0, seed=5))
    assert not np.array_equal(other.trains[0], world.trains[0])
    assert not np.isclose(other.unit_parameters, world.unit_parameters).any()


def test_noise_changes_neither_units_nor_discharges(world):
    quiet = make_world(SMALL)
    assert not quiet.noise.any()
    np.testing.assert_array_equal(quiet.waveforms, world.waveforms)
    for one, other in zip(quiet.trains, world.trains, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("snr_db", [20.0, 3.0])
def test_noise_is_white_and_as_strong_as_asked_before_the_filter(snr_db):
    noisy, quiet = make_world(replace(SMALL, snr_db=snr_db)).raw, make_world(SMALL).raw
    noise = noisy - quiet
    power = np.mean(quiet**2, axis=0).mean()
    assert 10.0 * np.log10(power / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.1)
    assert np.mean(noise[1:] * noise[:-1]) / np.mean(noise**2) == pytest.approx(0.0, abs=0.02)
    levels = np.mean(noise**2, axis=0) / np.mean(noise**2)
    assert np.ptp(levels) < 0.2  # the same on every channel, however strong its EMG


def test_the_emg_is_what_the_live_filter_makes_of_the_raw_emg_in_hops(world):
    live = world.raw.copy()
    keep = CausalFilter(design_filter(world.fs_hz).sections, live.shape[1])
    for start in range(0, len(live), 7):
        keep(live[start : start + 7])
    np.testing.assert_array_equal(world.emg, live)


def test_the_emg_is_its_waveforms_at_the_discharges_and_the_noise(world):
    rest = world.emg - superposed(world.waveforms, world.trains, world.before, len(world.emg)) - world.noise
    assert rest.std() < 1e-3 * world.emg.std()
    assert np.abs(rest).max() < 1e-2 * world.emg.std()


def test_parameters_are_where_their_shares_say(world):
    assert world.unit_parameters.shape == (6, len(PARAMETERS))
    for column, name in enumerate(PARAMETERS):
        share = world.unit_parameters[:, column]
        assert ((share >= 0.0) & (share <= 1.0)).all()
        if name == SIZE:
            assert (world.parameters[SIZE] >= 1.0).all()
            np.testing.assert_allclose(world.parameters[SIZE], (1.0 - share) ** -0.5)  # Pareto's quantiles
        else:
            low, high = world.ranges[name]
            np.testing.assert_allclose(world.parameters[name], low + (high - low) * share)


@pytest.mark.parametrize(("array", "widest"), [("10x32", 120.0), ("8x8", 28.0), ("13x5", 16.0)])
def test_units_lie_below_the_array(array, widest):
    assert Settings(array).ranges["lateral_mm"] == (-widest, widest)


def test_units_fire_as_said():
    trains = make_world(Settings("4x4", units=40, seconds=10.0)).trains
    intervals = np.concatenate([np.diff(train) for train in trains]) / 2000.0
    assert intervals.mean() == pytest.approx(0.1, abs=0.002)
    assert intervals.std() == pytest.approx(0.03, abs=0.002)
    assert intervals.min() >= 0.0195  # 20 ms, to a sample
    first = np.array([train[0] for train in trains]) / 2000.0
    assert first.min() < 0.02 < 0.06 < first.max()
    assert min(train[-1] for train in trains) > 9.7 * 2000


@pytest.mark.parametrize("array", ["32", "1x8", "8x1", "64x64", "8 x 8", "0x0", ""])
def test_what_is_no_grid_is_refused_in_one_sentence(array):
    with pytest.raises(OptionError, match="10x32"):
        Settings(array)


def test_an_unknown_generator_is_refused_with_those_there_are():
    with pytest.raises(OptionError, match="cylinder"):
        Settings(generator="mud")
