"""Values of a signal on their way from the thread that collects them to the loop, which never waits for it.

One side puts and the other takes. Each moves a count of its own, which only grows, after it has copied: no lock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROOM = 1 << 15  # values that the loop has not taken: 3 s at 10 kHz
MOST_AT_ONCE = 4096  # taken between two hops

Values = tuple[NDArray[np.float64], NDArray[np.float64]]


class SignalRing:
    """Places and values, oldest first, in memory that exists beforehand.

    Parameters
    ----------
    room : int
        Values that may wait.
    most : int
        Values taken at once.

    Attributes
    ----------
    missed : int
        Values that found no room, or are not finite, or have no finite place.
    """

    def __init__(self, room: int = ROOM, most: int = MOST_AT_ONCE) -> None:
        self.missed = 0
        self._held = np.zeros((2, room))
        self._room, self._most = room, most
        self._written = self._read = self._freed = 0

    def __len__(self) -> int:
        return self._written - self._read

    def put(self, places: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Add values at their places, each of shape (values,); what finds no room is counted."""
        held, room = self._held, self._room
        places, values, unfit = finite(places, values)
        count = min(len(places), room - (self._written - self._freed))
        self.missed += unfit + len(places) - count
        at = self._written % room
        before = min(count, room - at)
        for row, new in zip(held, (places, values), strict=True):
            row[at : at + before] = new[:before]
            row[: count - before] = new[before:count]
        self._written += count

    def take(self) -> Values:
        """The oldest places and values, some at most: views that hold until the next call.

        Their room is free from the next call on. What lies beyond the end of the memory, where it begins anew, comes
        with that as well.
        """
        self._freed = self._read
        at = self._read % self._room
        end = at + min(len(self), self._most, self._room - at)
        self._read += end - at
        return self._held[0, at:end], self._held[1, at:end]

    def skip(self, before: float) -> None:
        """Drop the oldest values, as far as their places lie before `before`."""
        held = np.take(self._held[0], np.arange(self._read, self._written), mode="wrap")
        later = np.flatnonzero(held >= before)
        self._read += int(later[0]) if len(later) else len(held)
        self._freed = self._read


def finite(
    places: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Places and values without those of which one is not finite, and how many these were."""
    good = np.isfinite(places)
    good &= np.isfinite(values)
    unfit = len(good) - int(np.count_nonzero(good))
    return (places[good], values[good], unfit) if unfit else (places, values, 0)
