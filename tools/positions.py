"""Electrode positions in millimetres as rows and columns of a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..stream.errors import OptionError
from ..stream.geometry import Geometry

SMALLEST_IED_MM = 0.5  # positions that differ by less are jitter, not electrodes


def lie_on(row: NDArray[np.int64], col: NDArray[np.int64], rows: int, cols: int) -> bool:
    """Whether all places are on a grid of this size, and no two the same."""
    inside = len(row) > 0 and min(row.min(), col.min()) >= 0 and row.max() < rows and col.max() < cols
    return bool(inside) and len(set(zip(row.tolist(), col.tolist(), strict=True))) == len(row)


def geometry_at(positions: NDArray[np.float64] | None, where: str) -> Geometry:
    """The grid that electrodes lie on.

    Parameters
    ----------
    positions : ndarray of float64, shape (channels, 2), mm, or None
        Across and along the fibres, any origin.
    where : str
        Who says so, for messages.

    Raises
    ------
    OptionError
        There are no positions, or they lie on no grid.
    """
    if positions is None or not np.isfinite(positions).all():
        raise OptionError(f"{where} does not say where its electrodes are: name the grid, such as --grid GR08MM1305")
    across, along = positions.T
    steps = np.concatenate([np.diff(np.unique(np.round(x, 3))) for x in (across, along)])
    if len(steps) == 0:
        raise OptionError(f"{where} places all electrodes at one point: name the grid with --grid")
    ied_mm = float(steps.min())
    if ied_mm < SMALLEST_IED_MM:
        raise OptionError(f"{where} has electrodes off a regular grid: give a file with --grid")
    row = np.round((along - along.min()) / ied_mm).astype(np.int64)
    col = np.round((across - across.min()) / ied_mm).astype(np.int64)
    off = max(np.abs(along - along.min() - row * ied_mm).max(), np.abs(across - across.min() - col * ied_mm).max())
    if off > 0.25 * ied_mm:
        raise OptionError(f"{where} has electrodes off a regular grid: give a file with --grid")
    if not lie_on(row, col, int(row.max()) + 1, int(col.max()) + 1):
        raise OptionError(f"{where} places two channels on one electrode: give a file with --grid")
    return Geometry(row, col, ied_mm, int(row.max()) + 1, int(col.max()) + 1)
