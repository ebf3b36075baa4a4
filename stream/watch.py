"""Channels that went bad: flat, saturated, not numbers, or far noisier than their neighbours.

Judged over fixed stretches of samples, so a flag does not depend on the hop. A channel is flagged after one bad
stretch and cleared after it has been good for ``CLEAR_AFTER_S``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

GOOD, NOT_A_NUMBER, FLAT, SATURATED, NOISY = range(5)
REASONS = ("good", "not a number", "flat", "saturated", "noisy")
STRETCH_S = 0.25
CLEAR_AFTER_S = 2.0
STUCK_SHARE = 0.1  # of the samples at the very same extreme: an amplifier at its rail
NOISY_TIMES = 6.0  # the median RMS of the neighbours
NOISY_FLOOR_UV = 20.0  # below this RMS no channel is called noisy


@njit("void(float32[:, ::1], float32[:, ::1], int64, int64, float64[:, ::1], int64[:, ::1])", cache=True, nogil=True)
def _gather_kernel(raw, filtered, first, last, level, count):  # type: ignore[no-untyped-def]
    for t in range(first, last):
        for c in range(raw.shape[1]):
            x = raw[t, c]
            if not math.isfinite(x):
                count[0, c] += 1
                continue
            if x > level[0, c]:
                level[0, c] = x
                count[1, c] = 1
            elif x == level[0, c]:
                count[1, c] += 1
            if x < level[1, c]:
                level[1, c] = x
                count[2, c] = 1
            elif x == level[1, c]:
                count[2, c] += 1
            level[2, c] += filtered[t, c] * filtered[t, c]


@njit("void(float32[:, ::1], float32[::1])", cache=True, nogil=True)
def replace_what_is_no_number(block, held):  # type: ignore[no-untyped-def]
    """Where `block` holds NaN or infinity, put the channel's last number, so that no filter state is lost to it.

    Zero would not do: an electrode's offset of millivolts makes it a step that rings through the filter as spikes.
    `held` is float32 (channels,), the last numbers; it is updated.
    """
    for t in range(block.shape[0]):
        for c in range(block.shape[1]):
            if math.isfinite(block[t, c]):
                held[c] = block[t, c]
            else:
                block[t, c] = held[c]


def judge(
    level: NDArray[np.float64], count: NDArray[np.int64], samples: int, neighbours: NDArray[np.int64]
) -> NDArray[np.int64]:
    """What each channel was over one stretch.

    Parameters
    ----------
    level : ndarray of float64, shape (3, channels)
        Largest and smallest raw sample (uV) and sum of squares of the filtered ones (uV^2).
    count : ndarray of int64, shape (3, channels)
        Samples that were no numbers, at the largest, and at the smallest.
    samples : int
    neighbours : ndarray of int64, shape (channels, most)
        Channels that touch each channel, filled up with -1.

    Returns
    -------
    ndarray of int64, shape (channels,)
        GOOD, NOT_A_NUMBER, FLAT, SATURATED or NOISY.
    """
    highest, lowest, squares = level
    verdict = np.full(level.shape[1], GOOD)
    rms = np.sqrt(squares / samples)
    flat = highest <= lowest
    sound = ~flat & (count[0] == 0)
    beside = np.where((neighbours >= 0) & sound[neighbours], rms[neighbours], np.inf)  # (channels, most)
    usual = _median_of_finite(beside)
    verdict[sound & (rms > NOISY_FLOOR_UV) & np.isfinite(usual) & (rms > NOISY_TIMES * usual)] = NOISY
    verdict[np.maximum(count[1], count[2]) > STUCK_SHARE * samples] = SATURATED
    verdict[flat] = FLAT
    verdict[count[0] > 0] = NOT_A_NUMBER
    return verdict


def _median_of_finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the finite values in each row, infinite where there is none."""
    ordered = np.sort(values, axis=1)  # infinities last
    count = np.isfinite(values).sum(axis=1)
    row = np.arange(len(values))
    return 0.5 * (
        ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, np.minimum(count // 2, len(ordered[0]) - 1)]
    )


def _listed(neighbours: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Neighbours as a list for each channel, (channels, most), filled up with -1."""
    most = max(1, int(neighbours.sum(axis=1).max(initial=0)))
    listed = np.full((len(neighbours), most), -1)
    for c, touching in enumerate(neighbours):
        places = np.flatnonzero(touching)
        listed[c, : len(places)] = places
    return listed


class ChannelWatch:
    """Follows the channels hop by hop.

    Parameters
    ----------
    fs_hz : float
    neighbours : ndarray of bool, shape (channels, channels)

    Attributes
    ----------
    state : ndarray of int64, shape (channels,)
        GOOD or why the channel is flagged.
    flags : bytes
        The same as bytes, to compare.
    bad_share : float
        Share of the channels that are flagged.
    """

    def __init__(self, fs_hz: float, neighbours: NDArray[np.bool_]) -> None:
        channels = len(neighbours)
        self.state = np.full(channels, GOOD)
        self.bad_share = 0.0
        self.flags = self.state.tobytes()
        self.stretch = max(2, math.ceil(STRETCH_S * fs_hz))
        self._clear_after = math.ceil(CLEAR_AFTER_S / STRETCH_S)
        self._good_for = np.zeros(channels, np.int64)
        self._neighbours = _listed(neighbours)
        self._level = np.zeros((3, channels))
        self._count = np.zeros((3, channels), np.int64)
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch; flags stay."""
        self._level[0] = -np.inf
        self._level[1] = np.inf
        self._level[2] = 0.0
        self._count[:] = 0
        self._seen = 0

    def forgive(self) -> None:
        """Clear every flag at once."""
        self.state[:] = GOOD
        self.bad_share = 0.0
        self.flags = self.state.tobytes()
        self._good_for[:] = 0
        self.reset()

    def __call__(self, raw: NDArray[np.float32], filtered: NDArray[np.float32]) -> bool:
        """Take a hop, raw and filtered, both (samples, channels) in uV; True when a flag changed."""
        changed = False
        first = 0
        while first < len(raw):
            last = min(len(raw), first + self.stretch - self._seen)
            _gather_kernel(raw, filtered, first, last, self._level, self._count)
            self._seen += last - first
            first = last
            if self._seen == self.stretch:
                changed |= self._conclude()
        return changed

    def _conclude(self) -> bool:
        """Every quarter of a second: the only place on the hot path that makes small arrays."""
        verdict = judge(self._level, self._count, self._seen, self._neighbours)
        self.reset()
        self._good_for = np.where(verdict == GOOD, self._good_for + 1, 0)
        cleared = self._good_for >= self._clear_after
        state = np.where(verdict != GOOD, verdict, np.where(cleared, GOOD, self.state))
        changed = bool((state != self.state).any())
        self.state = state
        self.bad_share = float((state != GOOD).mean())
        self.flags = state.tobytes()
        return changed
