"""A small muscle under a small array, simulated once for all tests of this folder."""

import numpy as np
import pytest

from myodrive.models.simulation.muscle import MuscleSettings
from myodrive.models.simulation.pool import PoolSettings
from myodrive.models.simulation.profile import Profile
from myodrive.models.simulation.simulator import SimulationSettings, simulate
from myodrive.stream.geometry import Geometry

ROW, COL = np.indices((5, 3)).reshape(2, -1)


@pytest.fixture(scope="session")
def array():
    """5 x 3 electrodes, 8 mm apart."""
    return Geometry(ROW, COL, 8.0, 5, 3)


@pytest.fixture(scope="session")
def settings():
    """6 units, 4 s at 1000 Hz, no noise, few fibres."""
    return SimulationSettings(
        seconds=4.0,
        fs_hz=1000.0,
        pool=PoolSettings(units=6),
        profile=Profile("trapezoid", 40.0),
        muscle=MuscleSettings(most_fibres=40),
        noise=(),
        seed=3,
    )


@pytest.fixture(scope="session")
def simulation(settings, array):
    """What they give."""
    return simulate(settings, array)
