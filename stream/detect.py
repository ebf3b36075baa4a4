"""Discharges from sources: peaks above a threshold, each decided a fixed look-ahead after it.

A sample is a discharge if its source is at or above the unit's threshold, larger than each of the ``lookahead``
samples before it, not smaller than any of the ``lookahead`` after it, and at least ``refractory`` samples after the
unit's last discharge. Nothing else decides, so any hop gives the same discharges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(
    "int64(float32[:, ::1], int64, int64, float32[:, ::1], int64[::1], float32[::1], int64, int64,"
    " int64[::1], int64[::1], float32[::1], int64)",
    cache=True,
    nogil=True,
)
def _detect_kernel(  # type: ignore[no-untyped-def]
    sources, first_sample, deaf_until, recent, last, threshold, lookahead, refractory, unit, sample, height,
    found
):  # fmt: skip
    samples, units = sources.shape
    size = 2 * lookahead + 1
    for t in range(samples):
        n = first_sample + t
        at = n % size
        for m in range(units):
            recent[at, m] = sources[t, m]
        centre = n - lookahead
        if centre < deaf_until:
            continue
        row = centre % size
        for m in range(units):
            peak = recent[row, m]
            if not peak >= threshold[m] or centre - last[m] < refractory:  # a source that is no number is no peak
                continue
            highest = True
            for j in range(1, lookahead + 1):
                before, after = recent[(centre - j) % size, m], recent[(centre + j) % size, m]
                if not (before < peak and after <= peak):  # beside what is no number nothing is a peak
                    highest = False
                    break
            if highest:
                last[m] = centre
                unit[found] = m
                sample[found] = centre
                height[found] = peak
                found += 1
    return found


@dataclass(frozen=True)
class Terms:
    """What a detector takes from the filters; all of it changes when they do.

    Attributes
    ----------
    threshold : ndarray of float32, shape (units,)
    levels : ndarray of float32, shape (3, units), or None
        With cancellation: threshold, height of a discharge, weight.
    responses : ndarray of float32, shape (units, length, units), or None
        With cancellation: of unit j at sample u in source k as ``[j, u, k]``.
    """

    threshold: NDArray[np.float32]
    levels: NDArray[np.float32] | None = None
    responses: NDArray[np.float32] | None = None


def detect_reference(
    sources: NDArray[np.float32], threshold: NDArray[np.float32], lookahead: int, refractory: int
) -> list[tuple[int, int]]:
    """All (sample, unit) discharges of whole sources, shape (samples, units), in order of sample, then unit."""
    samples, units = sources.shape
    padded = np.vstack([np.zeros((lookahead, units), np.float32), sources])
    last = np.full(units, -(2**62))
    found = []
    for t in range(samples - lookahead):
        around = padded[t : t + 2 * lookahead + 1]  # (2 * lookahead + 1, units), centre at row `lookahead`
        for m in range(units):
            before, peak, after = around[:lookahead, m], around[lookahead, m], around[lookahead + 1 :, m]
            if peak >= threshold[m] and (before < peak).all() and (after <= peak).all() and t - last[m] >= refractory:
                last[m] = t
                found.append((t, m))
    return found


class Detector:
    """Finds discharges hop by hop; its peaks, refractory times and look-ahead cross the hops.

    Parameters
    ----------
    threshold : ndarray of float32, shape (units,)
    lookahead, refractory : int
        Samples; the refractory time is longer than the look-ahead.
    longest : int
        Most samples in one call.

    Attributes
    ----------
    unit, sample : ndarray of int64
    height : ndarray of float32
        The discharges of the last call, in their first `count` places, in order of sample.
    count : int
    threshold : ndarray of float32, shape (units,)
        As it is now.
    """

    def __init__(self, threshold: NDArray[np.float32], lookahead: int, refractory: int, longest: int) -> None:
        units = len(threshold)
        self.lookahead = lookahead
        self.threshold = np.ascontiguousarray(threshold, np.float32)
        self._refractory = max(refractory, lookahead + 1)
        self._recent = np.zeros((2 * lookahead + 1, units), np.float32)
        self._last = np.full(units, -(2**62), np.int64)
        self._deaf_until = 0
        most = units * (longest // self._refractory + 2)
        self.unit = np.zeros(most, np.int64)
        self.sample = np.zeros(most, np.int64)
        self.height = np.zeros(most, np.float32)
        self.count = 0

    def reset(self, deaf_until: int) -> None:
        """Forget the past sources, and report no discharge before sample `deaf_until`."""
        self._recent[:] = 0.0
        self._last[:] = -(2**62)
        self._deaf_until = deaf_until

    def exchange(self, terms: Terms) -> None:
        """Take the terms of other filters from the next sample on."""
        self.threshold = terms.threshold

    def __call__(self, sources: NDArray[np.float32], first_sample: int, found: int = 0) -> int:
        """Discharges decided by `sources`, float32 (samples, units), whose first row is sample `first_sample`.

        The first `found` discharges of the last call are kept before them.
        """
        self.count = _detect_kernel(
            sources, first_sample, self._deaf_until, self._recent, self._last, self.threshold,
            self.lookahead, self._refractory, self.unit, self.sample, self.height, found,
        )  # fmt: skip
        return self.count
