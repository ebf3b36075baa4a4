"""The mean unit against units of thousands of fibres, and its derivatives."""

import numpy as np
import pytest
import torch

from myodrive.models.bandpass import design_filter
from myodrive.models.forward.cylinder import Cylinder
from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.fibres import UnitParameters, random_deviates
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.mean_current import (
    COLUMNS,
    DELAY,
    DEPTH,
    FAT,
    HIGH,
    IZ,
    LATERAL,
    LOW,
    RADIUS,
    RATIO,
    STEPS,
    TENDON_SPREAD_MM,
)
from myodrive.models.forward.mean_unit import MeanUnit
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.forward.waveform import WaveformModel, Window
from myodrive.stream.filter import CausalFilter
from myodrive.stream.geometry import Geometry

FS_HZ, SAMPLES, LEAD = 2048.0, 112, 40
SECTIONS = design_filter(FS_HZ).sections
ORDINARY = {
    "innervation_zone_mm": 6.0, "conduction_velocity_m_s": 4.1, "depth_mm": 7.0, "lateral_mm": 3.0,
    "half_length_low_mm": 55.0, "half_length_high_mm": 70.0, "iz_spread_mm": 9.0, "ap_scale": 1.05, "cv_sd_m_s": 0.15,
    "radius_mm": 4.0, "fat_mm": 2.4, "anisotropy": 5.6, "delay_ms": 8.0,
}  # fmt: skip


def theta(**values):
    return torch.tensor([[(ORDINARY | values)[name] for name in COLUMNS]])


@pytest.fixture(scope="module")
def geometry():
    row, col = np.indices((6, 3))
    return Geometry(row.ravel(), col.ravel(), 8.0, 6, 3)


@pytest.fixture(scope="module")
def mean_unit(geometry):
    return MeanUnit(Electrodes.from_geometry(geometry), FS_HZ, SAMPLES, SECTIONS)


def of_many_fibres(geometry, fibres, montage="monopolar", body=None, spread=TENDON_SPREAD_MM, **values):
    """What the live path would see of a unit of as many random fibres, sample by sample."""
    wanted = ORDINARY | values
    planar = PlanarLayers(fat_mm=wanted.pop("fat_mm"), anisotropy=wanted.pop("anisotropy"))
    window = Window(FS_HZ, SAMPLES + LEAD, -wanted.pop("delay_ms") - LEAD * 1e3 / FS_HZ, 90.0)
    named = {name: torch.tensor([value], dtype=torch.float32) for name, value in wanted.items()}
    unit = UnitParameters.of(**named, tendon_spread_mm=spread, fibres=200.0)
    model = WaveformModel(body or planar, Electrodes.from_geometry(geometry, montage), window)
    deviates = random_deviates(1, fibres, torch.Generator().manual_seed(0))
    with torch.no_grad():
        filtered = np.ascontiguousarray(model(unit, deviates)[0].numpy().T)
    CausalFilter(SECTIONS, filtered.shape[1])(filtered)
    return torch.tensor(filtered[LEAD:].T)


