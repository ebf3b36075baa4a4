"""Parts of a wide array: a unit is heard by the columns near it, and is looked for and fitted there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry

WIDTH, STRIDE = 12, 4  # columns of a part, and from one part to the next
WIDEST_WHOLE = 16  # columns up to which there is one part


@dataclass(frozen=True)
class Tile:
    """Neighbouring columns of an array.

    Attributes
    ----------
    channels : ndarray of int64
    from_mm, to_mm : float
        Units in this range across the fibres are looked for here; the ranges of all tiles make up the whole width.
    """

    channels: NDArray[np.int64]
    from_mm: float
    to_mm: float


def tiles(geometry: Geometry) -> list[Tile]:
    """Overlapping parts of an array, in order of their columns; one where it is not wide."""
    columns = np.unique(geometry.col)
    if len(columns) <= WIDEST_WHOLE:
        return [Tile(np.arange(len(geometry)), -np.inf, np.inf)]
    firsts = [*range(0, len(columns) - WIDTH, STRIDE), len(columns) - WIDTH]
    across = (columns - (geometry.grid_cols - 1) / 2) * geometry.ied_mm
    middles = [(across[first] + across[first + WIDTH - 1]) / 2 for first in firsts]
    borders = [-np.inf, *((a + b) / 2 for a, b in pairwise(middles)), np.inf]
    return [
        Tile(np.flatnonzero(np.isin(geometry.col, columns[first : first + WIDTH])), borders[i], borders[i + 1])
        for i, first in enumerate(firsts)
    ]


def tile_of(parts: list[Tile], lateral_mm: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which part each unit belongs to, by its place across the fibres."""
    return np.searchsorted([part.to_mm for part in parts[:-1]], lateral_mm, side="right")
