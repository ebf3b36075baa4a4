"""The force of the twitches."""

import numpy as np
import pytest

from myodrive.models.simulation.force import twitch_force
from myodrive.models.simulation.pool import Pool, PoolSettings
from myodrive.models.simulation.simulator import simulate

FS_HZ = 1000.0


def test_one_discharge_is_one_twitch():
    pool = Pool(PoolSettings(units=3))
    trains = [np.zeros(0, np.int64), np.array([100]), np.zeros(0, np.int64)]
    force = twitch_force(pool, trains, 1000, FS_HZ)
    time = (np.arange(1000) - 100.0).clip(0.0) / pool.contraction_ms[1]
    twitch = 100.0 / pool.full_force * pool.twitch[1] * time * np.exp(1.0 - time)
    np.testing.assert_allclose(force, twitch, atol=1e-9)


def test_held_twitches_make_the_steady_force():
    pool = Pool(PoolSettings(units=10))
    excitation = np.array([20.0])
    rate = pool.rate_hz(excitation)[:, 0]
    trains = [
        np.round(np.arange(0.0, 20_000.0, 1000.0 / r)).astype(np.int64) if r else np.zeros(0, np.int64) for r in rate
    ]
    force = twitch_force(pool, trains, 20_000, FS_HZ)
    assert force[5000:].mean() == pytest.approx(pool.steady_force(excitation)[0], rel=0.01)


@pytest.mark.parametrize("level", [10.0, 35.0, 80.0])
def test_the_force_comes_out_as_asked_for(level):
    from myodrive.models.simulation.discharges import discharge

    pool = Pool()
    excitation = pool.excitation_for(np.full(12_000, level))
    rng = np.random.default_rng(1)
    trains = [discharge(pool.rate_of(unit, excitation), FS_HZ, 0.18, 10.0, rng) for unit in range(len(pool))]
    force = twitch_force(pool, trains, 12_000, FS_HZ)[2000:]
    assert force.mean() == pytest.approx(level, rel=0.05)
    assert force.std() < 0.1 * level


def test_the_force_follows_the_profile(simulation, settings):
    wanted = settings.profile.force(len(simulation.force), settings.fs_hz)
    assert np.corrcoef(simulation.force, wanted)[0, 1] > 0.85
    assert simulation.force[0] == 0.0


def test_a_muscle_that_stays_silent_is_refused(settings, array):
    from dataclasses import replace

    with pytest.raises(ValueError, match="no unit fires"):
        simulate(replace(settings, profile=replace(settings.profile, level=0.0)), array)
