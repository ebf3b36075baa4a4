"""The intracellular action potential: one shape, fixed in space, that travels along the fibre."""

from __future__ import annotations

import torch
from torch import Tensor

PEAK_CONSTANT_MV = 96.0  # Rosenfalck 1969: Vm(z) = 96 z^3 e^-z - 90 mV, z in mm
RESTING_MV = -90.0
INTRACELLULAR_S_M = 1.01  # conductivity along the inside of a fibre, S/m
FIBRE_RADIUS_MM = 0.0275  # half of the mean diameter of 55 um

# Where the curvature is zero, mm behind the wave front: the sections of the concentrated sources end there.
CURVATURE_ZEROS_MM = (0.0, 3.0 - 3.0**0.5, 3.0 + 3.0**0.5)


def potential(behind_mm: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Membrane potential `behind_mm` behind the wave front, mV (Rosenfalck 1969).

    Parameters
    ----------
    behind_mm : Tensor, any shape, mm
        Distance behind the front; at rest where it is negative.
    scale : Tensor or float
        Length of the action potential relative to Rosenfalck's: 1.25 is 25 % longer.
    """
    u = torch.clamp(behind_mm / scale, min=0.0)
    return PEAK_CONSTANT_MV * u**3 * torch.exp(-u) + RESTING_MV


def slope(behind_mm: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """First derivative of `potential` by distance, mV/mm."""
    u = torch.clamp(behind_mm / scale, min=0.0)
    return PEAK_CONSTANT_MV * torch.exp(-u) * (3.0 - u) * u**2 / scale


def curvature(behind_mm: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Second derivative of `potential` by distance, mV/mm^2."""
    u = torch.clamp(behind_mm / scale, min=0.0)
    return PEAK_CONSTANT_MV * torch.exp(-u) * (u**2 - 6.0 * u + 6.0) * u / scale**2


def slope_spectrum(wavenumber: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    r"""Fourier transform of `slope` over distance, mV: the integral of V'(u) e^{-i k u} over u.

    Parameters
    ----------
    wavenumber : complex Tensor, any shape, rad/mm
        A negative imaginary part is a damped transform, defined because nothing precedes the front.
    scale : Tensor or float

    Notes
    -----
    The transform of u^3 e^-u is 6 / (1 + i k)^4; the derivative multiplies it by i k.
    """
    jk = 1j * wavenumber * scale
    return 6.0 * PEAK_CONSTANT_MV * jk / (1.0 + jk) ** 4
