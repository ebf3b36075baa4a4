"""An easy recording, and what the search makes of it, once for all tests of this folder."""

import numpy as np
import pytest

from myodrive.models.separation import SearchSettings, separate

from .synthetic import FS_HZ, make_recording

QUICK = SearchSettings(extension=12, rounds=2, starts=32)


@pytest.fixture(scope="session")
def quick():
    """Settings that are enough for an easy recording."""
    return QUICK


@pytest.fixture(scope="session")
def easy():
    """EMG (samples, channels) in uV and the true trains of six well separated units."""
    return make_recording(seed=3)


@pytest.fixture(scope="session")
def separated(easy):
    """The easy recording's units."""
    return separate(easy[0], QUICK, fs_hz=FS_HZ)


@pytest.fixture
def rng():
    """Random numbers, the same every time."""
    return np.random.default_rng(0)
