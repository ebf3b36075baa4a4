"""Muscle that fills a half-space, better conducting along its fibres than across them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .homogeneous import SMALLEST_DISTANCE_MM, ClosedForm


@dataclass(frozen=True)
class HalfSpace:
    """Anisotropic muscle below an insulating plane on which the electrodes lie.

    Parameters
    ----------
    across_s_m : float or Tensor of shape (units,)
        Conductivity across the fibres, S/m.
    anisotropy : float or Tensor of shape (units,)
        Conductivity along the fibres over that across them.
    """

    across_s_m: Tensor | float = 0.1
    anisotropy: Tensor | float = 5.0

    @property
    def cover_mm(self) -> float:
        """None: the electrodes lie on the muscle."""
        return 0.0

    def potential(self, lateral_mm: Tensor, depth_mm: Tensor, along_mm: Tensor) -> Tensor:
        """Potential of a unit point current, mV per (S/m mm mV).

        1 / (2 pi sigma_across sqrt(anisotropy rho^2 + z^2)): twice that of the unbounded medium, by its mirror image.
        """
        rho2 = lateral_mm**2 + depth_mm**2 + SMALLEST_DISTANCE_MM**2
        return 1.0 / (2.0 * math.pi * self.across_s_m * torch.sqrt(self.anisotropy * rho2 + along_mm**2))

    def lead_field(self, wavenumber: Tensor, reach_mm: float) -> ClosedForm:
        """Transform of `potential` over z. See `conductors.LeadField`."""
        return ClosedForm(wavenumber, self.anisotropy, self.across_s_m, math.pi)
