"""Waveforms of simulated units: each generator is what its name says."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.fibres import UnitParameters, quadrature_deviates
from myodrive.models.forward.waveform import WaveformModel, Window
from myodrive.stream.geometry import Geometry
from myodrive.tools.bench_bmiss_waveforms import CONDUCTORS, GENERATORS, MATCHED, SIZE, raw_waveforms

FS_HZ = 2000.0
AROUND_MM = 2.0 * math.pi * CONDUCTORS["cylinder"].skin_radius_mm


def grid(rows, columns):
    row, col = np.divmod(np.arange(rows * columns), columns)
    return Geometry(row, col, 8.0, rows, columns)


def units(**changed):
    """Two units, at the values given."""
    usual = {
        SIZE: 1.0, "depth_mm": 12.0, "lateral_mm": 3.0, "innervation_zone_mm": 4.0, "conduction_velocity_m_s": 4.0,
        "half_length_mm": 60.0,
    }  # fmt: skip
    return {name: np.full(2, value) * np.ones(2) for name, value in (usual | changed).items()}


def energy(waveforms):
    return np.square(waveforms, dtype=np.float64).sum(axis=(1, 2))


def apart(first, second):
    """Share of the power of `first` that no multiple of `second` explains, by unit."""
    cross = (first.astype(np.float64) * second).sum(axis=(1, 2))
    return 1.0 - cross**2 / (energy(first) * energy(second))


def of(generator, parameters, geometry=None, seed=0):
    return raw_waveforms(generator, geometry or grid(5, 3), FS_HZ, parameters, seed)[0]


@pytest.mark.parametrize("generator", [name for name in GENERATORS if name != MATCHED])
def test_a_mismatch_is_more_than_a_gain_and_less_than_another_unit(generator):
    there, assumed = of(generator, units()), of(MATCHED, units())
    other = of(MATCHED, units(depth_mm=20.0, innervation_zone_mm=-10.0, conduction_velocity_m_s=3.1))
    assert (apart(there, assumed) > 1e-4).all()
    assert (apart(there, assumed) < apart(there, other)).all()


@pytest.mark.parametrize("generator", GENERATORS)
def test_size_is_a_factor_of_the_same_waveform(generator):
    large = of(generator, units(size=np.array([1.0, 3.0])))
    if generator == "fibres":  # more fibres, and other ones
        assert energy(large)[1] / energy(large)[0] == pytest.approx(9.0, rel=0.2)
    else:
        np.testing.assert_allclose(large[1], 3.0 * large[0], rtol=1e-4, atol=1e-4 * np.abs(large).max())


def test_nothing_has_happened_at_the_windows_first_sample_and_all_is_over_at_its_last():
    slow = of(MATCHED, units(conduction_velocity_m_s=3.0, half_length_mm=70.0))
    assert np.abs(slow[:, :, [0, -1]]).max() < 0.01 * np.abs(slow).max()


def test_deeper_units_are_weaker():
    depths = units(depth_mm=np.array([7.0, 23.0]))
    for generator in GENERATORS:
        shallow, deep = energy(of(generator, depths))
        assert shallow > 3.0 * deep


def test_under_fat_and_skin_a_unit_is_as_far_from_the_electrodes_as_in_bare_muscle():
    wanted = units(depth_mm=15.0)
    conductor = CONDUCTORS["fat 2 mm"]
    model = WaveformModel(conductor, Electrodes.from_geometry(grid(5, 3)), Window(FS_HZ, 90, -5.0))
    layered = {
        depth: model(
            UnitParameters.of(
                depth_mm=depth, lateral_mm=3.0, innervation_zone_mm=4.0, half_length_low_mm=60.0,
                half_length_high_mm=60.0, iz_spread_mm=3.0, tendon_spread_mm=3.0, radius_mm=3.0, cv_sd_m_s=0.0,
            ),
            quadrature_deviates(200),
        ).numpy()
        for depth in (12.0, 13.0, 15.0)
    }  # fmt: skip
    there = of("fat 2 mm", wanted)[:1]
    off = {depth: np.linalg.norm(there - one) / np.linalg.norm(one) for depth, one in layered.items()}
    assert off[12.0] < 0.03  # 15 mm less 3 mm of fat and skin
    assert off[13.0] > 0.1
    assert off[15.0] > 0.2


def test_once_around_the_limb_is_the_same_place():
    wide = grid(4, 32)  # all around
    there = of("cylinder", units(lateral_mm=120.0), wide)
    around = of("cylinder", units(lateral_mm=120.0 - AROUND_MM), wide)
    np.testing.assert_allclose(around, there, atol=1e-3 * np.abs(there).max())
    last, first = wide.col == 31, wide.col == 0
    assert energy(there[:, first]).min() > 0.2 * energy(there[:, last]).max()  # they are neighbours


def test_few_fibres_are_drawn_by_the_seed_and_tell_their_means():
    wanted = units()
    first, parameters = raw_waveforms("fibres", grid(5, 3), FS_HZ, wanted, 1)
    np.testing.assert_array_equal(first, of("fibres", wanted, seed=1))
    assert apart(first, of("fibres", wanted, seed=2)).min() > 1e-5
    for name, most in (("innervation_zone_mm", 1.5), ("depth_mm", 3.0), ("lateral_mm", 3.0), ("half_length_mm", 3.0)):
        off = np.abs(parameters[name] - wanted[name])
        assert (off > 0.0).all()
        assert (off < most).all()
