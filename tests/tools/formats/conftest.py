"""A recording to be written and read."""

import pytest

from .made_files import make_recording


@pytest.fixture
def recording():
    """2.3 s of six channels, force and two units."""
    return make_recording()
