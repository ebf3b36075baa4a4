"""One unit found twice: keep the better train."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .matching import agree

COMMON_SHARE = 0.3  # of the shorter train (science.md, section 4); chance gives about 0.08 at 15 discharges/s
MAX_SHIFT_S = 0.05
TOLERANCE_S = 0.001


def common_share(first: NDArray[np.int64], second: NDArray[np.int64], fs_hz: float) -> float:
    """Share of the shorter train that coincides with the other at the best common shift."""
    shorter = min(len(first), len(second))
    if shorter == 0:
        return 0.0
    found = agree(first, second, tolerance=max(1, round(TOLERANCE_S * fs_hz)), max_shift=round(MAX_SHIFT_S * fs_hz))
    return found.common / shorter


def is_new(
    train: NDArray[np.int64], others: Iterable[NDArray[np.int64]], fs_hz: float, share: float = COMMON_SHARE
) -> bool:
    """Whether a train shares less than `share` of the shorter one with each of the others."""
    return all(common_share(train, other, fs_hz) < share for other in others)


def distinct(
    trains: Sequence[NDArray[np.int64]], score: NDArray[np.floating], fs_hz: float, share: float = COMMON_SHARE
) -> list[int]:
    """Indices of the trains to keep, best score first, none sharing a unit with one before it.

    Parameters
    ----------
    trains : sequence of ndarray of int64, samples, ascending
    score : ndarray, shape (trains,)
        Higher is better; equal scores keep their order.
    fs_hz : float
    share : float
        Of the shorter train, from which on two are one unit.
    """
    kept: list[int] = []
    for index in np.argsort(-np.asarray(score), kind="stable"):
        if is_new(trains[index], (trains[other] for other in kept), fs_hz, share):
            kept.append(int(index))
    return kept
