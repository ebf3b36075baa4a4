"""The units of a stream's channels in short, for a list of streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..stream.errors import printable

NOT_SAID = "-"
MOST_UNITS = 3
LONGEST = 20  # characters of one


def in_short(units: Sequence[str]) -> str:
    """Each unit as the stream writes it, with how many channels have it where they are not all the same.

    Parameters
    ----------
    units : sequence of str
        Of every channel, empty where it has none.
    """
    counts = Counter(printable(unit, LONGEST) or NOT_SAID for unit in units) or Counter([NOT_SAID])
    if len(counts) == 1:
        return next(iter(counts))
    named = [f"{unit} x{count}" for unit, count in list(counts.items())[:MOST_UNITS]]
    return ", ".join(named) + (", ..." if len(counts) > MOST_UNITS else "")
