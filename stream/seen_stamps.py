"""The samples of the last second by stamp and print, so that one that comes again is known.

A print is a number made of all values of a sample. What an amplifier sends twice has the same values to the bit; what
it measures after its clock was set back has a stamp seen before and other values: EMG is never twice the same, but on
channels that are all dead. A print of 0 stands for one that is not known, and goes with any.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

OTHER = -1  # the first sample was seen, but another one followed it then
NEW_VALUES = -2  # the first sample's stamp was seen, with other values
SAME_S = 2e-9  # stamps that differ by less are one
SAME_SHARE = 1.5e-15  # or by this share of them: some units in their last place
_FACTOR = 0x9E3779B97F4A7C15 - 2**64  # 2^64 over the golden ratio: spreads the bits of small differences


class Even(NamedTuple):
    """Evenly spaced stamps that begin at `first`, and how far from them others may be, all s."""

    first: float
    period: float
    limit: float


ANY = Even(0.0, 0.0, np.inf)


@njit("void(int32[:, ::1], int64, int64[::1])", cache=True, nogil=True)
def print_rows(words, samples, prints):  # type: ignore[no-untyped-def]
    """The prints of the first `samples` rows of float32 values, which come as `words` of 32 bits, into `prints`."""
    channels = words.shape[1]
    for i in range(samples):
        total = np.int64(0)
        for c in range(channels):
            total += np.int64(words[i, c]) * np.int64(2 * c + 1)
        prints[i] = (total * _FACTOR) | 1


def print_rows_reference(words: NDArray[np.int32], samples: int, prints: NDArray[np.int64]) -> None:
    """As `print_rows`."""
    weights = 2 * np.arange(words.shape[1]) + 1
    prints[:samples] = (words[:samples].astype(np.int64) * weights).sum(1) * np.int64(_FACTOR) | 1


@njit("int64(float64[::1], int64[::1], float64, int64)", cache=True, nogil=True)
def _find_kernel(stamps, prints, stamp, mark):  # type: ignore[no-untyped-def]
    same = max(SAME_S, SAME_SHARE * abs(stamp))
    hits = 0
    for k in range(len(stamps)):  # without a branch: eight at a time
        hits += abs(stamps[k] - stamp) <= same
    if hits == 0:
        return OTHER
    for k in range(len(stamps)):
        if abs(stamps[k] - stamp) <= same and (mark == 0 or prints[k] == 0 or prints[k] == mark):
            return k
    return NEW_VALUES


@njit("int64(float64[::1], int64[::1], int64, float64[::1], int64[::1])", cache=True, nogil=True)
def _repeats_kernel(seen, seen_prints, newest, stamps, prints):  # type: ignore[no-untyped-def]
    place = _find_kernel(seen, seen_prints, stamps[0], prints[0])
    if place < 0:
        return 0 if place == OTHER else NEW_VALUES
    same = max(SAME_S, SAME_SHARE * abs(stamps[0]))
    samples = 1
    while samples < len(stamps) and place != newest:
        place = (place + 1) % len(seen)
        known = prints[samples] != 0 and seen_prints[place] != 0
        if not abs(seen[place] - stamps[samples]) <= same or (known and seen_prints[place] != prints[samples]):
            return OTHER if samples == 1 else samples
        samples += 1
    return samples


@njit(
    "int64(float64[::1], int64[::1], int64, float64[::1], int64[::1], boolean, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def _take_kernel(  # type: ignore[no-untyped-def]
    seen, seen_prints, count, stamps, prints, any_order, expected, period, limit
):
    samples = len(stamps)
    twice = False
    for i in range(1, samples):
        if any_order:
            if not stamps[i] < stamps[i - 1]:
                continue
        elif not stamps[i] - stamps[i - 1] <= SAME_S:
            continue
        again = False
        for k in range(i):
            again |= stamps[k] == stamps[i] and (prints[k] == 0 or prints[k] == prints[i])
        if again or _find_kernel(seen, seen_prints, stamps[i], prints[i]) >= 0:
            if any_order:
                samples = i
            else:
                twice = True
            break
    if twice or not abs(stamps[samples - 1] - expected - (samples - 1) * period) <= limit:
        for i in range(1, samples):
            if not abs(stamps[i] - expected - i * period) <= limit:
                samples = i
                break
    for i in range(max(0, samples - len(seen)), samples):
        place = (count + i) % len(seen)
        seen[place] = stamps[i]
        seen_prints[place] = prints[i]
    return samples


class SeenStampsReference:
    """As `SeenStamps`, in plain Python: lists of all samples, the last `length` of which count."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._samples: list[tuple[float, int]] = []

    def _found(self, stamp: float, mark: int) -> int:
        """Place in the list of the sample; OTHER where there is none, NEW_VALUES where its values differ."""
        same = max(SAME_S, SAME_SHARE * abs(stamp))
        found = [k for k, (seen, _) in enumerate(self._samples) if abs(seen - stamp) <= same]
        alike = [k for k in found if mark == 0 or self._samples[k][1] in (0, mark)]
        return alike[0] if alike else NEW_VALUES if found else OTHER

    def repeats(self, stamps: NDArray[np.float64], prints: NDArray[np.int64]) -> int:
        """See `SeenStamps.repeats`."""
        place = self._found(float(stamps[0]), int(prints[0]))
        if place < 0:
            return 0 if place == OTHER else NEW_VALUES
        same = max(SAME_S, SAME_SHARE * abs(float(stamps[0])))
        followers = self._samples[place : place + len(stamps)]
        for i, (stamp, mark) in enumerate(followers):
            if not abs(stamp - stamps[i]) <= same or (i and 0 not in (mark, prints[i]) and mark != prints[i]):
                return OTHER if i == 1 else i
        return len(followers)

    def newest_has(self, mark: int) -> bool:
        """See `SeenStamps.newest_has`."""
        return bool(self._samples) and self._samples[-1][1] == mark

    def again(self, mark: int) -> bool:
        """See `SeenStamps.again`."""
        marks = [print_ for _, print_ in self._samples[-2:]]
        return len(marks) == 2 and 0 not in (mark, marks[0]) and marks[0] != marks[1] == mark

    def take(self, stamps: NDArray[np.float64], prints: NDArray[np.int64], any_order: bool, even: Even = ANY) -> int:
        """See `SeenStamps.take`."""
        samples, twice = len(stamps), False
        for i in range(1, samples):
            before = [prints[k] for k in range(i) if stamps[k] == stamps[i]]
            again = 0 in before or prints[i] in before or self._found(float(stamps[i]), int(prints[i])) >= 0
            if any_order and stamps[i] < stamps[i - 1] and again:
                samples = i
                break
            twice |= not any_order and stamps[i] - stamps[i - 1] <= SAME_S and again
        near = np.abs(stamps[:samples] - even.first - np.arange(samples) * even.period) <= even.limit
        if twice or not near[-1]:
            samples = next((i for i in range(1, samples) if not near[i]), samples)
        self._samples += zip(stamps[:samples].tolist(), prints[:samples].tolist(), strict=True)
        del self._samples[: -self._length]
        return samples

    def forget(self) -> None:
        """See `SeenStamps.forget`."""
        self._samples.clear()


