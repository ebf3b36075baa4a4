"""A homogeneous, isotropic conductor without bounds: the one of the informed autoencoder's authors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .bessel import bessel_k0

SMALLEST_DISTANCE_MM = 0.05  # about a fibre's diameter: closer than this a line source is no line


@dataclass(frozen=True)
class Homogeneous:
    """One conductivity everywhere; electrodes lie in the plane y = 0.

    Parameters
    ----------
    conductivity_s_m : float or Tensor of shape (units,)
        S/m.
    """

    conductivity_s_m: Tensor | float = 0.1

    @property
    def anisotropy(self) -> float:
        """None: 1."""
        return 1.0

    @property
    def cover_mm(self) -> float:
        """None: depth counts from the plane of the electrodes."""
        return 0.0

    def potential(self, lateral_mm: Tensor, depth_mm: Tensor, along_mm: Tensor) -> Tensor:
        """Potential of a unit point current, 1 / (4 pi sigma r), mV per (S/m mm mV)."""
        distance = torch.sqrt(lateral_mm**2 + depth_mm**2 + along_mm**2 + SMALLEST_DISTANCE_MM**2)
        return 1.0 / (4.0 * math.pi * self.conductivity_s_m * distance)

    def lead_field(self, wavenumber: Tensor, reach_mm: float) -> ClosedForm:
        """Transform of `potential` over z: K0(k rho) / (2 pi sigma). See `conductors.LeadField`."""
        return ClosedForm(wavenumber, 1.0, self.conductivity_s_m, 2.0 * math.pi)


@dataclass(frozen=True)
class ClosedForm:
    """K0(k rho sqrt(ratio)) / (pi_factor sigma): the transform of 1/sqrt(ratio rho^2 + z^2) is 2 K0."""

    wavenumber: Tensor
    ratio: Tensor | float
    sigma: Tensor | float
    pi_factor: float

    def __call__(self, lateral_mm: Tensor, depth_mm: Tensor) -> Tensor:
        rho2 = lateral_mm**2 + depth_mm**2 + SMALLEST_DISTANCE_MM**2  # (units, fibres, columns)
        rho = torch.sqrt(_per_unit(self.ratio, rho2) * rho2).transpose(-1, -2)  # (units, columns, fibres)
        argument = rho[..., None] * self.wavenumber  # (units, columns, fibres, wavenumbers)
        return bessel_k0(argument) / (self.pi_factor * _per_unit(self.sigma, argument))

    def of_units(self, which: slice) -> ClosedForm:
        """See `conductors.LeadField`."""
        ratio, sigma = (v[which] if isinstance(v, Tensor) and v.dim() else v for v in (self.ratio, self.sigma))
        return ClosedForm(self.wavenumber, ratio, sigma, self.pi_factor)


def _per_unit(value: Tensor | float, like: Tensor) -> Tensor | float:
    """`value` of shape (units,) with the trailing dimensions that `like` has."""
    if isinstance(value, Tensor) and value.dim() > 0:
        return value.to(like).reshape(value.shape + (1,) * (like.dim() - value.dim()))
    return value
