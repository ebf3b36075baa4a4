"""Where electrodes lie and what their size does."""

import numpy as np
import pytest
import torch

from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.waveform import WaveformModel


def averaged(size_mm, shape, points=60):
    """Mean of e^(i k z) over the electrode, from many points."""
    s = (np.arange(points) + 0.5) / points - 0.5
    x, z = np.meshgrid(s * size_mm, s * size_mm)
    inside = x**2 + z**2 <= size_mm**2 / 4 if shape == "disc" else np.ones_like(x, bool)
    return x[inside], z[inside]


@pytest.mark.parametrize("shape", ["disc", "square"])
def test_an_electrode_averages_over_its_area(shape):
    electrodes = Electrodes(np.zeros(1), np.zeros(1), 6.0, shape)
    k = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
    x, z = averaged(6.0, shape)
    for kx in (0.0, 0.3):
        found = sum(np.cos(kx * shift) * gain for shift, gain in electrodes.averaging(k))
        expected = np.array([np.mean(np.cos(kx * x) * np.cos(float(kz) * z)) for kz in k])
        np.testing.assert_allclose(found.numpy(), expected, atol=5e-3)


def test_a_large_electrode_sees_less_of_a_shallow_unit(unit):
    deviates = torch.full((1, 1, 6), 0.5, dtype=torch.float64)
    rms = [
        float(
            WaveformModel(HalfSpace(), Electrodes(np.zeros(1), np.zeros(1), size), dtype=torch.float64)(
                unit(depth_mm=4.0, radius_mm=0.0, innervation_zone_mm=-30.0), deviates
            ).norm()
        )
        for size in (0.0, 2.0, 8.0, 16.0)
    ]
    assert rms[0] > rms[1] > rms[2] > rms[3]
    assert rms[1] / rms[0] > 0.97


def test_places_come_from_the_geometry(grid):
    geometry = grid(13, 5)
    electrodes = Electrodes.from_geometry(geometry, "single-differential")
    np.testing.assert_array_equal(electrodes.along_mm, geometry.along_mm())
    np.testing.assert_array_equal(electrodes.across_mm, geometry.across_mm())
    assert electrodes.step_mm == geometry.ied_mm
    assert len(electrodes) == 65


def test_what_is_no_electrode_is_refused(grid):
    with pytest.raises(ValueError, match="oval"):
        Electrodes(np.zeros(2), np.zeros(2), 3.0, "oval")
    with pytest.raises(ValueError, match="bipolar"):
        Electrodes.from_geometry(grid(2, 2), "bipolar")
    with pytest.raises(ValueError, match="across"):
        Electrodes(np.zeros(2), np.zeros(3))
