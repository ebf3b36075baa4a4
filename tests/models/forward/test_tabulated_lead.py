"""The table of one conductor against the conductor itself."""

import pytest
import torch

from myodrive.models.forward.cylinder import Cylinder
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.planar_family import SLOPES
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.forward.tabulated_lead import TabulatedLead
from myodrive.models.forward.wavenumbers import Wavenumbers

F64 = torch.float64
REACH_MM = 70.0
BODIES = [HalfSpace(), PlanarLayers(fat_mm=2.0, anisotropy=4.5), Cylinder()]
OWN = (torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64))  # fat and anisotropy that a unit claims


@pytest.fixture(scope="module", params=BODIES, ids=lambda body: type(body).__name__)
def made(request):
    """A conductor's lead field, and its table."""
    body = request.param
    wavenumber = torch.tensor(Wavenumbers().grid(body.anisotropy, body.cover_mm)[0], dtype=F64)
    return wavenumber, body.lead_field(wavenumber, REACH_MM), TabulatedLead.of(body, wavenumber, REACH_MM)


def places(seed, deepest=20.0):
    lateral, depth = torch.rand(2, 1, 40, generator=torch.Generator().manual_seed(seed), dtype=F64)
    return 60.0 * lateral - 30.0, 2.0 + (deepest - 2.0) * depth


def test_between_its_nodes_it_is_the_conductor_itself(made):
    wavenumber, lead, table = made
    lateral, depth = places(0)
    expected = lead(lateral[..., None], depth[..., None])[0, 0]  # (places, wavenumbers)
    found = table(lateral, depth, *OWN)[0]
    off = ((found - expected) * wavenumber).norm(dim=-1) / (expected * wavenumber).norm(dim=-1)
    assert off.max() < 3e-3


def test_slopes_agree_with_finite_differences(made):
    _, _, table = made
    at = places(1)
    value, slopes = table.with_slopes(*at, *OWN)
    torch.testing.assert_close(value, table(*at, *OWN))
    for which in range(2):
        low, high = ([x + sign * 1e-6 * (i == which) for i, x in enumerate(at)] for sign in (-1.0, 1.0))
        numeric = (table(*high, *OWN) - table(*low, *OWN)) / 2e-6
        assert float((slopes[which] - numeric).norm() / numeric.norm()) < 1e-5


def test_what_a_unit_says_of_fat_and_anisotropy_changes_nothing(made):
    _, _, table = made
    lateral, depth = places(2)
    _, slopes = table.with_slopes(lateral, depth, *OWN)
    other = torch.tensor([5.0], dtype=F64)
    assert torch.equal(table(lateral, depth, *OWN), table(lateral, depth, other, other))
    assert (slopes[SLOPES.index("fat_mm") :] == 0.0).all()


def test_it_stays_finite_and_positive_where_the_field_is_nothing(made):
    _, _, table = made
    far = torch.tensor([[1000.0, 0.0, 60.0]], dtype=F64), torch.tensor([[40.0, 1000.0, 0.0]], dtype=F64)
    value, slopes = table.with_slopes(*far, *OWN)
    assert torch.isfinite(slopes).all()
    assert (value > 0.0).all()
