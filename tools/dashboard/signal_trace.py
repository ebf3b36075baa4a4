"""A signal beside the EMG as what a screen can show of it, whatever its rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .ring import Ring

BINS_HZ = 30.0
LARGEST = 1e30  # so that differences and scales are numbers


class SignalTrace:
    """Least and greatest value of every thirtieth of a second that has any.

    Parameters
    ----------
    since : float
        When it was first heard of, s on the pipeline's clock.
    kept : int
        Rows.

    Attributes
    ----------
    ring : Ring
        Time, least and greatest value.
    newest : float
        The last value; nan before the first.
    """

    def __init__(self, since: float, kept: int) -> None:
        self.since = since
        self.newest = math.nan
        self.ring = Ring(kept, t=np.float64, low=np.float64, high=np.float64)
        self._open: Bin | None = None
        self._done = -math.inf  # number of the last bin in the ring

    def push(self, t: NDArray[np.float64], value: NDArray[np.float64], fs_hz: float) -> None:
        """Add values by time, of which `fs_hz` come a second; what comes too late for its bin counts in the next."""
        if not len(t):
            return
        value = value.clip(-LARGEST, LARGEST)
        numbers = np.maximum.accumulate(np.maximum(np.floor(t * BINS_HZ), self._done + 1.0))
        begins = np.flatnonzero(np.diff(numbers, prepend=-np.inf))
        ends = np.append(begins[1:], len(t))
        lows, highs = np.minimum.reduceat(value, begins), np.maximum.reduceat(value, begins)
        for begin, end, low, high in zip(begins, ends, lows, highs, strict=True):
            self._add(Bin(float(numbers[begin]), float(t[begin]), float(t[end - 1]), float(low), float(high)))
        self.newest = float(value[-1])
        self._close_if_full(float(t[-1]), fs_hz)

    def _add(self, fresh: Bin) -> None:
        known = self._open
        if known is None or fresh.number > known.number:
            self._close()
            self._open = fresh
        else:
            known.last = fresh.last
            known.low, known.high = min(known.low, fresh.low), max(known.high, fresh.high)

    def _close_if_full(self, newest_t: float, fs_hz: float) -> None:
        """Do not wait for the next value, which may take long, where it will be one of another bin."""
        if self._open is None or not fs_hz > 0 or self._open.number > newest_t * BINS_HZ:
            return
        if (self._open.number + 1.0) / BINS_HZ <= newest_t + 0.5 / fs_hz:
            self._close()

    def _close(self) -> None:
        if self._open is None:
            return
        one, self._open = self._open, None
        self._done = one.number
        self.ring.push(t=[0.5 * (one.first + one.last)], low=[one.low], high=[one.high])


class Bin:
    """What has come of one bin: times of its first and last value, least and greatest value."""

    __slots__ = ("first", "high", "last", "low", "number")

    def __init__(self, number: float, first: float, last: float, low: float, high: float) -> None:
        self.number, self.first, self.last, self.low, self.high = number, first, last, low, high
