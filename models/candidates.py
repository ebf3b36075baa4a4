"""One round of the search: many separation vectors at once, from instants of high activity to spike trains."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .contrast import Contrast, fixed_point_step, unit_length
from .duplicates import distinct
from .firing import Firing, judge

MIN_SPIKES = 15  # fewer spikes make no mean to refine from
MIN_SIL = 0.5  # a source below this is noise or many units at once; refinement does not mend it


def start_instants(activity: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Instants of highest activity, one in each of `count` equal stretches of the recording.

    Parameters
    ----------
    activity : ndarray, shape (samples,)
        Squared length of the whitened sample (Holobar and Zazula's activity index).
    count : int

    Returns
    -------
    ndarray of int64, samples, ascending
        One stretch, one start: the strongest unit cannot take them all.
    """
    edges = np.linspace(0, len(activity), count + 1).astype(np.int64)
    return np.array([low + np.argmax(activity[low:high]) for low, high in pairwise(edges)])


def sources_of(whitened: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sources of all vectors, each contiguous, shape (vectors, samples)."""
    return vectors.T @ whitened.T


def search(
    whitened: NDArray[np.float32],
    contrast: Contrast,
    *,
    fs_hz: float,
    starts: int,
    iterations: int,
    active_share: float,
    cap: float,
    refinements: int,
    refractory_s: float,
) -> list[Firing]:
    """Distinct spike trains that the whitened signals hold, good and bad.

    Parameters
    ----------
    whitened : ndarray of float32, shape (samples, rank)
    contrast : Contrast
    fs_hz : float
    starts, iterations : int
        Separation vectors, and fixed-point steps of each. Few steps: more of them lead more vectors to the same
        strong units.
    active_share : float
        The fixed point sees this share of the samples, the most active ones.
    cap : float
        Samples more active than this share of all are scaled down to it.
    refinements : int
        Times a vector is replaced by the mean of the whitened signals at its spikes.
    refractory_s : float, s

    Returns
    -------
    list of Firing
        For each train the refinement with the highest silhouette.
    """
    activity = np.einsum("ij,ij->i", whitened, whitened)
    vectors = unit_length(np.ascontiguousarray(whitened[start_instants(activity, starts)].T))
    busy = activity >= np.quantile(activity, 1 - active_share)
    active = whitened[busy] * np.sqrt(np.minimum(1, np.quantile(activity, cap) / activity[busy]))[:, None]
    for _ in range(iterations):
        vectors = fixed_point_step(active, vectors, contrast)
    sources = sources_of(whitened, vectors)
    sources *= np.where(np.einsum("ij,ij,ij->i", sources, sources, sources) < 0, -1, 1)[:, None]  # spikes point up
    found = [judge(source, fs_hz, refractory_s) for source in sources]
    best = _distinct([one for one in found if len(one.spikes) >= MIN_SPIKES and one.sil >= MIN_SIL], fs_hz)
    current = list(best)
    for _ in range(refinements if best else 0):
        vectors = unit_length(np.stack([whitened[one.spikes].mean(axis=0) for one in current], axis=1))
        current = [judge(source, fs_hz, refractory_s) for source in sources_of(whitened, vectors)]
        best = [new if new.sil > old.sil else old for new, old in zip(current, best, strict=True)]
        current = [new if len(new.spikes) >= MIN_SPIKES else old for new, old in zip(current, best, strict=True)]
    return best


def _distinct(firings: list[Firing], fs_hz: float) -> list[Firing]:
    kept = distinct([one.spikes for one in firings], np.array([one.sil for one in firings]), fs_hz)
    return [firings[index] for index in kept]
