"""Tables of waveforms: what may be one, its filtering, and what lies between its units."""

import numpy as np
import pytest
import scipy.interpolate
import scipy.signal
import torch

from myodrive.models.bmiss.generator import FiringWindow, PhysicsGenerator
from myodrive.models.bmiss.muscle_model import MuscleModelError
from myodrive.models.bmiss.personal import generator_of
from myodrive.models.bmiss.waveform_table import WaveformTable
from myodrive.models.bmiss.waveform_table_generator import WaveformTableGenerator
from myodrive.models.forward.half_space import HalfSpace

PASS = [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]  # a filter that changes nothing
RANGES = {"depth_mm": (8.0, 20.0), "lateral_mm": (-15.0, 15.0)}


def some(**changed):
    rng = np.random.default_rng(0)
    values = {
        "names": ("depth_mm", "lateral_mm"), "parameters": rng.uniform(1.0, 9.0, (20, 2)),
        "waveforms": rng.standard_normal((20, 4, 30), np.float32), "fs_hz": 2000.0, "fires_at": 5.0,
        "row": np.array([0, 1, 0, 1]), "col": np.array([0, 0, 1, 1]), "ied_mm": 8.0,
    }  # fmt: skip
    return WaveformTable(**(values | changed))


@pytest.fixture(scope="module")
def physics(geometry):
    return PhysicsGenerator(geometry, FiringWindow(2000.0), PASS, RANGES, conductor=HalfSpace())


@pytest.fixture(scope="module")
def table(physics, geometry):
    """Unfiltered waveforms of 400 units."""
    theta = physics.space.at(torch.rand(400, 2, generator=torch.Generator().manual_seed(0)))
    return WaveformTable(
        physics.names, theta.double().numpy(), physics.waveforms(theta).numpy(), 2000.0, float(physics.fires_at),
        geometry.row, geometry.col, geometry.ied_mm,
    )  # fmt: skip


def difference(found, expected):
    return float((found - expected).norm() / expected.norm())


def test_between_its_units_it_is_what_they_were_made_of(physics, table, geometry, sections):
    window = FiringWindow(2000.0)
    generator = generator_of(table, geometry, window, sections)
    filtered = PhysicsGenerator(geometry, window, sections, RANGES, conductor=HalfSpace())
    theta = physics.space.at(0.1 + 0.8 * torch.rand(30, 2, generator=torch.Generator().manual_seed(1)))
    found, expected = generator.waveforms(theta), filtered.waveforms(theta)
    assert found.shape == expected.shape == (30, generator.channels, generator.samples)
    assert difference(found, expected) < 0.02
    waveforms, slopes = generator.with_slopes(theta)
    torch.testing.assert_close(waveforms, found)
    assert difference(slopes, filtered.with_slopes(theta)[1]) < 0.15


def test_a_tabulated_unit_comes_out_as_it_is(table, sections):
    generator = WaveformTableGenerator(table, FiringWindow(2000.0), sections)
    theta = torch.tensor(table.parameters[:7], dtype=torch.float32)
    filtered = scipy.signal.sosfilt(np.asarray(sections), table.waveforms[:7])
    assert difference(generator.waveforms(theta), torch.tensor(filtered, dtype=torch.float32)) < 1e-3


def test_what_is_linear_in_the_parameters_comes_out_exactly_with_its_slopes():
    parameters = np.random.default_rng(1).uniform(-3.0, 3.0, (60, 2))
    plane = np.random.default_rng(2).standard_normal((3, 4, 30))
    heights = np.einsum("np,pct->nct", np.c_[np.ones(60), parameters], plane)
    table = some(parameters=parameters, waveforms=heights.astype(np.float32))
    generator = WaveformTableGenerator(table, FiringWindow(2000.0, 15.0, 2.5), PASS)
    theta = torch.tensor([[0.3, -1.0], [2.0, 2.0]])
    found, slopes = generator.with_slopes(theta)
    expected = np.einsum("np,pct->nct", np.c_[np.ones(2), theta.numpy()], plane)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_allclose(slopes, np.broadcast_to(plane[1:], (2, 2, 4, 30)), atol=1e-2)


def test_another_rate_and_another_window_show_the_same_waveform(table):
    here = table.seen(2000.0, 100, 20, PASS)
    np.testing.assert_allclose(here, table.waveforms, atol=1e-4 * np.abs(here).max())
    later = table.seen(2000.0, 100, 25, PASS)
    np.testing.assert_allclose(later[..., 5:], here[..., :-5], atol=1e-4 * np.abs(here).max())
    finer = table.seen(4000.0, 200, 40, PASS)
    np.testing.assert_allclose(finer[..., ::2], here, atol=1e-3 * np.abs(here).max())
    odd = table.seen(2048.0, 102, 20, PASS)  # sample k lies at (k - 20) / 2048 s after the firing
    times, own = (np.arange(102) - 20) / 2048.0, (np.arange(100) - 20) / 2000.0
    spline = scipy.interpolate.CubicSpline(own, table.waveforms, axis=-1)
    inside = (times > -0.008) & (times < 0.035)
    assert np.abs(odd - spline(times))[..., inside].max() < 0.05 * np.abs(here).max()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"names": ("depth_mm",)}, "1 different names"),
        ({"names": ("depth_mm", "depth_mm")}, "different names"),
        ({"waveforms": np.zeros((19, 4, 30), np.float32)}, "expected 20 units of 4"),
        ({"waveforms": np.full((20, 4, 30), np.nan, np.float32)}, "2400 values that are not finite"),
        ({"parameters": np.full((20, 2), np.inf)}, "parameters has 40 values"),
        ({"parameters": np.c_[np.arange(20.0), np.ones(20)]}, "lateral_mm is 1 in all"),
        ({"parameters": np.ones((9, 2)), "waveforms": np.zeros((9, 4, 30), np.float32)}, "at least 10"),
        ({"fires_at": 30.0}, "fire at sample 30"),
        ({"row": np.array([0, 0, 0, 1])}, "one electrode"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(changed, reason):
    with pytest.raises(MuscleModelError, match=reason) as caught:
        some(**changed)
    assert "\n" not in str(caught.value)
