"""Peaks of a source, and which of them are discharges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

FEWEST = 10  # peaks; fewer discharges than these make no unit


def peaks_plain(source: NDArray[np.float32], distance: int) -> NDArray[np.int64]:
    """Positive local maxima, read from left to right; of two closer than `distance` the higher stays.

    Parameters
    ----------
    source : ndarray of float32, shape (samples,)
    distance : int, samples

    Returns
    -------
    ndarray of int64, shape (peaks,), samples
        A plateau counts at its first sample.
    """
    kept: list[int] = []
    rising = (source[1:-1] > 0) & (source[1:-1] > source[:-2]) & (source[1:-1] >= source[2:])
    for here in np.flatnonzero(rising) + 1:
        if not kept or here - kept[-1] >= distance:
            kept.append(int(here))
        elif source[here] > source[kept[-1]]:
            kept[-1] = int(here)
    return np.array(kept, np.int64)


@njit(cache=True, nogil=True)
def peaks(source, distance):
    """Same as `peaks_plain`, compiled."""
    kept = np.empty(len(source) // 2 + 1, np.int64)
    count = 0
    for here in range(1, len(source) - 1):
        height = source[here]
        if height > 0 and height > source[here - 1] and height >= source[here + 1]:
            if count == 0 or here - kept[count - 1] >= distance:
                kept[count] = here
                count += 1
            elif height > source[kept[count - 1]]:
                kept[count - 1] = here
    return kept[:count].copy()


@dataclass(frozen=True)
class Split:
    """Two classes of heights: 2-means, which in one dimension has an exact answer.

    Parameters
    ----------
    low, high : float
        Centroids.
    boundary : float
        Their midpoint.
    """

    low: float
    high: float

    @property
    def boundary(self) -> float:
        return (self.low + self.high) / 2


def two_means(heights: NDArray[np.floating]) -> Split:
    """Centroids of the split of `heights` in two with the least sum of squares within the classes.

    Every cut of the sorted heights is tried, so there is no start to choose and no local minimum.

    Parameters
    ----------
    heights : ndarray, shape (peaks,), two or more
    """
    ordered = np.sort(np.asarray(heights, np.float64))
    below = np.arange(1, len(ordered))
    total = np.cumsum(ordered)
    left, right = total[:-1], total[-1] - total[:-1]
    explained = left**2 / below + right**2 / (len(ordered) - below)  # largest where the sum within is least
    cut = int(np.argmax(explained))
    return Split(left[cut] / below[cut], right[cut] / (len(ordered) - below[cut]))


def capped(heights: NDArray[np.floating]) -> NDArray[np.floating]:
    """Heights without outliers: what stands far above the upper class is cut down to it.

    A handful of artefacts, each many times higher than the spikes, would otherwise be a class of their own and the
    spikes would count as noise. An upper class of fewer than `FEWEST` peaks is cut down to the next highest peak;
    what is then above the upper class's mean by 3 standard deviations is cut off there.

    Parameters
    ----------
    heights : ndarray, shape (peaks,), two or more
    """
    upper = heights[heights > two_means(heights).boundary]
    if len(upper) < FEWEST < len(heights):
        heights = np.minimum(heights, np.partition(heights, -FEWEST)[-FEWEST])
        upper = heights[heights > two_means(heights).boundary]
    return np.minimum(heights, upper.mean() + 3 * upper.std()) if len(upper) else heights


def discharges(source: NDArray[np.float32], distance: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Split]:
    """Split a source's peaks into discharges and the rest by 2-means on their squared heights.

    Parameters
    ----------
    source : ndarray of float32, shape (samples,)
        Discharges are positive.
    distance : int, samples
        Least distance between peaks.

    Returns
    -------
    spikes, rest : ndarray of int64, samples
    split : Split
        In squared height; ``sqrt(split.boundary)`` is the threshold on the source.
    """
    found = peaks(source, distance)
    if len(found) < 4:
        return found[:0], found, Split(0.0, 0.0)
    power = source[found].astype(np.float64) ** 2
    split = two_means(capped(power))
    is_spike = power > split.boundary
    return found[is_spike], found[~is_spike], split
