"""When units fire."""

import numpy as np
import pytest

from myodrive.models.simulation.discharges import discharge
from myodrive.models.simulation.profile import Profile

FS_HZ = 2048.0


def fire(rate_hz, cov=0.18, refractory_ms=10.0, seed=0):
    return discharge(np.asarray(rate_hz, float), FS_HZ, cov, refractory_ms, np.random.default_rng(seed))


@pytest.mark.parametrize("rate", [8.0, 15.0, 30.0])
@pytest.mark.parametrize("cov", [0.0, 0.15, 0.2])
def test_mean_and_variation_of_intervals_are_those_asked_for(rate, cov):
    intervals = np.diff(fire(np.full(round(400 * FS_HZ), rate), cov)) / FS_HZ
    assert intervals.mean() == pytest.approx(1.0 / rate, rel=0.01)
    assert intervals.std() / intervals.mean() == pytest.approx(cov, abs=0.012)


def test_no_interval_is_shorter_than_the_refractory_time():
    rate = np.full(round(100 * FS_HZ), 50.0)
    assert np.diff(fire(rate, cov=0.4, refractory_ms=2.0)).min() < 0.012 * FS_HZ
    assert np.diff(fire(rate, cov=0.4, refractory_ms=12.0)).min() == np.ceil(0.012 * FS_HZ)


def test_a_unit_is_silent_where_its_rate_is_0_and_only_there():
    rate = np.repeat([0.0, 10.0, 0.0, 20.0], round(20 * FS_HZ))
    counts = np.histogram(fire(rate), np.arange(5) * 20 * FS_HZ)[0]
    assert counts[0] == counts[2] == 0
    np.testing.assert_allclose(counts[[1, 3]], [200, 400], rtol=0.05)


def test_the_rate_is_followed_while_it_changes():
    time = np.arange(round(300 * FS_HZ)) / FS_HZ
    rate = 8.0 + 22.0 * time / 300.0
    found = fire(rate)
    expected = np.cumsum(rate)[found] / FS_HZ  # discharges due by then
    np.testing.assert_allclose(np.arange(1, len(found) + 1), expected, atol=6.0 * 0.18 * len(found) ** 0.5)


def test_units_recruited_together_do_not_fire_together():
    rate = np.full(round(2 * FS_HZ), 10.0)
    first = np.array([fire(rate, seed=seed)[0] for seed in range(400)]) / FS_HZ
    assert np.histogram(first, 4, (0.0, 0.1))[0].min() > 50


def test_the_profiles_start_at_rest_and_reach_the_level():
    for shape, at in (("trapezoid", 10.0), ("sine", 2.5)):
        force = Profile(shape, 40.0).force(round(20 * FS_HZ), FS_HZ)
        assert force[0] == 0.0
        assert force.max() == force[round(at * FS_HZ)] == pytest.approx(40.0)
    assert (Profile("constant", 40.0).force(100, FS_HZ) == 40.0).all()


def test_the_trapezoid_is_rest_ramp_plateau_ramp_rest():
    force = Profile("trapezoid", 40.0, rest_s=1.0, ramp_s=4.0).force(2000, 100.0)
    np.testing.assert_allclose(force[[50, 100, 300, 500, 1500, 1700, 1950]], [0, 0, 20, 40, 40, 20, 0])


def test_profiles_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="plateau"):
        Profile("trapezoid", 40.0, ramp_s=5.0).force(1000, 100.0)
    with pytest.raises(ValueError, match="triangle"):
        Profile("triangle")
