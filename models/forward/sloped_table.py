"""Numbers tabulated over depth and lateral distance, looked up with their slopes by both."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .lead_table import TableNodes, cubic, cubic_slope, with_margin


class SlopedTable:
    """Cubic (Catmull-Rom) in depth and in lateral distance, in which it is even; differentiated by hand.

    Parameters
    ----------
    nodes : TableNodes
    values : ndarray, shape (depths, laterals, numbers)
        At `nodes`.
    like : Tensor
        Of the dtype and on the device to look up with.
    """

    def __init__(self, nodes: TableNodes, values: NDArray[np.float64], like: Tensor) -> None:
        self.nodes = nodes
        table = torch.as_tensor(np.ascontiguousarray(with_margin(values)), dtype=like.dtype, device=like.device)
        self._stride = table.shape[1]
        self._table = table.flatten(0, 1)  # (padded depths x padded laterals, numbers)

    def __call__(self, lateral_mm: Tensor, depth_mm: Tensor) -> Tensor:
        """Values at places, both of shape (units, places): shape (units, places, numbers)."""
        row, down = cubic(self.nodes.row_of(depth_mm), self.nodes.depths)
        column, across = cubic(self.nodes.column_of(lateral_mm), self.nodes.laterals)
        return self._looked_up(row, column, _products(down, across)[:, :, None])[:, :, 0]

    def with_slopes(self, lateral_mm: Tensor, depth_mm: Tensor) -> Tensor:
        """Values, their slopes by lateral distance and those by depth, per mm, shape (units, places, 3, numbers)."""
        n = self.nodes
        place_down, place_across = n.row_of(depth_mm), n.column_of(lateral_mm)
        row, down = cubic(place_down, n.depths)
        column, across = cubic(place_across, n.laterals)
        down_slope = cubic_slope(place_down, row) * n.rows_per_mm(depth_mm)[..., None]
        across_slope = cubic_slope(place_across, column) * n.columns_per_mm(lateral_mm)[..., None]
        weight = [_products(down, across), _products(down, across_slope), _products(down_slope, across)]
        return self._looked_up(row, column, torch.stack(weight, dim=2))

    def _looked_up(self, row: Tensor, column: Tensor, weight: Tensor) -> Tensor:
        """Weighted rows of the table: of weights (units, places, weights, 16), (units, places, weights, numbers)."""
        taps = torch.arange(4, device=row.device)
        index = (row[..., None, None] + taps[:, None]) * self._stride + column[..., None, None] + taps
        index = index.flatten(-2)[:, :, None].expand_as(weight)  # (units, places, weights, 16)
        found = torch.nn.functional.embedding_bag(
            index.reshape(-1, 16), self._table, per_sample_weights=weight.reshape(-1, 16), mode="sum"
        )
        return found.reshape(*weight.shape[:-1], -1)


def _products(down: Tensor, across: Tensor) -> Tensor:
    """Of the weights of four depths and of four lateral distances, shape (units, places, 16)."""
    return (down[..., :, None] * across[..., None, :]).flatten(-2)