class SeenStamps:
    """A ring of the last samples.

    In every call `prints` has one for each of the `stamps` at least, and all stamps are of one size.

    Parameters
    ----------
    length : int
        Samples remembered.
    """

    def __init__(self, length: int) -> None:
        self._stamps = np.full(length, np.nan)
        self._prints = np.zeros(length, np.int64)
        self._count = 0

    @property
    def _newest(self) -> int:
        return (self._count - 1) % len(self._stamps)

    def repeats(self, stamps: NDArray[np.float64], prints: NDArray[np.int64]) -> int:
        """How many of the first samples were seen before, one after the other.

        Returns
        -------
        int
            `OTHER` where only the first was, `NEW_VALUES` where its stamp was and its values were not.
        """
        repeats: int = _repeats_kernel(self._stamps, self._prints, self._newest, stamps, prints)
        return repeats

    def newest_has(self, mark: int) -> bool:
        """Whether the newest sample is known to have this print."""
        return mark == self._prints.item(self._newest)

    def again(self, mark: int) -> bool:
        """Whether a sample of this print has the values of the newest, which are not those of the one before it."""
        return mark != 0 and self.newest_has(mark) and self._prints.item(self._newest - 1) not in (0, mark)

    def take(self, stamps: NDArray[np.float64], prints: NDArray[np.int64], any_order: bool, even: Even = ANY) -> int:
        """Remember the first samples, up to a break; at least one.

        Parameters
        ----------
        stamps : ndarray of float64, shape (samples,), s
        prints : ndarray of int64
        any_order : bool
            Stamps may go back; one that goes back to a sample seen before is the break.
        even : Even
            If the last of them is further than the limit from these, or if they are in order and one is of a sample
            seen before (as many may be missing), the first that is, is the break.

        Returns
        -------
        int
            How many were taken.
        """
        samples: int = _take_kernel(self._stamps, self._prints, self._count, stamps, prints, any_order, *even)
        self._count += samples
        return samples

    def forget(self) -> None:
        """The stamps to come are seen for the first time."""
        self._stamps[:] = np.nan
