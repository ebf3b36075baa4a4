"""Arrays and units that several tests of the forward model use."""

import numpy as np
import pytest
import torch

from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.fibres import UnitParameters
from myodrive.stream.geometry import Geometry


@pytest.fixture(scope="session")
def grid():
    """Geometry of a full grid of rows x columns."""

    def make(rows: int, columns: int, ied_mm: float = 8.0) -> Geometry:
        row, col = np.indices((rows, columns))
        return Geometry(row.ravel(), col.ravel(), ied_mm, rows, columns)

    return make


@pytest.fixture(scope="session")
def line():
    """Sixteen electrodes, 5 mm apart, along the fibres."""
    return Electrodes((np.arange(16) - 7.5) * 5.0, np.zeros(16))


@pytest.fixture(scope="session")
def unit():
    """Parameters in float64: ordinary ones but for those named."""

    def make(**values: object) -> UnitParameters:
        values = {"depth_mm": 10.0} | values
        return UnitParameters.of(**{name: torch.as_tensor(v, dtype=torch.float64) for name, v in values.items()})

    return make


@pytest.fixture(scope="session")
def single(unit):
    """Parameters of a unit whose fibres are all alike."""

    def make(**values: object) -> UnitParameters:
        alike = {"radius_mm": 0.0, "iz_spread_mm": 0.0, "tendon_spread_mm": 0.0, "cv_sd_m_s": 0.0}
        return unit(**(alike | values))

    return make
