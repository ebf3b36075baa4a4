"""Planar conductors of any fat thickness and anisotropy: few are tabulated, the logarithm is a polynomial in between.

A lead field falls nearly exponentially with fat, and with depth times the square root of anisotropy, so that its
logarithm is near a low polynomial in those two. Every unit of a batch has its own conductor at the cost of a lookup.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .lead_table import TableNodes
from .planar_layers import PlanarLayers
from .sloped_table import SlopedTable

FAT_MM = (0.5, 10.0)  # range of the family
ANISOTROPY = (3.0, 8.0)
FAT_NODES, ANISOTROPY_NODES = 5, 3
DEPTHS, LATERALS = 32, 32
# Of the longest wave's field at the same place: what is below is rounding of the tables, and nothing in a waveform.
SMALLEST = 1e-8
SLOPES = ("lateral_mm", "depth_mm", "fat_mm", "anisotropy")


class PlanarFamily:
    """Lead fields of muscle under fat and 1 mm of skin, at one set of wavenumbers, differentiated by hand.

    Parameters
    ----------
    wavenumber : Tensor, shape (wavenumbers,), rad/mm
    reach_mm : float
        Largest lateral distance that is tabulated.
    """

    def __init__(self, wavenumber: Tensor, reach_mm: float) -> None:
        nodes = TableNodes(reach_mm=reach_mm, depths=DEPTHS, laterals=LATERALS)
        self._fat = _Polynomial(*FAT_MM, FAT_NODES)
        self._root = _Polynomial(*np.sqrt(ANISOTROPY), ANISOTROPY_NODES)
        exact = wavenumber.double()
        lateral = torch.as_tensor(nodes.lateral_mm())[None, :, None]
        depth = torch.as_tensor(nodes.depth_mm())[:, None, None]
        tables = []
        for fat in self._fat.nodes:
            for root in self._root.nodes:
                lead = PlanarLayers(fat_mm=fat, anisotropy=root**2).lead_field(exact, reach_mm)
                field = lead(lateral, depth)[:, 0]  # (depths, laterals, wavenumbers)
                tables.append(torch.maximum(field, SMALLEST * field[..., :1]).log().numpy())
        table = np.stack(tables, axis=2)  # (depths, laterals, conductors, wavenumbers)
        self._wavenumbers = len(wavenumber)
        self._logs = SlopedTable(nodes, table.reshape(*table.shape[:2], -1), wavenumber)

    def __call__(self, lateral_mm: Tensor, depth_mm: Tensor, fat_mm: Tensor, anisotropy: Tensor) -> Tensor:
        """Lead field of every unit in its own conductor.

        Parameters
        ----------
        lateral_mm, depth_mm : Tensor, shape (units, places)
        fat_mm, anisotropy : Tensor, shape (units,)
            Taken at the nearest of the family where outside.

        Returns
        -------
        Tensor, shape (units, places, wavenumbers)
            See `conductors.LeadField`.
        """
        logs = self._logs(lateral_mm, depth_mm).unflatten(-1, (-1, self._wavenumbers))
        mix = self._mix(fat_mm, anisotropy)[:, :1]  # (units, 1, conductors)
        return (mix[:, None] @ logs)[:, :, 0].exp()

    def with_slopes(
        self, lateral_mm: Tensor, depth_mm: Tensor, fat_mm: Tensor, anisotropy: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same, and its derivatives by `SLOPES`, shape (4, units, places, wavenumbers)."""
        mix = self._mix(fat_mm, anisotropy)  # (units, 3, conductors)
        logs = self._logs.with_slopes(lateral_mm, depth_mm)
        logs = logs.unflatten(-1, (-1, self._wavenumbers))  # (units, places, 3, conductors, wavenumbers)
        here = mix[:, None] @ logs[:, :, 0]  # (units, places, 3, wavenumbers)
        there = (mix[:, None, None, :1] @ logs[:, :, 1:]).squeeze(-2)  # (units, places, 2, wavenumbers)
        field = here[:, :, 0].exp()
        slopes = torch.cat([there, here[:, :, 1:]], dim=2) * field[:, :, None]
        return field, slopes.permute(2, 0, 1, 3)

    def _mix(self, fat_mm: Tensor, anisotropy: Tensor) -> Tensor:
        """Shares of the tabulated conductors and their slopes by fat and by anisotropy, (units, 3, conductors)."""
        fat, fat_slope = self._fat(fat_mm)
        root = anisotropy.clamp(*ANISOTROPY).sqrt()
        other, other_slope = self._root(root)
        other_slope = other_slope / (2.0 * root[:, None])
        pairs = ((fat, other), (fat_slope, other), (fat, other_slope))
        return torch.stack([(one[:, :, None] * two[:, None]).flatten(1) for one, two in pairs], dim=1)


class _Polynomial:
    """Lagrange's, through Chebyshev nodes over a range."""

    def __init__(self, low: float, high: float, nodes: int) -> None:
        self._range = low, high
        self.nodes = (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)

    def __call__(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Shares of the nodes, and their slopes, shape (units, nodes)."""
        inside = (at > self._range[0]) & (at < self._range[1])
        at = at.clamp(*self._range)
        shares, slopes = [], []
        for i, node in enumerate(self.nodes):
            others = np.delete(self.nodes, i)
            coefficients = np.poly(others) / np.prod(node - others)
            shares.append(_horner(coefficients, at))
            slopes.append(_horner(np.polyder(coefficients), at) * inside)
        return torch.stack(shares, dim=1), torch.stack(slopes, dim=1)


def _horner(coefficients: np.ndarray, at: Tensor) -> Tensor:
    total = torch.zeros_like(at)
    for coefficient in coefficients:
        total = total * at + float(coefficient)
    return total
