"""The intracellular action potential against its own derivatives and transform."""

import numpy as np
import pytest
import torch

from myodrive.models.forward import action_potential as ap


@pytest.mark.parametrize("scale", [0.75, 1.0, 1.25])
def test_slope_and_curvature_are_the_derivatives_of_the_potential(scale):
    u = torch.linspace(0.1, 20.0, 50, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(ap.potential(u, scale).sum(), u, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), u)
    torch.testing.assert_close(slope, ap.slope(u, scale))
    torch.testing.assert_close(curvature, ap.curvature(u, scale))


def test_at_rest_ahead_of_the_front_and_far_behind_it():
    u = torch.tensor([-50.0, -0.1, 0.0, 60.0], dtype=torch.float64)
    torch.testing.assert_close(ap.potential(u), torch.full_like(u, ap.RESTING_MV))
    assert ap.potential(torch.tensor(3.0)) == pytest.approx(96 * 27 * np.exp(-3.0) - 90, rel=1e-6)  # its peak, mV


def test_curvature_is_zero_where_the_concentrated_sources_are_cut():
    zeros = torch.tensor(ap.CURVATURE_ZEROS_MM, dtype=torch.float64)
    assert ap.curvature(zeros).abs().max() < 1e-12


@pytest.mark.parametrize("scale", [0.75, 1.25])
def test_slope_spectrum_is_the_transform_of_the_slope(scale):
    u = torch.arange(0.0, 80.0, 0.005, dtype=torch.float64)
    k = torch.tensor([0.0, 0.2 - 0.01j, 1.0 - 0.02j, 2.5])
    numeric = (ap.slope(u, scale) * torch.exp(-1j * k[:, None].to(torch.complex128) * u)).sum(-1) * 0.005
    torch.testing.assert_close(ap.slope_spectrum(k.to(torch.complex128), scale), numeric, atol=1e-3, rtol=1e-5)


def test_a_longer_action_potential_is_the_same_shape_stretched():
    u = torch.linspace(0.0, 15.0, 40, dtype=torch.float64)
    torch.testing.assert_close(ap.potential(1.25 * u, 1.25), ap.potential(u))
