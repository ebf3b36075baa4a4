"""An array, a window, tables of lead fields and a small muscle that several tests of this folder use."""

import numpy as np
import pytest

from myodrive.models.bandpass import design_filter
from myodrive.models.bmiss.generator import FiringWindow
from myodrive.models.bmiss.search import invert
from myodrive.models.bmiss.table_of_conductor import lead_fields_of
from myodrive.models.forward.cylinder import Cylinder
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.stream.geometry import Geometry

from .small_world import FS_HZ, QUICK, small_world

BODIES = {"half-space": HalfSpace(), "planar": PlanarLayers(), "cylinder": Cylinder()}
LATERAL_MM, DEPTH_MM, ALONG_MM = np.arange(-26.0, 26.1, 2.0), np.arange(1.0, 26.1), np.arange(-100.0, 100.1, 2.0)


@pytest.fixture(scope="session")
def geometry():
    """Six rows along the fibres, three columns."""
    row, col = np.indices((6, 3))
    return Geometry(row.ravel(), col.ravel(), 8.0, 6, 3)


@pytest.fixture(scope="session")
def window():
    """2000 Hz, 50 ms, firing at 10 ms."""
    return FiringWindow(2000.0)


@pytest.fixture(scope="session")
def sections():
    """The usual band-pass."""
    return design_filter(2000.0).sections


@pytest.fixture(scope="session", params=BODIES)
def bodied(request, geometry):
    """A conductor, and the table made of it."""
    body = BODIES[request.param]
    return body, lead_fields_of(body, geometry, LATERAL_MM, DEPTH_MM, ALONG_MM)


@pytest.fixture(scope="session")
def cylinder_fields(geometry):
    """The table of the cylinder."""
    return lead_fields_of(Cylinder(), geometry, LATERAL_MM, DEPTH_MM, ALONG_MM)


@pytest.fixture(scope="session")
def world():
    """A recording of six units whose every parameter is known."""
    return small_world()


@pytest.fixture(scope="session")
def inverted(world):
    """What the search makes of it."""
    return invert(world.emg, world.geometry, world.generator_of, QUICK, fs_hz=FS_HZ)
