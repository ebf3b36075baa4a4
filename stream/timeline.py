"""Samples counted against time stamps: which came, which are missing, which came twice.

An amplifier's samples are evenly spaced, so each stamp is compared with the one expected. Small deviations are
jitter or drift of the real rate and are tracked; a deviation beyond what jitter explains is a gap, and its length in
sample periods is counted as lost. Without a sample counter in the stream this is exact as long as the stamps are good
to half a sample period, and an estimate otherwise (`exact` says which).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRACK_S = 0.5  # time constant of the phase tracking
LEARN_S = 0.5  # jitter is learnt over the first stretch; until then only long gaps are believed
LEARN_TOLERANCE_S = 0.02
JITTER_S = 5.0  # memory of the jitter: some 40 of the largest usual chunks
JITTER_TIMES = 8.0  # mean deviations; 6 standard deviations of a Gaussian one
REPEAT_S = 1.0  # stamps that go back by less are repeats, by more a clock that jumped
LARGEST_RATE_ERROR = 0.01
LEAD_FALLS = 1e-3  # per second: faster than any two clocks drift apart


@dataclass
class Stretch:
    """What the next samples are: `repeats` to drop first, then `lost` periods, then `samples` without a break."""

    repeats: int = 0
    lost: int = 0
    samples: int = 0


class Timeline:
    """Follows the time stamps of one stream.

    Parameters
    ----------
    fs_hz : float
        Nominal rate.

    Attributes
    ----------
    clock_jumps : int
        Times the stamps jumped without samples missing.
    period : float
        Tracked sample period, s.
    """

    def __init__(self, fs_hz: float) -> None:
        self.period = 1.0 / fs_hz
        self.clock_jumps = 0
        self._nominal = 1.0 / fs_hz
        self._next = 0.0  # stamp expected of the next sample
        self._jitter = 0.0
        self._seen = 0
        self._lead = -math.inf  # stamps ahead of the local clock, at most; falls behind slowly
        self._stretch = Stretch()

    @property
    def exact(self) -> bool:
        """Whether the stamps are good enough to count every missing sample."""
        return self._jitter < 0.5 * self._nominal

    @property
    def newest(self) -> float:
        """Time of the newest sample accounted for, s on the stamps' clock."""
        return self._next - self.period

    def account(self, stamps: NDArray[np.float64], now: float) -> Stretch:
        """Account for the first samples of `stamps`, up to the next break.

        Parameters
        ----------
        stamps : ndarray of float64, shape (samples,), s
            At least one.
        now : float
            When the samples were received, s on the local clock.

        Returns
        -------
        Stretch
            The same object at every call. The caller passes what it did not cover again.
        """
        stretch = self._stretch
        stretch.repeats = stretch.lost = 0
        samples = len(stamps)
        if not (math.isfinite(stamps[0]) and math.isfinite(stamps[samples - 1])):
            return self._count_only()
        if self._seen == 0:
            self._next = float(stamps[0])
        tolerance = max(0.75 * self._nominal, JITTER_TIMES * self._jitter)
        if self._seen * self._nominal < LEARN_S:
            tolerance = max(tolerance, LEARN_TOLERANCE_S)

        first_error = float(stamps[0]) - self._next
        if first_error > tolerance:
            first_error = self._skip(stretch, first_error, now)
        elif first_error < -tolerance:
            if first_error >= -REPEAT_S:
                stretch.repeats = self._repeated(stamps, tolerance)
                stretch.samples = 0
                return stretch
            self._jump(float(stamps[0]))
            first_error = 0.0

        last_error = float(stamps[samples - 1]) - self._next - (samples - 1) * self.period
        if abs(last_error - first_error) > tolerance:
            samples = self._break(stamps, first_error, tolerance)
            last_error = float(stamps[samples - 1]) - self._next - (samples - 1) * self.period
        self._track(0.5 * (first_error + last_error), samples)
        self._lead = max(float(stamps[samples - 1]) - now, self._lead - LEAD_FALLS * samples * self._nominal)
        stretch.samples = samples
        return stretch

    def _skip(self, stretch: Stretch, ahead: float, now: float) -> float:
        """Count a gap of `ahead` seconds, or a jump of the clock if less time than that has passed here.

        Samples may come late, and then many at once; they never come earlier after their stamps than they did before.
        """
        if self._next + ahead - now > self._lead + REPEAT_S:
            self._jump(self._next + ahead)
            return 0.0
        stretch.lost = round(ahead / self.period)
        self._next += stretch.lost * self.period
        left = ahead - stretch.lost * self.period
        if self.exact:
            self._next += left  # a good stamp after a gap is a better anchor than the count
            return 0.0
        return left

    def _jump(self, stamp: float) -> None:
        self.clock_jumps += 1
        self._next = stamp
        self._lead = -math.inf

    def _count_only(self) -> Stretch:
        """Take the next sample as the one expected: a stamp that is no number says nothing."""
        self._next += self.period
        self._stretch.samples = 1
        return self._stretch

    def _repeated(self, stamps: NDArray[np.float64], tolerance: float) -> int:
        """How many of the first samples were seen before."""
        repeats = 1
        while repeats < len(stamps) and float(stamps[repeats]) < self._next - tolerance:
            repeats += 1
        return repeats

    def _break(self, stamps: NDArray[np.float64], first_error: float, tolerance: float) -> int:
        """How many of the first samples come without a break."""
        for i in range(1, len(stamps)):
            error = float(stamps[i]) - self._next - i * self.period
            if abs(error - first_error) > tolerance:
                return i
        return len(stamps)

    def _track(self, error: float, samples: int) -> None:
        share = min(1.0, samples * self._nominal / TRACK_S)
        self._next += samples * self.period + share * error
        wanted = self.period + 0.25 * share * share * error / samples
        least, most = self._nominal * (1 - LARGEST_RATE_ERROR), self._nominal * (1 + LARGEST_RATE_ERROR)
        self.period = min(most, max(least, wanted))
        self._seen += samples
        share = samples / min(self._seen, JITTER_S / self._nominal)  # a plain mean at first
        self._jitter += min(1.0, share) * (abs(error) - self._jitter)
