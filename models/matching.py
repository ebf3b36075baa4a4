"""Agreement between spike trains: one common shift per pair, spikes matched one to one.

Programs mark different instants of a discharge, so two trains of one unit differ by a constant shift of up to
tens of milliseconds. The shift is searched, then spikes are matched within a tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numba import njit
from numpy.typing import NDArray

Train = NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """How two trains agree at their best common shift.

    Parameters
    ----------
    shift : int, samples
        ``found + shift`` lies on ``truth``.
    common, only_found, only_truth : int
        True positives, false positives, false negatives.
    """

    shift: int
    common: int
    only_found: int
    only_truth: int

    @property
    def roa(self) -> float:
        """Rate of agreement, TP / (TP + FP + FN); 0 for two empty trains."""
        union = self.common + self.only_found + self.only_truth
        return self.common / union if union else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 0 for two empty trains."""
        total = 2 * self.common + self.only_found + self.only_truth
        return 2 * self.common / total if total else 0.0


@njit(cache=True, nogil=True)
def shift_counts(found, truth, max_shift):
    """Same as `shift_counts_plain`, compiled."""
    counts = np.zeros(2 * max_shift + 1, np.int64)
    first = 0
    for instant in found:
        while first < len(truth) and truth[first] < instant - max_shift:
            first += 1
        here = first
        while here < len(truth) and truth[here] <= instant + max_shift:
            counts[truth[here] - instant + max_shift] += 1
            here += 1
    return counts


def shift_counts_plain(found: Train, truth: Train, max_shift: int) -> NDArray[np.int64]:
    """Pairs of spikes at each shift ``truth - found`` in [-max_shift, max_shift]: their cross-correlogram.

    Parameters
    ----------
    found, truth : ndarray of int64, samples, ascending
    max_shift : int, samples

    Returns
    -------
    ndarray of int64, shape (2 * max_shift + 1,)
    """
    difference = (truth[None, :] - found[:, None]).ravel()
    near = difference[np.abs(difference) <= max_shift]
    return np.bincount(near + max_shift, minlength=2 * max_shift + 1).astype(np.int64)


@njit(cache=True, nogil=True)
def match_count(found, truth, shift, tolerance):
    """Number of pairs matched one to one within `tolerance` after adding `shift` to `found`.

    Both trains ascend, so taking the earliest admissible partner each time gives the largest matching.
    """
    common, a, b = 0, 0, 0
    while a < len(found) and b < len(truth):
        gap = found[a] + shift - truth[b]
        if gap > tolerance:
            b += 1
        elif gap < -tolerance:
            a += 1
        else:
            common += 1
            a += 1
            b += 1
    return common


def agree(found: Train, truth: Train, *, tolerance: int, max_shift: int) -> Agreement:
    """Agreement of two trains at the shift with most coincidences.

    Parameters
    ----------
    found, truth : ndarray of int64, samples, ascending
    tolerance : int, samples
        1 ms in science.md, section 5.
    max_shift : int, samples
        50 ms at most.
    """
    if len(found) == 0 or len(truth) == 0:
        return Agreement(0, 0, len(found), len(truth))
    counts = shift_counts(found, truth, max_shift + tolerance)
    near = np.convolve(counts, np.ones(2 * tolerance + 1, np.int64), mode="valid")  # at shifts up to max_shift
    finer = near * (tolerance + 1) * (len(found) + 1) + np.convolve(counts, _tent(tolerance), mode="valid")
    shift = int(np.argmax(finer)) - max_shift  # of equally good shifts, the one that the spikes centre on
    common = int(match_count(found, truth, shift, tolerance))
    return Agreement(shift, common, len(found) - common, len(truth) - common)


def _tent(tolerance: int) -> NDArray[np.int64]:
    return (tolerance + 1 - np.abs(np.arange(-tolerance, tolerance + 1))).astype(np.int64)


@dataclass(frozen=True)
class Assignment:
    """Two decompositions matched unit by unit.

    Parameters
    ----------
    pairs : tuple of (int, int, Agreement)
        Found unit, true unit, how they agree; by true unit.
    extra : tuple of int
        Found units without a partner.
    missed : tuple of int
        True units without a partner.
    """

    pairs: tuple[tuple[int, int, Agreement], ...]
    extra: tuple[int, ...]
    missed: tuple[int, ...]


def assign(
    found: Sequence[Train], truth: Sequence[Train], *, fs_hz: float, tolerance_s=0.001, max_shift_s=0.05, min_f1=0.0
) -> Assignment:
    """Pair units one to one so that the sum of F1 is largest (Hungarian method).

    Parameters
    ----------
    found, truth : sequence of ndarray of int64, samples, ascending
    fs_hz : float
    tolerance_s, max_shift_s : float, s
    min_f1 : float
        Pairs at or below it are not pairs: their units are extra and missed.
    """
    tolerance, max_shift = max(1, round(tolerance_s * fs_hz)), round(max_shift_s * fs_hz)
    table = [[agree(f, t, tolerance=tolerance, max_shift=max_shift) for t in truth] for f in found]
    f1 = np.array([[cell.f1 for cell in row] for row in table]).reshape(len(found), len(truth))
    rows, cols = scipy.optimize.linear_sum_assignment(-f1)
    kept = sorted(((int(r), int(c)) for r, c in zip(rows, cols, strict=True) if f1[r, c] > min_f1), key=lambda p: p[1])
    pairs = tuple((r, c, table[r][c]) for r, c in kept)
    paired_found, paired_truth = {r for r, _, _ in pairs}, {c for _, c, _ in pairs}
    return Assignment(
        pairs,
        tuple(i for i in range(len(found)) if i not in paired_found),
        tuple(i for i in range(len(truth)) if i not in paired_truth),
    )