def difference(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("montage", ["monopolar", "single-differential"])
@pytest.mark.parametrize("values", [{}, {"depth_mm": 3.0, "innervation_zone_mm": -15.0}, {"delay_ms": 0.0}])
def test_it_is_the_mean_of_thousands_of_fibres_through_the_live_filter(geometry, montage, values):
    found = MeanUnit(Electrodes.from_geometry(geometry, montage), FS_HZ, SAMPLES, SECTIONS)(theta(**values))[0]
    assert difference(found, of_many_fibres(geometry, 3000, montage, **values)) < 0.04  # what 3000 leave to chance
    assert difference(found, of_many_fibres(geometry, 30, montage, **values)) > 0.04


def test_of_fibres_all_alike_it_is_the_fibre(geometry, mean_unit):
    alike = {"iz_spread_mm": 0.0, "cv_sd_m_s": 0.0, "radius_mm": 1e-3}
    assert difference(mean_unit(theta(**alike))[0], of_many_fibres(geometry, 400, **alike)) < 0.01


@pytest.mark.parametrize("name", COLUMNS)
def test_derivatives_agree_with_finite_differences(mean_unit, name):
    place = COLUMNS.index(name)
    step = 10.0 * STEPS.get(place, 0.002)
    waveform, slopes = mean_unit.with_slopes(theta())
    torch.testing.assert_close(waveform, mean_unit(theta()), rtol=1e-4, atol=1e-4)
    low, high = (mean_unit(theta(**{name: ORDINARY[name] + sign * step})) for sign in (-1.0, 1.0))
    assert difference(slopes[:, place], (high - low) / (2 * step)) < 0.005


def test_a_view_of_the_channels_is_the_same_view_of_the_waveforms(geometry, mean_unit):
    same = torch.as_tensor(geometry.col[:, None] == geometry.col[None, :]).float()
    view = (torch.eye(len(geometry)) - same / 6.0)[None]
    waveform, slopes = mean_unit.with_slopes(theta())
    seen, seen_slopes = mean_unit.with_slopes(theta(), view)
    torch.testing.assert_close(seen, view @ waveform, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(seen_slopes, view[:, None] @ slopes, rtol=1e-3, atol=1e-2)


def test_a_batch_is_its_units_one_by_one(mean_unit):
    batch = torch.cat([theta(), theta(fat_mm=5.0, innervation_zone_mm=-9.0), theta(anisotropy=4.1, delay_ms=15.0)])
    together = mean_unit(batch)
    for i in range(3):
        assert difference(mean_unit(batch[i : i + 1])[0], together[i]) < 1e-4


def test_a_later_delay_is_the_same_waveform_later(mean_unit):
    later = 4 * 1e3 / FS_HZ
    early, late = mean_unit(theta())[0], mean_unit(theta(delay_ms=ORDINARY["delay_ms"] + later))[0]
    assert difference(late[:, 4:], early[:, :-4]) < 1e-3


def test_moving_the_unit_by_a_row_moves_the_waveforms_by_a_row(geometry, mean_unit):
    here, further = mean_unit(theta())[0].reshape(6, 3, -1), mean_unit(theta(innervation_zone_mm=14.0))[0]
    assert difference(further.reshape(6, 3, -1)[1:], here[:-1]) < 1e-4


def test_columns_moved_together_have_the_sum_of_their_slopes(mean_unit):
    waveform, alone = mean_unit.with_slopes(theta())
    found, together = mean_unit.with_slopes(theta(), groups=[(LOW, HIGH), (IZ,), (DEPTH, RATIO)])
    torch.testing.assert_close(found, waveform, rtol=1e-4, atol=1e-4)
    for i, group in enumerate([(LOW, HIGH), (IZ,), (DEPTH, RATIO)]):
        assert difference(together[:, i], sum(alone[:, column] for column in group)) < 0.03


def test_one_conductor_of_all_is_the_same_conductor_for_each(geometry, mean_unit):
    body = PlanarLayers(fat_mm=ORDINARY["fat_mm"], anisotropy=ORDINARY["anisotropy"])
    one = MeanUnit(Electrodes.from_geometry(geometry), FS_HZ, SAMPLES, SECTIONS, conductor=body)
    for values in ({}, {"depth_mm": 3.0, "lateral_mm": -20.0}, {"radius_mm": 7.0, "depth_mm": 15.0}):
        assert difference(one(theta(**values))[0], mean_unit(theta(**values))[0]) < 0.01
    waveform, slopes = one.with_slopes(theta())
    torch.testing.assert_close(waveform, one(theta()), rtol=1e-4, atol=1e-4)
    expected = mean_unit.with_slopes(theta())[1]
    for column in (IZ, DEPTH, LATERAL, RADIUS):
        assert difference(slopes[:, column], expected[:, column]) < 0.02
    assert (slopes[:, [FAT, RATIO]] == 0.0).all()


ALIKE = {"iz_spread_mm": 0.0, "cv_sd_m_s": 0.0, "radius_mm": 1e-3}


@pytest.mark.parametrize("body", [HalfSpace(), Cylinder()], ids=lambda body: type(body).__name__)
def test_in_any_conductor_it_is_the_fibre_where_all_are_alike(geometry, body):
    electrodes = Electrodes.from_geometry(geometry)
    unit = MeanUnit(electrodes, FS_HZ, SAMPLES, SECTIONS, conductor=body, tendon_spread_mm=0.0)
    for values in (ALIKE, ALIKE | {"depth_mm": 14.0, "lateral_mm": -12.0}):
        expected = of_many_fibres(geometry, 2, body=body, spread=0.0, **values)
        assert difference(unit(theta(**values))[0], expected) < 0.01


def test_the_fibres_ends_scatter_as_widely_as_is_said(geometry):
    wide = MeanUnit(Electrodes.from_geometry(geometry), FS_HZ, SAMPLES, SECTIONS, tendon_spread_mm=24.0)
    short = ALIKE | {"half_length_low_mm": 30.0, "half_length_high_mm": 40.0}  # ends near the electrodes
    expected = of_many_fibres(geometry, 1000, spread=24.0, **short)
    assert difference(wide(theta(**short))[0], expected) < 0.02
    assert difference(of_many_fibres(geometry, 2, spread=0.0, **short), expected) > 0.04


def test_electrodes_with_a_size_are_refused(geometry):
    with pytest.raises(ValueError, match="points"):
        MeanUnit(Electrodes.from_geometry(geometry, size_mm=3.0), FS_HZ, SAMPLES, SECTIONS)


def test_columns_named_are_where_their_numbers_say():
    assert [COLUMNS[i] for i in (IZ, FAT, RATIO, DELAY)] == [
        "innervation_zone_mm", "fat_mm", "anisotropy", "delay_ms"
    ]  # fmt: skip
