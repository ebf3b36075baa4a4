"""An array, its model of the physics, and units that several tests of the inversion use."""

import numpy as np
import pytest
import torch

from myodrive.models.bandpass import design_filter
from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.mean_unit import MeanUnit
from myodrive.models.inversion import inverter as module
from myodrive.models.inversion.inverter import Inverter
from myodrive.models.inversion.parameters import DELAY, NAMES, prior_draws
from myodrive.stream.geometry import Geometry


@pytest.fixture(scope="session")
def band():
    """Rate, samples of a window, and the filter's sections."""
    return 2048.0, 112, np.asarray(design_filter(2048.0).sections)


@pytest.fixture(scope="session")
def geometry():
    """Two columns of ten rows, 6 mm apart."""
    row, col = np.indices((10, 2))
    return Geometry(row.ravel(), col.ravel(), 6.0, 10, 2)


@pytest.fixture(scope="session")
def model(geometry, band):
    fs_hz, samples, sections = band
    return MeanUnit(Electrodes.from_geometry(geometry), fs_hz, samples, sections, 3)


@pytest.fixture(scope="session")
def theta(geometry):
    """Six units whose waveforms lie within the window."""
    drawn = prior_draws(6, geometry, torch.Generator().manual_seed(4))
    drawn[:, DELAY] = 8.0
    return drawn


@pytest.fixture(scope="session")
def noisy():
    """Waveforms with white noise of a standard deviation that is a share of their root mean square; its variance."""

    def make(waveforms, share, seed=0):
        sd = share * waveforms.square().mean(dim=(1, 2)).sqrt()[:, None]
        noise = torch.randn(waveforms.shape, generator=torch.Generator().manual_seed(seed))
        return waveforms + sd[..., None] * noise, sd.square().expand(waveforms.shape[:2])

    return make


@pytest.fixture(scope="session")
def truth(geometry):
    """Four units under the array, near the surface."""
    drawn = prior_draws(4, geometry, torch.Generator().manual_seed(2))
    drawn[:, NAMES.index("depth_mm")] = 6.0
    drawn[:, NAMES.index("lateral_mm")] = 0.0
    drawn[:, DELAY] = 9.0
    return drawn


@pytest.fixture(scope="session")
def measured(model, truth, noisy):
    """Their waveforms with noise, and its variance."""
    waveforms, variance = noisy(model(truth), 0.1)
    return waveforms.numpy(), variance.double().numpy()


@pytest.fixture(scope="session")
def inverter(geometry, band):
    """With a small dictionary."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ENTRIES", 800)
        made = Inverter(geometry, band[2], band[0], band[1])
        made._dictionary  # noqa: B018  made with so many entries
    return made
