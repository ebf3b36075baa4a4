"""A lead field tabulated over depth and lateral distance, looked up differentiably."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

DEPTH_OFFSET_MM = 3.0  # nodes are even in log(depth + this) ...
LATERAL_SCALE_MM = 6.0  # ... and in arcsinh(distance / this): close together where the field changes fast


@dataclass(frozen=True)
class TableNodes:
    """Where the table is computed; the rest is cubic in between.

    Parameters
    ----------
    shallowest_mm, deepest_mm : float
        Range of depths below the muscle's surface; a fibre outside is taken at the nearest.
    reach_mm : float
        Largest lateral distance; beyond it likewise.
    depths, laterals : int
        Number of nodes.
    """

    shallowest_mm: float = 0.5
    deepest_mm: float = 45.0
    reach_mm: float = 80.0
    depths: int = 40
    laterals: int = 40

    def depth_mm(self) -> np.ndarray:
        """Depth of each node, mm, shape (depths,)."""
        low, high = np.log(self.shallowest_mm + DEPTH_OFFSET_MM), np.log(self.deepest_mm + DEPTH_OFFSET_MM)
        return np.exp(np.linspace(low, high, self.depths)) - DEPTH_OFFSET_MM

    def lateral_mm(self) -> np.ndarray:
        """Lateral distance of each node, mm, from 0, shape (laterals,)."""
        return LATERAL_SCALE_MM * np.sinh(np.linspace(0.0, np.arcsinh(self.reach_mm / LATERAL_SCALE_MM), self.laterals))

    def row_of(self, depth_mm: Tensor) -> Tensor:
        """Place among the depths, in nodes from the first."""
        low, high = np.log(self.shallowest_mm + DEPTH_OFFSET_MM), np.log(self.deepest_mm + DEPTH_OFFSET_MM)
        deep = torch.log(depth_mm.clamp(self.shallowest_mm, self.deepest_mm) + DEPTH_OFFSET_MM)
        return (deep - low) * ((self.depths - 1) / (high - low))

    def rows_per_mm(self, depth_mm: Tensor) -> Tensor:
        """Slope of `row_of`: 0 outside the range, where the nearest is taken."""
        low, high = np.log(self.shallowest_mm + DEPTH_OFFSET_MM), np.log(self.deepest_mm + DEPTH_OFFSET_MM)
        inside = (depth_mm > self.shallowest_mm) & (depth_mm < self.deepest_mm)
        return inside * ((self.depths - 1) / (high - low)) / (depth_mm + DEPTH_OFFSET_MM)

    def column_of(self, lateral_mm: Tensor) -> Tensor:
        """Place among the lateral distances, in nodes from the first."""
        far = torch.asinh(lateral_mm.abs().clamp(max=self.reach_mm) / LATERAL_SCALE_MM)
        return far * ((self.laterals - 1) / np.arcsinh(self.reach_mm / LATERAL_SCALE_MM))

    def columns_per_mm(self, lateral_mm: Tensor) -> Tensor:
        """Slope of `column_of`: 0 beyond the reach."""
        per_far = (self.laterals - 1) / np.arcsinh(self.reach_mm / LATERAL_SCALE_MM)
        turn = lateral_mm.sign() * (lateral_mm.abs() < self.reach_mm)
        return turn * per_far / torch.sqrt(lateral_mm**2 + LATERAL_SCALE_MM**2)


class LeadTable:
    """See `conductors.LeadField`: cubic (Catmull-Rom) in depth and in lateral distance, in which it is even.

    Parameters
    ----------
    nodes : TableNodes
    values : ndarray, shape (depths, laterals, wavenumbers)
        At `nodes`.
    like : Tensor
        Of the dtype and on the device to look up with.
    """

    def __init__(self, nodes: TableNodes, values: np.ndarray, like: Tensor) -> None:
        self.nodes = nodes
        padded = with_margin(values)
        table = torch.as_tensor(np.ascontiguousarray(padded), dtype=like.dtype, device=like.device)
        self._stride = table.shape[1]
        self._table = table.flatten(0, 1)  # (padded depths x padded laterals, wavenumbers)

    def __call__(self, lateral_mm: Tensor, depth_mm: Tensor) -> Tensor:
        n = self.nodes
        lateral_mm, depth_mm = torch.broadcast_tensors(lateral_mm, depth_mm)  # (units, fibres, columns)
        row, by_row = cubic(n.row_of(depth_mm), n.depths)
        column, by_column = cubic(n.column_of(lateral_mm), n.laterals)
        taps = torch.arange(4, device=row.device)
        index = (row[..., None, None] + taps[:, None]) * self._stride + column[..., None, None] + taps  # (..., 4, 4)
        weight = by_row[..., :, None] * by_column[..., None, :]  # (units, fibres, columns, 4, 4)
        shape = lateral_mm.shape
        looked_up = torch.nn.functional.embedding_bag(
            index.reshape(-1, 16), self._table, per_sample_weights=weight.reshape(-1, 16), mode="sum"
        )
        return looked_up.reshape(*shape, -1).transpose(-2, -3)  # (units, columns, fibres, wavenumbers)

    def of_units(self, which: slice) -> LeadTable:
        """The same for every unit."""
        return self


def with_margin(values: np.ndarray) -> np.ndarray:
    """One more node on every side of a table (depths, laterals, ...), for the taps: it is even in lateral distance."""
    wide = np.concatenate([values[:, 1:2], values, 2.0 * values[:, -1:] - values[:, -2:-1]], axis=1)
    return np.concatenate([2.0 * wide[:1] - wide[1:2], wide, 2.0 * wide[-1:] - wide[-2:-1]], axis=0)


def cubic(place: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """First of the four taps in the table with its margin, and their Catmull-Rom weights, shape (..., 4)."""
    first = place.detach().floor().clamp(0, nodes - 2)
    t = place - first
    weights = torch.stack(
        [
            ((2.0 - t) * t - 1.0) * t / 2.0,
            ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
            ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
            (t - 1.0) * t * t / 2.0,
        ],
        dim=-1,
    )  # (..., 4)
    return first.long(), weights


def cubic_slope(place: Tensor, first: Tensor) -> Tensor:
    """Derivatives of the weights of `cubic` by the place, shape (..., 4)."""
    t = place - first
    return torch.stack(
        [
            ((4.0 - 3.0 * t) * t - 1.0) / 2.0,
            (9.0 * t - 10.0) * t / 2.0,
            ((8.0 - 9.0 * t) * t + 1.0) / 2.0,
            (3.0 * t - 2.0) * t / 2.0,
        ],
        dim=-1,
    )  # (..., 4)
