"""Where each channel sits on its electrode grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Geometry:
    """Places of channels on a grid whose rows lie along the muscle fibres.

    Parameters
    ----------
    row, col : ndarray of int64, shape (channels,)
        Row (along the fibres) and column (across them) of each channel.
    ied_mm : float
        Distance between neighbouring electrodes, mm.
    grid_rows, grid_cols : int
        Size of the whole grid, missing corners included.
    """

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    ied_mm: float
    grid_rows: int
    grid_cols: int

    def __len__(self) -> int:
        return len(self.row)

    def select(self, channels: NDArray[np.int64]) -> Geometry:
        """The same grid with only `channels`, in that order."""
        return Geometry(self.row[channels], self.col[channels], self.ied_mm, self.grid_rows, self.grid_cols)

    def along_mm(self) -> NDArray[np.float64]:
        """Position along the fibres from the grid's centre, mm, shape (channels,)."""
        return (self.row.astype(np.float64) - (self.grid_rows - 1) / 2) * self.ied_mm

    def across_mm(self) -> NDArray[np.float64]:
        """Position across the fibres from the grid's centre, mm, shape (channels,)."""
        return (self.col.astype(np.float64) - (self.grid_cols - 1) / 2) * self.ied_mm

    def neighbours(self) -> NDArray[np.bool_]:
        """Which channels touch, diagonals included, shape (channels, channels)."""
        near_row = np.abs(self.row[:, None] - self.row[None, :]) <= 1
        near_col = np.abs(self.col[:, None] - self.col[None, :]) <= 1
        touching = near_row & near_col
        np.fill_diagonal(touching, False)
        return touching
