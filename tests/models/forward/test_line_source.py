"""The membrane current on a grid, the closed form that must equal it, and the concentrated sources."""

import numpy as np
import pytest
import torch

from myodrive.models.forward.concentrated import (
    TRIPOLE_STRENGTH_MV_MM,
    concentrated_sources,
    concentrated_waveform,
)
from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.fibres import Fibres, place, quadrature_deviates
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.homogeneous import Homogeneous
from myodrive.models.forward.line_source import membrane_current
from myodrive.models.forward.waveform import LOW_PASS, WaveformModel, Window

FS = 2.048  # kHz
F64 = torch.float64


def tensors(*values: list[float]) -> list[torch.Tensor]:
    return [torch.tensor(v, dtype=F64) for v in values]


def fibres_on_whole_millimetres() -> Fibres:
    """Three fibres whose innervation points and ends lie halfway between points of every grid used here."""
    lateral, depth, zone, low, high, velocity = tensors(
        [0.0, 3.0, -5.0], [8.0, 5.0, 12.0], [0.0, 3.0, -8.0], [-55.0, -60.0, -70.0], [60.0, 50.0, 66.0], [4.0, 3.2, 5.0]
    )
    rows = [v[None] for v in (lateral, depth, zone, low, high, velocity)]
    return Fibres(*rows, weight=torch.full((1, 3), 100.0, dtype=F64), ap_scale=torch.tensor([1.1], dtype=F64))


def on_a_grid(conductor, electrodes, fibres, dz, oversampling=4):
    """Waveform from the current on points `dz` apart, sampled finely in time and low-passed as the closed form is."""
    samples = 512 * oversampling
    fs = FS * oversampling
    time = (torch.arange(samples, dtype=F64) - samples // 4) / fs
    nodes = torch.arange(-100.0, 100.0, dz, dtype=F64)  # whole multiples of dz: ends coincide with points
    current = membrane_current(
        nodes,
        time,
        fibres.innervation_mm[0],
        fibres.low_end_mm[0],
        fibres.high_end_mm[0],
        fibres.velocity_m_s[0],
        fibres.ap_scale[0],
    )
    x, z = torch.tensor(electrodes.across_mm)[:, None], torch.tensor(electrodes.along_mm)[:, None]
    waveform = sum(
        fibres.weight[0, f]
        * conductor.potential(x - fibres.lateral_mm[0, f], fibres.depth_mm[0, f], z - nodes)
        @ current[f]
        for f in range(3)
    )
    frequency = torch.fft.rfftfreq(samples, 1.0 / fs) / FS
    gain = 0.5 * torch.special.erfc((frequency - LOW_PASS[0]) / LOW_PASS[1])
    band_limited = torch.fft.irfft(torch.fft.rfft(1000.0 * waveform) * gain, samples)
    first = samples // 4 - 10 * oversampling
    return band_limited[:, first : first + 100 * oversampling : oversampling]


@pytest.fixture(scope="module")
def electrodes(grid):
    return Electrodes.from_geometry(grid(8, 2))


def test_current_sums_to_zero_at_every_instant():
    fibres = fibres_on_whole_millimetres()
    time = torch.linspace(-2.0, 40.0, 300, dtype=F64)
    nodes = torch.arange(-100.0, 100.0, 0.37, dtype=F64)
    current = membrane_current(
        nodes,
        time,
        fibres.innervation_mm[0] + 0.123,
        fibres.low_end_mm[0],
        fibres.high_end_mm[0],
        fibres.velocity_m_s[0],
        1.0,
    )
    assert current.abs().max() > 1e-3
    assert current.sum(dim=1).abs().max() < 1e-12
    inside = (time > 0.5) & (time < 15.0)
    assert (current[:, :, inside].abs().amax(dim=(0, 1)) > 1e-3).all()


@pytest.mark.parametrize("conductor", [HalfSpace(), HalfSpace(0.08, 6.5), Homogeneous()])
def test_the_closed_form_is_the_current_on_a_fine_grid(conductor, electrodes):
    fibres = fibres_on_whole_millimetres()
    window = Window(samples=100, start_ms=-10 / FS)
    closed = WaveformModel(conductor, electrodes, window, dtype=F64).of_fibres(fibres)[0]
    fine = on_a_grid(conductor, electrodes, fibres, dz=0.25)
    assert (closed - fine).norm() / fine.norm() < 5e-3


def test_float32_is_enough(electrodes):
    fibres = fibres_on_whole_millimetres()
    exact = WaveformModel(HalfSpace(), electrodes, dtype=F64).of_fibres(fibres)
    single = Fibres(*(getattr(fibres, name).float() for name in fibres.__dataclass_fields__))
    rounded = WaveformModel(HalfSpace(), electrodes).of_fibres(single)
    assert rounded.dtype == torch.float32
    assert (rounded - exact).norm() / exact.norm() < 1e-5


def test_a_grid_of_one_millimetre_is_within_one_percent_and_a_coarser_one_is_not(electrodes):
    fibres = fibres_on_whole_millimetres()
    window = Window(samples=100, start_ms=-10 / FS)
    closed = WaveformModel(HalfSpace(), electrodes, window, dtype=F64).of_fibres(fibres)[0]
    errors = [
        float((on_a_grid(HalfSpace(), electrodes, fibres, dz) - closed).norm() / closed.norm()) for dz in (4.0, 1.0)
    ]
    assert errors[1] < 0.01 < errors[0]


def test_concentrated_sources_sum_to_zero_at_every_instant():
    zone, low, high, velocity = tensors([0.0, 10.0], [-50.0, -45.0], [60.0, 50.0], [4.0, 5.0])
    _, current = concentrated_sources(torch.linspace(-1.0, 30.0, 200, dtype=F64), zone, low, high, velocity)
    assert current.abs().max() > 1e-3
    assert current.sum(dim=1).abs().max() < 1e-12
    assert abs(sum(TRIPOLE_STRENGTH_MV_MM)) < 1e-9


def test_concentrated_sources_stay_on_the_fibre():
    zone, low, high, velocity = tensors([0.0, 10.0], [-50.0, -45.0], [60.0, 50.0], [4.0, 5.0])
    where, current = concentrated_sources(torch.linspace(-1.0, 30.0, 200, dtype=F64), zone, low, high, velocity)
    there = current.abs() > 1e-9
    assert (where >= low[:, None, None] - 1e-6)[there].all()
    assert (where <= high[:, None, None] + 1e-6)[there].all()


def test_concentrated_sources_come_near_the_line_source(unit, line):
    parameters = unit(depth_mm=20.0, fibres=100.0)
    fibres = place(parameters, quadrature_deviates(10, F64))
    window = Window()
    full = WaveformModel(Homogeneous(), line, window, dtype=F64).of_fibres(fibres)
    few = concentrated_waveform(Homogeneous(), line, fibres, torch.tensor(window.times_ms()))
    assert few.shape == full.shape
    assert (few - full).norm() / full.norm() < 0.2
    assert np.corrcoef(few.flatten(), full.flatten())[0, 1] > 0.98
