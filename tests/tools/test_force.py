"""A force on the EMG's samples: to the bit where it is as fast, on a straight line between its values where not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.tools.force import force_at, on_axis

FS_HZ = 2048.0
STAMPS = 1000.0 + np.arange(4096) / FS_HZ  # s


def test_a_force_at_the_emgs_rate_is_kept_to_the_bit_whatever_its_delay_below_half_a_sample(rng):
    values = rng.standard_normal(4096)
    for delay in (-0.4, 0.0, 0.4):
        np.testing.assert_array_equal(
            force_at(STAMPS + delay / FS_HZ, values, STAMPS, FS_HZ), values.astype(np.float32)
        )


@pytest.mark.parametrize("samples", [2, 3, 40, 4096])
def test_a_force_as_fast_is_not_interpolated_however_short_the_emg(rng, samples):
    values = rng.standard_normal(samples)
    found = force_at(STAMPS[:samples] + 0.3 / FS_HZ, values, STAMPS[:samples], FS_HZ)
    np.testing.assert_array_equal(found, values.astype(np.float32))


def test_a_faster_force_gives_its_nearest_values():
    times = 1000.0 + np.arange(5 * 4096) / (5 * FS_HZ)
    found = force_at(times, np.arange(5 * 4096.0), STAMPS, 5 * FS_HZ)
    np.testing.assert_array_equal(found, 5.0 * np.arange(4096))


@pytest.mark.parametrize("fs_hz", [50.0, 0.0])
def test_a_slower_force_is_interpolated_and_held_beyond_its_ends(fs_hz):
    times = 1000.5 + np.arange(50) / 50.0
    found = force_at(times, 3.0 * (times - 1000.5), STAMPS, fs_hz)
    inside = (STAMPS >= times[0]) & (STAMPS <= times[-1])
    np.testing.assert_allclose(found[inside], 3.0 * (STAMPS[inside] - 1000.5), atol=1e-5)
    assert (found[STAMPS < times[0]] == 0.0).all()
    assert (found[STAMPS > times[-1]] == np.float32(3.0 * (times[-1] - 1000.5))).all()
    assert len(np.unique(found[inside])) == inside.sum()  # no steps


def test_of_two_values_equally_near_the_earlier_is_taken():
    times = np.array([0.0, 1.0, 2.0])
    np.testing.assert_array_equal(force_at(times, np.array([5.0, 6.0, 7.0]), np.array([0.5, 1.5]), 1.0), [5.0, 6.0])


def test_a_single_value_holds_for_all_and_none_is_refused():
    assert (force_at(np.array([1000.2]), np.array([7.0]), STAMPS, FS_HZ) == 7.0).all()
    with pytest.raises(ValueError, match="one at least"):
        force_at(np.empty(0), np.empty(0), STAMPS, FS_HZ)
    with pytest.raises(ValueError, match="2 for 1"):
        force_at(np.zeros(1), np.zeros(2), STAMPS, FS_HZ)


@given(rate=st.floats(0.99, 5.0), begin=st.floats(-5, 5), samples=st.integers(1, 300))
def test_as_fast_a_force_is_the_nearest_value_to_the_bit(rate, begin, samples):
    axis = np.arange(samples, dtype=np.float64)
    places = begin + np.arange(0, samples + 10, 1 / rate)
    values = np.random.default_rng(0).normal(size=len(places))
    found = on_axis(axis, places, values, slower=False)
    away = np.abs(axis[:, None] - places)
    nearest = values.astype(np.float32)[None].repeat(samples, 0)[np.arange(samples), away.argmin(axis=1)]
    tie = np.sort(away, axis=1)[:, :2]
    clear = tie[:, 1] - tie[:, 0] > 1e-9
    np.testing.assert_array_equal(found[clear], nearest[clear])


def test_a_slower_force_is_a_straight_line_between_its_values_and_flat_beyond():
    found = on_axis(np.arange(10.0), np.array([2.0, 6.0]), np.array([1.0, 3.0]), slower=True)
    np.testing.assert_allclose(found, [1, 1, 1, 1.5, 2, 2.5, 3, 3, 3, 3])


@pytest.mark.parametrize("slower", [False, True])
def test_what_pauses_for_long_is_no_number_in_between(slower):
    places = np.concatenate([np.arange(10.0, 30.0), np.arange(50.0, 70.0), [75.0]])
    found = on_axis(np.arange(100.0), places, np.ones(len(places)), slower, longest=6.0)
    known = np.zeros(100, bool)
    known[4:30] = known[50:82] = True
    np.testing.assert_array_equal(np.isfinite(found), known)


@pytest.mark.parametrize("longest", [np.inf, 3.0])
def test_one_value_alone_is_everywhere_or_near_it(longest):
    found = on_axis(np.arange(10.0), np.array([5.0]), np.array([7.0]), True, longest)
    assert np.isfinite(found).sum() == (10 if longest == np.inf else 7)
    assert set(found[np.isfinite(found)].tolist()) == {7.0}
