"""Markers in over LSL: cues, trials and stimulation pulses, put on the samples of the EMG.

A thread of its own finds the stream and waits for markers; the loop takes what has come between two hops. A marker is
put on the sample whose time is its time stamp, so it does not matter how late it comes; both are on the LSL clock of
this machine. A stream of markers that goes away is looked for again, by its name, as one may come back from another
program: what was not sent meanwhile cannot be known.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import pylsl

from .finder import RESOLVE_S, clock_flags, resolve

MOST_WAITING = 1000  # markers that the loop has not taken
MOST_AT_ONCE = 16  # taken between two hops
LONGEST_LABEL = 200  # characters
PULL_S = 0.1
CLOSING_S = 2.0


class Marker(NamedTuple):
    """What was marked, and when, s on the LSL clock."""

    label: str
    stamp: float


class Blank(NamedTuple):
    """After markers whose label fits a pattern (`*` and `?`), no discharges for so long, s."""

    pattern: str
    seconds: float


class MarkerSource(Protocol):
    """What the reporter needs of a stream of markers."""

    state: str
    reason: str
    missed: int

    def look(self) -> None:
        """Find out how the stream is doing; once a turn."""

    def take(self) -> Sequence[Marker]:
        """Markers that have come, oldest first, some at most."""


def label_of(values: Iterable[Any]) -> str:
    """The values of a marker's channels as one text; bytes that are no UTF-8 are replaced."""
    texts = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values)
    return ",".join(texts)[:LONGEST_LABEL]


class NoMarkers:
    """No stream of markers was asked for."""

    state = reason = ""
    missed = 0

    def look(self) -> None:
        """Nothing."""

    def take(self) -> Sequence[Marker]:
        """None."""
        return ()


class MarkerStream:
    """Markers of a named LSL stream.

    Parameters
    ----------
    name : str

    Attributes
    ----------
    state : {"waiting", "on", "lost"}
    reason : str
        Why a stream of the name is not taken, or "".
    missed : int
        Markers that came faster than they were taken, or without a time.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = "waiting"
        self.reason = ""
        self.missed = 0
        self._waiting: deque[Marker] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="myodrive markers", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Nothing: the thread looks."""

    def take(self) -> Sequence[Marker]:
        """Markers that have come, oldest first, some at most."""
        if not self._waiting:
            return ()
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]

    def close(self) -> None:
        """End the thread; it ends within a look for the stream."""
        self._closing.set()
        self._thread.join(CLOSING_S)

    def _work(self) -> None:
        while not self._closing.is_set():
            inlet = self._find()
            if inlet is None:
                self._closing.wait(PULL_S)
                continue
            self.state, self.reason = "on", ""
            try:
                while not self._closing.is_set():
                    values, stamp = inlet.pull_sample(timeout=PULL_S)
                    if values is not None:
                        self._put(label_of(values), stamp)
            except RuntimeError:  # the base of all that pylsl raises: the stream is gone
                self.state = "lost"
            inlet.close_stream()

    def _find(self) -> pylsl.StreamInlet | None:
        found = resolve(self.name, None, RESOLVE_S)
        markers = [info for info in found if info.nominal_srate() == pylsl.IRREGULAR_RATE]
        if not markers:
            if found:
                self.reason = f'stream "{self.name}" has a fixed rate: markers come at any time, name another stream'
            return None
        newest = max(markers, key=lambda info: info.created_at())
        try:
            inlet = pylsl.StreamInlet(newest, recover=False, processing_flags=clock_flags(newest), as_numpy=True)
            inlet.open_stream(timeout=RESOLVE_S)
        except RuntimeError:
            return None
        return inlet

    def _put(self, label: str, stamp: float) -> None:
        if len(self._waiting) >= MOST_WAITING or not math.isfinite(stamp):
            self.missed += 1
            return
        self._waiting.append(Marker(label, stamp))
