"""Units seen through a table of lead fields, against those in the conductor that the table was made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from myodrive.models.bmiss.generator import BOTH_ENDS, PhysicsGenerator
from myodrive.models.bmiss.lead_field_unit import LeadFieldGenerator, spectra, usual_ranges
from myodrive.models.bmiss.muscle_model import MuscleModelError
from myodrive.models.bmiss.personal import generator_of

RANGES = {
    "innervation_zone_mm": (-20.0, 20.0), "conduction_velocity_m_s": (3.0, 4.5), "depth_mm": (5.0, 22.0),
    "lateral_mm": (-20.0, 20.0), "half_length_low_mm": (45.0, 65.0), "half_length_high_mm": (50.0, 70.0),
    "iz_spread_mm": (2.0, 10.0), "radius_mm": (1.0, 4.0),
}  # fmt: skip


def draws(generator, units, seed=0):
    share = torch.rand(units, len(generator.space), generator=torch.Generator().manual_seed(seed))
    return generator.space.at(share)


def difference(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.fixture(scope="module")
def generator(cylinder_fields, window, sections):
    return LeadFieldGenerator(cylinder_fields, window, sections, RANGES)


def test_it_is_the_unit_in_the_conductor_that_the_table_was_made_of(bodied, geometry, window, sections):
    body, fields = bodied
    physics = PhysicsGenerator(geometry, window, sections, RANGES, conductor=body)
    table = LeadFieldGenerator(fields, window, sections, RANGES)
    assert (table.channels, table.samples, table.fires_at) == (physics.channels, physics.samples, physics.fires_at)
    theta = draws(physics, 30)
    found, expected = table.waveforms(theta), physics.waveforms(theta)
    for unit in range(30):
        assert difference(found[unit], expected[unit]) < 0.01


def test_its_slopes_are_those_in_the_conductor(bodied, geometry, window, sections):
    body, fields = bodied
    ranges = RANGES | {"depth_mm": (8.0, 22.0)}  # slopes are less exact than values, most so near the electrodes
    physics = PhysicsGenerator(geometry, window, sections, ranges, conductor=body)
    table = LeadFieldGenerator(fields, window, sections, ranges)
    theta = draws(physics, 8, seed=1)
    found, expected = table.with_slopes(theta)[1], physics.with_slopes(theta)[1]
    for place in range(len(RANGES)):
        assert difference(found[:, place], expected[:, place]) < 0.06


@pytest.mark.parametrize("name", RANGES)
def test_slopes_agree_with_finite_differences(generator, name):
    theta, place = draws(generator, 5, seed=2), generator.space.place(name)
    waveforms, slopes = generator.with_slopes(theta)
    torch.testing.assert_close(waveforms, generator.waveforms(theta), rtol=1e-3, atol=1e-3)
    step = torch.zeros(len(RANGES))
    step[place] = 0.005 * (RANGES[name][1] - RANGES[name][0])
    numeric = (generator.waveforms(theta + step) - generator.waveforms(theta - step)) / (2.0 * step[place])
    for unit in range(5):
        assert difference(slopes[unit, place], numeric[unit]) < 0.01


def test_no_symmetry_is_asked_of_the_muscle(cylinder_fields, window, sections):
    """A channel turned round along the fibres sees the unit turned round; one that is louder is louder."""
    potential = cylinder_fields.potential.copy()
    potential[:, :, 0] = potential[:, :, 0, ::-1]
    potential[:, :, 1] *= 3.0
    other = LeadFieldGenerator(replace(cylinder_fields, potential=potential), window, sections, RANGES)
    here = LeadFieldGenerator(cylinder_fields, window, sections, RANGES)
    theta = draws(here, 4, seed=3)
    turned = theta.clone()
    turned[:, 0] *= -1.0
    turned[:, 4], turned[:, 5] = theta[:, 5], theta[:, 4]
    found = other.waveforms(theta)
    assert difference(found[:, 0], here.waveforms(turned)[:, 0]) < 1e-3
    assert difference(found[:, 1], 3.0 * here.waveforms(theta)[:, 1]) < 1e-4
    assert difference(found[:, 2:], here.waveforms(theta)[:, 2:]) < 1e-4


def test_a_constant_along_the_fibres_changes_nothing(cylinder_fields, window, sections):
    potential = cylinder_fields.potential + np.float32(2.0) * cylinder_fields.potential.max()
    other = LeadFieldGenerator(replace(cylinder_fields, potential=potential), window, sections, RANGES)
    here = LeadFieldGenerator(cylinder_fields, window, sections, RANGES)
    theta = draws(here, 4)
    assert difference(other.waveforms(theta), here.waveforms(theta)) < 2e-3


def test_what_lies_beyond_the_fibres_ends_does_not_matter(cylinder_fields, window, sections):
    inside = np.abs(cylinder_fields.along_mm) <= 80.0
    cut = replace(
        cylinder_fields, along_mm=cylinder_fields.along_mm[inside], potential=cylinder_fields.potential[..., inside]
    )
    short = {"innervation_zone_mm": (-10.0, 10.0), BOTH_ENDS: (50.0, 66.0)}
    found, expected = (LeadFieldGenerator(fields, window, sections, short) for fields in (cut, cylinder_fields))
    theta = draws(found, 6)
    assert difference(found.waveforms(theta), expected.waveforms(theta)) < 3e-3


def test_waves_make_up_the_potential(cylinder_fields):
    wavenumber, waves = spectra(cylinder_fields)
    potential = cylinder_fields.potential[10, 12, 7].astype(np.float64)
    phase = np.outer(cylinder_fields.along_mm, wavenumber)
    found = (np.cos(phase) @ waves[10, 12, 7, 0] + np.sin(phase) @ waves[10, 12, 7, 1]) * wavenumber[0] / np.pi
    found, potential = found - found.mean(), potential - potential.mean()
    assert np.abs(found - potential).max() < 0.01 * np.abs(potential).max()


def test_usual_ranges_fit_in_the_table(cylinder_fields, geometry, window, sections):
    some = geometry.select(np.array([7, 2, 11]))
    generator = generator_of(cylinder_fields, some, window, sections)
    assert generator.channels == 3
    assert dict(zip(generator.names, generator.low, strict=True))["depth_mm"] >= cylinder_fields.depth_mm[0]
    assert torch.isfinite(generator.waveforms(draws(generator, 5))).all()
    with pytest.raises(MuscleModelError, match="too short"):
        usual_ranges(cylinder_fields, iz_spread_mm=80.0)


@pytest.mark.parametrize(
    ("ranges", "reason"),
    [
        ({BOTH_ENDS: (50.0, 99.0)}, "shorter fibres"),
        ({"innervation_zone_mm": (-50.0, 20.0)}, "shorter fibres"),
        ({"depth_mm": (0.5, 20.0)}, "search less far"),
        ({"depth_mm": (2.0, 40.0)}, "search less far"),
        ({"lateral_mm": (-60.0, 0.0)}, "search less far"),
    ],
)
def test_units_outside_the_table_are_refused(cylinder_fields, window, sections, ranges, reason):
    with pytest.raises(MuscleModelError, match=reason):
        LeadFieldGenerator(cylinder_fields, window, sections, ranges)


def test_what_the_table_has_settled_cannot_be_searched(cylinder_fields, window, sections):
    with pytest.raises(ValueError, match="lead fields are given"):
        LeadFieldGenerator(cylinder_fields, window, sections, {"fat_mm": (1.0, 5.0)})
