"""Cubic interpolation over uneven nodes."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.models.bmiss.uneven_cubic import UnevenCubic

NODES = np.array([1.0, 1.5, 2.5, 4.0, 6.0, 9.0, 10.0, 14.0])


def interpolated(values, at, which=0):
    first, *weights = UnevenCubic(NODES)(at)
    return (values[first[:, None] + torch.arange(4)] * weights[which]).sum(1)


@given(st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3), st.lists(st.floats(1.0, 14.0), min_size=1))
@settings(max_examples=40, deadline=None)
def test_a_parabola_comes_out_as_it_is_with_its_slope(coefficients, places):
    nodes, at = torch.tensor(NODES, dtype=torch.float32), torch.tensor(places, dtype=torch.float32)
    inside = (at > NODES[0]) & (at < NODES[-1])
    a, b, c = coefficients
    torch.testing.assert_close(
        interpolated(a * nodes**2 + b * nodes + c, at), a * at**2 + b * at + c, rtol=1e-4, atol=1e-3
    )
    slope = interpolated(a * nodes**2 + b * nodes + c, at, 1)
    torch.testing.assert_close(slope, torch.where(inside, 2.0 * a * at + b, 0.0), rtol=1e-4, atol=1e-3)


def test_it_goes_through_the_nodes():
    values = torch.rand(len(NODES), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(interpolated(values, torch.tensor(NODES, dtype=torch.float32)), values)


def test_outside_it_is_the_nearest_and_flat():
    values = torch.arange(8.0)
    at = torch.tensor([-3.0, 0.9, 14.1, 99.0])
    torch.testing.assert_close(interpolated(values, at), torch.tensor([0.0, 0.0, 7.0, 7.0]))
    assert (interpolated(values, at, 1) == 0.0).all()


def test_it_has_no_steps_in_value_or_slope_between_intervals():
    values = torch.rand(len(NODES), generator=torch.Generator().manual_seed(1))
    inner = torch.tensor(NODES[1:-1], dtype=torch.float32)
    for which, tolerance in ((0, 1e-3), (1, 1e-2)):
        torch.testing.assert_close(
            interpolated(values, inner - 1e-4, which), interpolated(values, inner + 1e-4, which), rtol=0, atol=tolerance
        )
