"""A table with slopes against the function in it."""

import numpy as np
import pytest
import torch

from myodrive.models.forward.lead_table import LeadTable, TableNodes
from myodrive.models.forward.sloped_table import SlopedTable

NODES = TableNodes(reach_mm=50.0, depths=30, laterals=30)


def numbers(lateral, depth):
    """Smooth, and even in the lateral distance; two numbers a place."""
    near = torch.exp(-(lateral**2) / 800.0 - depth / 20.0)
    return torch.stack([near, near * depth], dim=-1)


@pytest.fixture(scope="module")
def values():
    lateral, depth = torch.as_tensor(NODES.lateral_mm())[None], torch.as_tensor(NODES.depth_mm())[:, None]
    return numbers(*torch.broadcast_tensors(lateral, depth)).numpy()


@pytest.fixture(scope="module")
def table(values):
    return SlopedTable(NODES, values, torch.zeros(1, dtype=torch.float64))


@pytest.fixture(scope="module")
def places():
    rng = np.random.default_rng(0)
    return torch.tensor(rng.uniform(-45.0, 45.0, (3, 20))), torch.tensor(rng.uniform(1.0, 40.0, (3, 20)))


def test_between_its_nodes_it_is_the_function(table, places):
    torch.testing.assert_close(table(*places), numbers(*places), rtol=1e-3, atol=2e-3)


def test_it_is_the_table_without_slopes(table, values, places):
    lateral, depth = places
    other = LeadTable(NODES, values, lateral)(lateral[..., None], depth[..., None])[:, 0]  # (units, places, numbers)
    torch.testing.assert_close(table(*places), other)
    torch.testing.assert_close(table.with_slopes(*places)[:, :, 0], other)


@pytest.mark.parametrize("which", [0, 1])
def test_slopes_agree_with_finite_differences(table, places, which):
    low, high = ([x + sign * 1e-6 * (i == which) for i, x in enumerate(places)] for sign in (-1.0, 1.0))
    numeric = (table(*high) - table(*low)) / 2e-6
    torch.testing.assert_close(table.with_slopes(*places)[:, :, 1 + which], numeric, rtol=1e-5, atol=1e-7)


def test_outside_its_range_it_is_the_nearest_and_flat(table):
    lateral = torch.tensor([[50.0, 80.0, -70.0, 3.0, 3.0]], dtype=torch.float64)
    depth = torch.tensor([[5.0, 5.0, 5.0, 45.0, 60.0]], dtype=torch.float64)
    value, across, down = table.with_slopes(lateral, depth)[0].unbind(1)
    torch.testing.assert_close(value[1], value[0])
    torch.testing.assert_close(value[2], value[0])
    torch.testing.assert_close(value[4], value[3])
    assert (across[1:3] == 0.0).all()
    assert (down[4] == 0.0).all()
    assert (down[1:3] != 0.0).all()
