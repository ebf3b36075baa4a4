"""Messages of what comes beside the EMG: markers, which may keep discharges back, and signals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from .beside import NoSignals, SignalSource, placed
from .hop import Hop, HopSource
from .markers import Blank, Marker, MarkerSource, NoMarkers
from .messages import Event, Signal, SignalEntry
from .pipeline import Pipeline
from .publisher import Publisher


class BesideReporter:
    """Sends markers and signals on the samples whose time is theirs, and counts them.

    Parameters
    ----------
    publisher : Publisher
    source : HopSource
    pipeline : Pipeline
    fs_hz : float
    markers : MarkerSource or None
    blanks : sequence of Blank
        After which markers there are no discharges.
    signals : SignalSource or None
    """

    def __init__(
        self,
        publisher: Publisher,
        source: HopSource,
        pipeline: Pipeline,
        fs_hz: float,
        markers: MarkerSource | None,
        blanks: Sequence[Blank],
        signals: SignalSource | None,
    ) -> None:
        self._publisher = publisher
        self._source = source
        self._pipeline = pipeline
        self._fs = fs_hz
        self._markers: MarkerSource = markers or NoMarkers()
        self._blanks = blanks
        self._signals: SignalSource = signals or NoSignals()
        self._events_in = self._events_late = self._signals_in = 0

    def follow(self, hop: Hop) -> None:
        """Take what came with a hop."""
        self._signals.follow(hop)

    def tend(self, now: float) -> None:
        """Send what has come, once there is a sample to put it on."""
        self._send_events(now)
        self._send_signals(now)

    def tellable(self) -> tuple[Any, ...]:
        """What of the status is told at once when it changes."""
        return self._markers.state, [one.state for one in self._signals.states]

    def status(self) -> dict[str, Any]:
        """The fields of the status that say how these are doing."""
        markers, signals = self._markers, self._signals
        return {
            "events": markers.state, "events_in": self._events_in, "events_missed": markers.missed,
            "events_late": self._events_late, "events_reason": markers.reason,
            "signals": [SignalEntry(**one._asdict()) for one in signals.states], "signals_in": self._signals_in,
            "signals_missed": signals.missed,
        }  # fmt: skip

    def _send_events(self, now: float) -> None:
        source = self._source
        self._markers.look()
        if source.samples_in == 0:
            return
        for marker in self._markers.take():
            away = (marker.stamp - source.timeline.newest) / source.timeline.period  # sample periods
            at = source.sample + round(away)
            first, last = self._blank(marker, at)
            message = Event(
                sample=source.sample, t=source.timeline.newest, label=marker.label, event_sample=at,
                event_t=marker.stamp, blank_from=first, blank_to=last,
            )  # fmt: skip
            self._publisher.send("event", message, now)
            self._events_in += 1

    def _blank(self, marker: Marker, at: int) -> tuple[int, int]:
        """Keep discharges back for as long as was asked after such a marker: first and last sample, -1 for none."""
        seconds = max(
            (blank.seconds for blank in self._blanks if fnmatchcase(marker.label, blank.pattern)), default=0.0
        )
        if not seconds:
            return -1, -1
        pipeline = self._pipeline
        last = at + math.ceil(seconds * self._fs) - 1
        first = max(at, self._source.sample + 1 - pipeline.detector.lookahead)  # the others are reported already
        self._events_late += first > at
        if last < first:
            return -1, -1
        pipeline.guard.blank(first, last)
        return first, last

    def _send_signals(self, now: float) -> None:
        source, signals = self._source, self._signals
        if not signals.due(now):
            return
        signals.look()
        if source.samples_in == 0:
            signals.skip(now)
            return
        for taken in signals.take():
            state = signals.states[taken.number]
            samples, times = placed(taken, source.sample, source.timeline.newest, source.timeline.period)
            message = Signal(
                sample=source.sample, t=source.timeline.newest, name=state.name, unit=state.unit, fs_hz=state.fs_hz,
                value=taken.values.tolist(), value_sample=samples.tolist(), value_t=times.tolist(),
            )  # fmt: skip
            self._publisher.send("signal", message, now)
            self._signals_in += len(message.value)
