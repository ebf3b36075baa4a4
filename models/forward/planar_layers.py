"""Muscle under plane layers of fat and skin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .lead_table import LeadTable, TableNodes
from .wavenumbers import graded

DECAY = 12.0  # what has fallen by e^-DECAY at the surface is left out of the transform across the fibres
REPEAT_MM, FAR_REPEAT_MM = 100.0, 2e4  # distance of the transform's repeats beyond the reach, short and long waves


@dataclass(frozen=True)
class PlanarLayers:
    """Anisotropic muscle below layers of isotropic fat and skin; electrodes on the skin.

    Parameters
    ----------
    fat_mm, skin_mm : float
        Thickness, mm; 0 is none.
    across_s_m : float
        Conductivity of muscle across its fibres, S/m.
    anisotropy : float
        Conductivity of muscle along its fibres over that across them.
    fat_s_m, skin_s_m : float
        S/m.
    shallowest_mm, deepest_mm : float
        Depths of fibres below the muscle's surface that are tabulated.
    """

    fat_mm: float = 3.0
    skin_mm: float = 1.0
    across_s_m: float = 0.1
    anisotropy: float = 5.0
    fat_s_m: float = 0.05
    skin_s_m: float = 1.0
    shallowest_mm: float = 0.5
    deepest_mm: float = 45.0

    @property
    def cover_mm(self) -> float:
        """Fat and skin."""
        return self.fat_mm + self.skin_mm

    def surface_factor(self, across: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Potential on the skin by wavenumber, of a source at the muscle's surface, times that of depth.

        Farina & Rainoldi 1999, Farina & Merletti 2001: H = 2 / sT e^(-kya y0) / { (1 + Rc) cosh[ky (h + d)]
        (kya + ky Rm tanh[ky (h + d)]) + (1 - Rc) cosh[ky (h - d)] (kya + ky Rm tanh[ky (h - d)]) }. Tests hold it to
        a direct solve of the boundary conditions. This is H without e^(-kya y0), in exponentials that stay finite.

        Parameters
        ----------
        across, along : ndarray, shapes that broadcast, rad/mm
        """
        k = np.sqrt(across**2 + along**2)
        k_muscle = np.sqrt(across**2 + self.anisotropy * along**2)
        skin_over_fat, fat_over_muscle = self.skin_s_m / self.fat_s_m, self.fat_s_m / self.across_s_m
        total = self.fat_mm + self.skin_mm
        bracket: np.ndarray = np.zeros(())
        for sign, thickness in ((1.0, total), (-1.0, self.fat_mm - self.skin_mm)):
            up, down = np.exp(k * (thickness - total)) / 2.0, np.exp(-k * (thickness + total)) / 2.0
            cosh, sinh = up + down, up - down  # both times e^(-k total)
            bracket = bracket + (1.0 + sign * skin_over_fat) * (k_muscle * cosh + k * fat_over_muscle * sinh)
        factor: np.ndarray = 2.0 / self.across_s_m * np.exp(-k * total) / bracket
        return factor

    def decay(self, across: np.ndarray, along: np.ndarray) -> np.ndarray:
        """How fast the potential falls with depth in muscle, rad/mm: e^(-decay y0)."""
        rate: np.ndarray = np.sqrt(across**2 + self.anisotropy * along**2)
        return rate

    def lead_field(self, wavenumber: Tensor, reach_mm: float) -> LeadTable:
        """Inverse transform across the fibres, tabulated. See `conductors.LeadField`."""
        along = wavenumber.detach().cpu().numpy().astype(np.float64)  # (wavenumbers,)
        nodes = TableNodes(self.shallowest_mm, self.deepest_mm, reach_mm)
        depth, lateral = nodes.depth_mm(), nodes.lateral_mm()
        values = np.empty((len(depth), len(lateral), len(along)))
        # The nearer the source, the finer the waves that matter: shallow nodes need many, deep ones few.
        highest = DECAY / (depth[0] + self.cover_mm)
        across, width = graded(
            2.0 * math.pi / (reach_mm + REPEAT_MM), 2.0 * math.pi / FAR_REPEAT_MM, highest
        )  # (waves,)
        factor = self.surface_factor(across[:, None], along)  # (waves, wavenumbers)
        rate = self.decay(across[:, None], along)  # (waves, wavenumbers)
        to_lateral = np.cos(lateral[:, None] * across) * (width / math.pi)  # (laterals, waves)
        for i, y in enumerate(depth):
            used = np.searchsorted(across, DECAY / (y + self.cover_mm)) + 1
            values[i] = to_lateral[:, :used] @ (factor[:used] * np.exp(-rate[:used] * y))  # (laterals, wavenumbers)
        return LeadTable(nodes, values, wavenumber)
