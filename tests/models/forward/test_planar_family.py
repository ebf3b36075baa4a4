"""A conductor for every unit, against the conductor itself."""

import pytest
import torch

from myodrive.models.forward.planar_family import ANISOTROPY, FAT_MM, SLOPES, PlanarFamily
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.forward.wavenumbers import Wavenumbers

F64 = torch.float64
REACH_MM = 70.0


@pytest.fixture(scope="module")
def wavenumber():
    return torch.tensor(Wavenumbers().grid(ANISOTROPY[0], 1.0 + FAT_MM[0])[0], dtype=F64)


@pytest.fixture(scope="module")
def family(wavenumber):
    return PlanarFamily(wavenumber, REACH_MM)


def place(generator, places=20):
    lateral, depth = torch.rand(2, 1, places, generator=generator, dtype=F64)
    return 60.0 * lateral - 30.0, 2.0 + 20.0 * depth


def test_between_its_nodes_the_family_is_the_conductor_itself(family, wavenumber):
    generator = torch.Generator().manual_seed(0)
    for fat, ratio in torch.rand(12, 2, generator=generator, dtype=F64):
        fat, ratio = FAT_MM[0] + (FAT_MM[1] - FAT_MM[0]) * fat, ANISOTROPY[0] + (ANISOTROPY[1] - ANISOTROPY[0]) * ratio
        lateral, depth = place(generator)
        found = family(lateral, depth, fat[None], ratio[None])[0]
        alone = PlanarLayers(fat_mm=float(fat), anisotropy=float(ratio)).lead_field(wavenumber, REACH_MM)
        expected = alone(lateral[..., None], depth[..., None])[0, 0]
        off = ((found - expected) * wavenumber).norm(dim=-1) / (expected * wavenumber).norm(dim=-1)
        assert off.max() < 3e-3


def test_every_unit_has_its_own_conductor(family):
    lateral, depth = place(torch.Generator().manual_seed(1))
    fat, ratio = torch.tensor([1.0, 3.0, 6.0], dtype=F64), torch.tensor([4.0, 5.0, 6.5], dtype=F64)
    together = family(lateral.expand(3, -1), depth.expand(3, -1), fat, ratio)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], family(lateral, depth, fat[i : i + 1], ratio[i : i + 1]))


@pytest.mark.parametrize("which", range(len(SLOPES)))
def test_slopes_agree_with_finite_differences(family, which):
    at = [*place(torch.Generator().manual_seed(2)), torch.tensor([2.7], dtype=F64), torch.tensor([5.3], dtype=F64)]
    value, slopes = family.with_slopes(*at)
    torch.testing.assert_close(value, family(*at))
    low, high = ([x + sign * 1e-5 if i == which else x for i, x in enumerate(at)] for sign in (-1.0, 1.0))
    numeric = (family(*high) - family(*low)) / 2e-5
    assert float((slopes[which] - numeric).norm() / numeric.norm()) < 1e-5


def test_more_fat_is_a_weaker_field_and_outside_its_range_the_nearest(family):
    lateral, depth = torch.zeros(4, 1, dtype=F64), torch.full((4, 1), 8.0, dtype=F64)
    fat, ratio = torch.tensor([1.0, 4.0, 10.0, 30.0], dtype=F64), torch.full((4,), 5.0, dtype=F64)
    field, slopes = family.with_slopes(lateral, depth, fat, ratio)
    assert (field[:2] > field[1:3]).all()
    assert torch.equal(field[2], field[3])
    assert (slopes[SLOPES.index("fat_mm"), 3] == 0.0).all()
