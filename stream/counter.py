"""A channel that counts samples, as many amplifiers send one: what came is known whatever the time stamps say.

The count goes up by one a sample. It may wrap at 8, 16, 24 or 32 bits, signed or not; which, its first wrap tells. A
gap longer than the wrap is told by the time stamps, to the nearest whole wrap. A count that starts anew (the amplifier
was switched off) says nothing about the time before: there the time stamps count, and where a count is no number
and does not stand between two that follow each other. Floats of 32 bits count to 2^24.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .errors import StreamError
from .timeline import Stretch, Timeline

WRAPS = (2**8, 2**16, 2**24, 2**32)
BELIEVED_S = 1.0  # a count that is off by more from what stamps and clock say started anew
MOST_RESTARTS = 8
STUCK_S = 0.25  # a count that stays, or is no number, for so long counts no more
FLOAT_END = 2**24
PROBED = 32  # samples that tell whether a channel counts
_END = 2**53  # beyond, the floats of 64 bits count no more either


@njit("int64(float64[::1], int64, int64)", cache=True, nogil=True)
def _unbroken_kernel(values, samples, wrap):  # type: ignore[no-untyped-def]
    unbroken = 1
    for i in range(1, samples):
        if abs(values[i]) < _END:  # else it is taken as the one expected, unless it stands beside a break
            off = np.int64(values[i]) - np.int64(values[0]) - i
            if (off & (wrap - 1) if wrap else off) != 0:
                break
            unbroken = i + 1
    return unbroken


def unbroken_reference(values: NDArray[np.float64], wrap: int) -> int:
    """How many of the first counts follow one another, modulo `wrap` unless 0; the last of them is a number."""
    numbers = [i for i in range(len(values)) if abs(values[i]) < _END]
    steps = {i: int(values[i]) - int(values[0]) - i for i in numbers}
    unbroken = 0
    for i in numbers:
        if (steps[i] % wrap if wrap else steps[i]) != 0:
            break
        unbroken = i
    return unbroken + 1


def check_counts(values: NDArray[Any], channel: int, name: str) -> None:
    """Refuse a channel that does not count samples.

    Parameters
    ----------
    values : ndarray, shape (samples,)
        A few samples of it in a row.
    channel : int
    name : str
        Of the stream.

    Raises
    ------
    StreamError
    """
    numbers = values.astype(np.float64)
    good = np.isfinite(numbers[1:]) & np.isfinite(numbers[:-1])
    step = np.where(good, numbers[1:], 0.0) - np.where(good, numbers[:-1], 0.0)
    counts = good & ((step == 1) | np.isin(-step, np.array(WRAPS) - 1.0))
    if counts.mean() > 0.5:
        return
    if good.all() and (step == 0).all():
        found = f"stays at {numbers[0]:g}"
    elif good.all() and (step == step[0]).all():
        found = f"goes up by {step[0]:g} a sample"
    else:
        found = "does not go up by one a sample"
    raise StreamError(
        f'channel {channel} of stream "{name}" {found}, so it counts no samples: '
        "give the number of the counter's channel, or leave --counter away"
    )


class SampleCounter:
    """Follows a counter channel.

    Parameters
    ----------
    timeline : Timeline
        Of the same stream; it follows along.
    fs_hz : float
    longest : int
        Most samples in one call.
    """

    def __init__(self, timeline: Timeline, fs_hz: float, longest: int) -> None:
        self._timeline = timeline
        timeline.counted = True
        self._fs = fs_hz
        self._next: int | None = None  # the count expected
        self._wrap = 0  # 0 while not known
        self._least = 0  # smallest count seen
        self._end = _END
        self._returned = False
        self._restarts = 0  # in a row, without a second of counting between them
        self._since_restart = 0
        self._repeats = 0  # in a row
        self._repeats_since = 0.0
        self._unnumbered = 0  # samples in a row
        self._received = 0.0
        self._values = np.zeros(longest)
        self._stretch = Stretch()

    def begin(self, dtype: type) -> None:
        """A stream was taken up, of this number format; its count may go on or start anew."""
        self._end = FLOAT_END if dtype is np.float32 else _END
        self._returned = self._next is not None

    def account(
        self, values: NDArray[Any], stamps: NDArray[np.float64], now: float, prints: NDArray[np.int64] | None = None
    ) -> Stretch:
        """Account for the first samples, up to the next break in the count.

        Parameters
        ----------
        values : ndarray, shape (samples,)
            The counter channel.
        stamps : ndarray of float64, shape (samples,), s
        now : float
            When the samples were received, s on the local clock.
        prints : ndarray of int64, shape (samples,), or None
            Of their values, for when the stamps have to count.

        Returns
        -------
        Stretch
            The same object at every call.
        """
        timeline, stretch = self._timeline, self._stretch
        if not timeline.counted:
            return timeline.account(stamps, now, prints)
        samples, numbers = len(values), self._values
        numbers[:samples] = values
        number = numbers.item(0)
        if not abs(number) < _END:
            return self._by_the_stamps(values, stamps, now)
        self._unnumbered = 0
        first = int(number)
        if first >= self._end:  # the format cannot tell this count from the next
            timeline.counted = False
            return timeline.account(stamps, now)
        if self._wrap and not self._least <= first < self._least + self._wrap:
            self._wrap = 0  # it was another
        stamp = stamps.item(0)
        lost = self._missing(first, stamp, now)
        unbroken = _unbroken_kernel(numbers, samples, self._wrap)
        if self._wrap and abs(stamps.item(unbroken - 1) - stamp) > self._half_wrap_s:
            unbroken = self._within_a_wrap(stamps, unbroken)
        if lost < 0:
            repeats = min(unbroken, -lost)
            if self._stuck(repeats, now):
                timeline.counted = False
                return timeline.account(stamps, now)  # what was dropped is lost by the stamps
            stretch.repeats, stretch.lost, stretch.samples = repeats, 0, 0
            return stretch
        stretch.repeats, stretch.lost, stretch.samples = 0, lost, unbroken
        self._next = self._wrapped(first + unbroken)
        self._least = min(self._least, first)
        self._repeats = 0
        self._received = now
        self._returned = False
        self._since_restart += unbroken
        if self._since_restart > self._fs:
            self._restarts = 0
        timeline.follow(stamps[:unbroken], lost, now)
        return stretch

    def _by_the_stamps(self, values: NDArray[Any], stamps: NDArray[np.float64], now: float) -> Stretch:
        """Account for the first samples, whose counts are no numbers; what that misses the next count tells."""
        unnumbered = 1
        while unnumbered < len(values) and not abs(float(values[unnumbered])) < _END:
            unnumbered += 1
        stretch = self._timeline.account(stamps[:unnumbered], now)
        if self._next is not None:
            self._next = self._wrapped(self._next + stretch.lost + stretch.samples)
        self._received = now
        self._unnumbered += stretch.repeats + stretch.samples
        if self._unnumbered > STUCK_S * self._fs:
            self._timeline.counted = False
        return stretch

    def _wrapped(self, count: int) -> int:
        return self._least + (count - self._least) % self._wrap if self._wrap else count

    def _missing(self, first: int, stamp: float, now: float) -> int:
        """Periods missing before the count `first`; negative where it was seen before."""
        if self._next is None:
            self._next = first
            self._least = min(0, first)
        step = first - self._next
        if self._wrap:
            step %= self._wrap
        timeline = self._timeline
        if step == 0 and not self._returned:
            whole_wraps = self._wrap and abs(timeline.deviation(stamp)) > self._half_wrap_s
            if not whole_wraps:
                return 0
        told = timeline.missing(stamp, now)  # by the stamps
        if self._wrap:
            least = -1 if step else 0  # the very next count is no repeat: the clock was set back
            return self._believed(step + self._wrap * max(least, round((told - step) / self._wrap)), told, now)
        found, wrap = step, 0
        slack = 0.02 * self._fs + 1e-3 * abs(told) + (0.0 if timeline.exact else timeline.limit * self._fs)
        if step < 0 or abs(step - told) > slack:
            for size in WRAPS:  # one that has room for the counts seen so far
                if size < self._next - self._least:
                    continue
                around = step % size + size * max(0, round((told - step % size) / size))
                closer = abs(around - told) < abs(found - told) if step < 0 else abs(around - told) <= slack
                if closer:
                    found, wrap = around, size
                    break
        lost = self._believed(found, told, now)
        if wrap and lost == found:
            self._wrap = wrap
        return lost

    def _believed(self, lost: int, told: float, now: float) -> int:
        """`lost` by the count, unless stamps and clock know better: then the count started anew."""
        slack = BELIEVED_S * self._fs
        if self._returned:  # and then it likely did
            timeline = self._timeline
            slack = 0.02 * self._fs + 1e-3 * abs(told) + (0.0 if timeline.exact else timeline.limit * self._fs)
            if abs(lost - told) <= slack:
                return max(lost, 0)
        elif -slack < lost < max(told, 0.0, (now - self._received) * self._fs) + slack:
            return lost
        else:
            self._since_restart = 0
            self._restarts += 1
            if self._restarts > MOST_RESTARTS:
                self._timeline.counted = False
        self._wrap = 0
        return max(0, round(told))

    @property
    def _half_wrap_s(self) -> float:
        return 0.5 * self._wrap * self._timeline.period

    def _within_a_wrap(self, stamps: NDArray[np.float64], samples: int) -> int:
        """How many of the first samples have no whole wraps missing between them."""
        for i in range(1, samples):
            if abs(float(stamps[i]) - float(stamps[i - 1])) > self._half_wrap_s:
                return i
        return samples

    def _stuck(self, repeats: int, now: float) -> bool:
        """Whether the count goes on being seen before, at the pace of new samples."""
        if self._repeats == 0:
            self._repeats_since = max(now, self._received)
        self._repeats += repeats
        passed = now - self._repeats_since
        return passed > STUCK_S and self._repeats < 2.0 * passed * self._fs
