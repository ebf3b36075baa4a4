"""The pool against the equations of Fuglevand et al. 1993, written out."""

import math

import numpy as np
import pytest

from myodrive.models.simulation.pool import Pool, PoolSettings, twitch_gain


@pytest.fixture
def pool():
    """120 units."""
    return Pool(PoolSettings(units=120))


def test_thresholds_sizes_and_twitches_follow_the_equations(pool):
    for i in (1, 37, 120):
        twitch = math.exp(math.log(100.0) * i / 120)
        assert pool.threshold[i - 1] == pytest.approx(math.exp(math.log(30.0) * i / 120))
        assert pool.twitch[i - 1] == pytest.approx(twitch)
        assert pool.contraction_ms[i - 1] == pytest.approx(90.0 * twitch ** (-math.log(3.0) / math.log(100.0)))
        assert pool.fibres[i - 1] == round(15.0 * twitch)
        assert pool.peak_rate_hz[i - 1] == pytest.approx(35.0 - 10.0 * pool.threshold[i - 1] / 30.0)


def test_units_are_recruited_in_order_at_the_least_rate(pool):
    for unit in (0, 60, 119):
        at = pool.threshold[unit]
        below, there = pool.rate_hz(np.array([at - 1e-9, at]))[unit]
        assert below == 0.0
        assert there == pytest.approx(8.0)
    active = (pool.rate_hz(np.linspace(0.0, 40.0, 50)) > 0.0).astype(int)
    assert (np.diff(active, axis=0) <= 0).all()  # whoever fires, all before fire
    assert (np.diff(active, axis=1) >= 0).all()


def test_the_rate_rises_by_the_gain_up_to_the_peak(pool):
    excitation = pool.threshold[50] + np.array([5.0, 6.0, 100.0])
    first, second, last = pool.rate_hz(excitation)[50]
    assert first == pytest.approx(13.0)
    assert second - first == pytest.approx(1.0)
    assert last == pytest.approx(pool.peak_rate_hz[50])


def test_all_units_are_at_their_peak_at_full_excitation_and_not_before(pool):
    np.testing.assert_allclose(pool.rate_hz(np.array(pool.full_excitation)), pool.peak_rate_hz)
    assert pool.full_excitation == pytest.approx(30.0 + 25.0 - 8.0)
    assert pool.steady_force(np.array([pool.full_excitation]))[0] == pytest.approx(100.0)


def test_the_excitation_for_a_force_holds_that_force(pool):
    force = np.array([0.0, 0.5, 10.0, 30.0, 80.0, 100.0])
    np.testing.assert_allclose(pool.steady_force(pool.excitation_for(force)), force, atol=0.1)  # steps by a unit
    assert pool.excitation_for(np.array([0.0]))[0] == 0.0


def test_threshold_forces_rise_from_nothing(pool):
    force = pool.threshold_force()
    assert force[0] == 0.0
    assert (np.diff(force) > 0.0).all()


def test_the_twitch_gain_is_1_below_the_linear_limit_and_continuous_there():
    assert twitch_gain(np.array([0.0, 0.2, 0.4])).tolist() == [1.0, 1.0, 1.0]
    assert twitch_gain(np.array([0.4001]))[0] == pytest.approx(1.0, abs=1e-3)
    x = np.array([0.4, 0.9])
    sigmoid = 1.0 - np.exp(-2.0 * x**3)
    assert twitch_gain(x[1:])[0] == pytest.approx((sigmoid[1] / x[1]) / (sigmoid[0] / x[0]))


def test_a_pool_of_nobody_is_refused():
    with pytest.raises(ValueError):
        Pool(PoolSettings(units=0))
