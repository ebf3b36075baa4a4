"""The signals beside the EMG as a recorded session tells them."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..stream.beside import SignalState, Taken
from ..stream.hop import LONGEST_HOP, Hop
from ..stream.signal_ring import MOST_AT_ONCE
from ..stream.source_info import LONGEST_UNIT

LONGEST_STATE = 20  # characters
LATEST_S = 1e12  # of a value, in s or samples: beyond, a session is damaged


class ToldSignals:
    """The values beside the EMG that were taken in the turn.

    Parameters
    ----------
    names : sequence of str
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.states = tuple(SignalState(name) for name in names)
        self.missed = 0
        self._told: list[Taken] = []

    def take_event(self, event: dict[str, Any]) -> None:
        """Take what an event of the recording says of them, if it does."""
        if event.get("event") == "signals":
            self._told += taken_of(event.get("signals"), len(self.states))
        elif event.get("event") == "signal streams":
            self._take_states(event.get("streams"))

    def _take_states(self, found: object) -> None:
        told = found if isinstance(found, list) else []
        if len(told) == len(self.states) and all(isinstance(one, dict) for one in told):
            self.states = tuple(
                SignalState(
                    state.name, str(one.get("state", ""))[:LONGEST_STATE], str(one.get("unit", ""))[:LONGEST_UNIT],
                    finite_number(one.get("fs_hz")), str(one.get("reason", ""))[:1000],
                )
                for state, one in zip(self.states, told, strict=True)
            )  # fmt: skip

    def follow(self, hop: Hop) -> None:
        """Nothing: it is told."""

    def due(self, now: float) -> bool:
        """Always: what there is was taken in this turn."""
        return True

    def look(self) -> None:
        """Nothing: it is told."""

    def skip(self, now: float) -> None:
        """Nothing: what was skipped is not recorded."""

    def take(self) -> Sequence[Taken]:
        """Those of the turn."""
        told, self._told = self._told, []
        return told


def taken_of(found: object, signals: int) -> list[Taken]:
    """What an event says that was taken of so many signals; what is damaged is left out."""
    taken: list[Taken] = []
    for one in (found if isinstance(found, list) else [])[:signals]:
        if not (isinstance(one, list) and len(one) == 4 and type(one[0]) is int and 0 <= one[0] < signals):
            continue
        try:
            places, values = (
                np.frombuffer(base64.b64decode(text, validate=True), "<f8").astype(np.float64) for text in one[2:]
            )
        except (binascii.Error, TypeError, ValueError):
            continue
        sound = len(places) == len(values) <= MOST_AT_ONCE + LONGEST_HOP and np.isfinite(values).all()
        if sound and (np.abs(places) < LATEST_S).all():  # not where one is not finite
            taken.append(Taken(one[0], one[1] is True, places, values))
    return taken


def finite_number(value: object) -> float:
    """A number of a recording, 0 where it is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0
