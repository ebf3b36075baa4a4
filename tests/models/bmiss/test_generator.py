"""The generator that is inverted: what is free, what is fixed, and its slopes."""

import pytest
import torch

from myodrive.models.bmiss.generator import BOTH_ENDS, USUAL, FiringWindow, PhysicsGenerator, usual_ranges
from myodrive.models.bmiss.space import Space
from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.mean_current import COLUMNS
from myodrive.models.forward.mean_unit import MeanUnit

FS_HZ = 2000.0
RANGES = {
    "innervation_zone_mm": (-20.0, 20.0), "conduction_velocity_m_s": (3.0, 4.5), "depth_mm": (7.0, 23.0),
    "lateral_mm": (-20.0, 20.0), BOTH_ENDS: (50.0, 70.0),
}  # fmt: skip
BENCH = {"iz_spread_mm": 3.0, "radius_mm": 3.0, "cv_sd_m_s": 0.0}


@pytest.fixture(scope="module")
def generator(geometry, window, sections):
    return PhysicsGenerator(geometry, window, sections, RANGES, BENCH, HalfSpace(), tendon_spread_mm=3.0, batch=4)


def draws(generator, units, seed=0):
    share = torch.rand(units, len(generator.space), generator=torch.Generator().manual_seed(seed))
    return generator.space.at(share)


def difference(found, expected):
    return float((found - expected).norm() / expected.norm())


def test_it_is_the_mean_unit_of_the_free_and_the_fixed(geometry, generator, sections):
    theta = draws(generator, 9)  # more than two batches
    values = USUAL | BENCH | {"delay_ms": 10.0}
    columns = torch.tensor([[values.get(name, 0.0) for name in COLUMNS]]).repeat(9, 1)
    for name, value in zip(generator.names, theta.T, strict=True):
        for column in (name,) if name != BOTH_ENDS else ("half_length_low_mm", "half_length_high_mm"):
            columns[:, COLUMNS.index(column)] = value
    electrodes = Electrodes.from_geometry(geometry)
    unit = MeanUnit(electrodes, FS_HZ, 100, sections, conductor=HalfSpace(), tendon_spread_mm=3.0)
    found = generator.waveforms(theta)
    assert found.shape == (9, generator.channels, generator.samples) == (9, 18, 100)
    assert difference(found, unit(columns)) < 3e-3


@pytest.mark.parametrize("name", RANGES)
def test_slopes_agree_with_finite_differences(generator, name):
    theta, place = draws(generator, 6, seed=1), generator.space.place(name)
    waveforms, slopes = generator.with_slopes(theta)
    torch.testing.assert_close(waveforms, generator.waveforms(theta), rtol=1e-4, atol=1e-4)
    assert slopes.shape == (6, len(RANGES), generator.channels, generator.samples)
    step = torch.zeros(len(RANGES))
    step[place] = 0.005 * (RANGES[name][1] - RANGES[name][0])
    numeric = (generator.waveforms(theta + step) - generator.waveforms(theta - step)) / (2.0 * step[place])
    for unit in range(6):
        assert difference(slopes[unit, place], numeric[unit]) < 0.01


def test_nothing_precedes_the_firing(generator):
    waveforms = generator.waveforms(draws(generator, 5))
    energy = waveforms.square().sum(1)  # (units, samples)
    before = energy[:, : generator.fires_at].sum(1)
    assert generator.fires_at == 20
    assert (before < 1e-4 * energy.sum(1)).all()
    assert (energy[:, generator.fires_at : generator.fires_at + 40].sum(1) > 0.3 * energy.sum(1)).all()


def test_a_later_firing_is_the_same_waveform_later(geometry, generator, sections):
    later = FiringWindow(FS_HZ, 50.0, 12.0)
    other = PhysicsGenerator(geometry, later, sections, RANGES, BENCH, HalfSpace(), tendon_spread_mm=3.0)
    theta = draws(generator, 3)
    shift = other.fires_at - generator.fires_at
    assert difference(other.waveforms(theta)[..., shift:], generator.waveforms(theta)[..., :-shift]) < 1e-3


def test_what_the_conductor_is_like_can_be_free_as_well(geometry, window, sections):
    ranges = usual_ranges(geometry) | {"fat_mm": (1.0, 6.0), "iz_spread_mm": (2.0, 15.0)}
    free = PhysicsGenerator(geometry, window, sections, ranges)
    held = PhysicsGenerator(geometry, window, sections, fixed={"fat_mm": 2.0, "iz_spread_mm": 6.0})
    theta = draws(held, 4)
    same = torch.cat([theta, torch.tensor([[2.0, 6.0]]).expand(4, -1)], dim=1)
    assert difference(free.waveforms(same), held.waveforms(theta)) < 0.01
    assert held.fixed["fat_mm"] == 2.0
    assert "fat_mm" not in free.fixed


def test_a_space_goes_from_shares_to_units_and_back():
    space = Space.of(RANGES)
    share = torch.rand(7, len(space), generator=torch.Generator().manual_seed(0))
    theta = space.at(share)
    torch.testing.assert_close(space.share(theta), share)
    torch.testing.assert_close(space.within(theta), theta)
    torch.testing.assert_close(space.within(space.at(share + 2.0)), space.at(torch.ones_like(share)))
    assert (theta[:, space.place("depth_mm")] >= 7.0).all()
    assert space.place("fat_mm") is None


@pytest.mark.parametrize(
    ("ranges", "fixed", "conductor", "reason"),
    [
        ({"depth_mm": (7.0, 3.0)}, {}, None, "below"),
        ({"depht_mm": (3.0, 7.0)}, {}, None, "no parameter"),
        ({"delay_ms": (3.0, 7.0)}, {}, None, "no parameter"),
        ({BOTH_ENDS: (40.0, 90.0), "half_length_low_mm": (40.0, 90.0)}, {}, None, "once"),
        ({"depth_mm": (3.0, 7.0)}, {"depth_mm": 4.0}, None, "or fixed"),
        ({"fat_mm": (1.0, 7.0)}, {}, HalfSpace(), "given"),
    ],
)
def test_what_cannot_be_searched_is_refused(geometry, window, sections, ranges, fixed, conductor, reason):
    with pytest.raises(ValueError, match=reason):
        PhysicsGenerator(geometry, window, sections, ranges, fixed, conductor)


def test_parameters_of_another_number_are_refused(generator):
    with pytest.raises(ValueError, match="5 are searched"):
        generator.waveforms(torch.zeros(3, 4))
