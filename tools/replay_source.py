"""A recorded session in the place of the stream: its samples, its clock, and all else that came from outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..stream.errors import StreamError
from ..stream.hop import Hop
from ..stream.markers import LONGEST_LABEL, MOST_AT_ONCE, Marker
from ..stream.mask_worker import Masks
from ..stream.recording import STALLED, STATES, STEERING, TIMING, TIMINGS, WELCOMED
from .replay_signals import ToldSignals, finite_number
from .session_file import Session, Turn

LONGEST_STATE = 20  # characters
LATEST_S = 1e12  # of a marker: beyond, a session is damaged


class ToldTimeline:
    """What the timeline said after each turn."""

    def __init__(self, fs_hz: float) -> None:
        self.newest = 0.0
        self.period = 1.0 / fs_hz
        self.clock_jumps = 0
        self.timing = "exact"

    @property
    def exact(self) -> bool:
        """Whether the stamps were good enough to count every missing sample."""
        return self.timing == "exact"


class ToldRecording:
    """What the recorder had said in each turn."""

    def __init__(self) -> None:
        self.state = "on"
        self.recorded_s = 0.0
        self.reason = ""
        self.masks: Masks | None = None
        self.mask_fault = ""

    def begin(self, now: float) -> None:
        """Nothing: it is recorded already."""

    def look(self) -> None:
        """Say of the masks what was said."""
        if self.masks is not None:
            self.masks.fault = self.mask_fault

    def keep(self, hop: Hop, reported: float, sent: float, tended: float) -> None:
        """Nothing: it is recorded already."""

    def end(self, now: float) -> None:
        """Nothing: it is recorded already."""


class ToldMarkers:
    """The markers that were taken in the turn."""

    def __init__(self) -> None:
        self.state = self.reason = ""
        self.missed = 0
        self._told: list[Marker] = []

    def tell(self, found: object) -> None:
        """Take what an event of the recording holds."""
        for one in (found if isinstance(found, list) else [])[:MOST_AT_ONCE]:
            if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str):
                stamp = finite_number(one[1])
                if abs(stamp) < LATEST_S:
                    self._told.append(Marker(one[0][:LONGEST_LABEL], stamp))

    def look(self) -> None:
        """Nothing: it is told."""

    def take(self) -> Sequence[Marker]:
        """Those of the turn."""
        told, self._told = self._told, []
        return told


class SessionSource:
    """A recorded session as a source of hops, a clock, and all else that came from outside.

    Parameters
    ----------
    session : Session
    pace : callable, optional
        Told the recorded time of a turn before it is handed on; may wait.

    Attributes
    ----------
    ended : bool
    said_end : bool
        Whether the session goes on to its end, known once it has ended.
    turn : Turn or None
        The one in hand.
    hole : tuple of (int, int) or None
        First sample period and number of the first ones that the recording lacks; 0 where it lacks only turns without
        samples, or events.
    refusal : StreamError or None
    fault : str
        What the parameter model's worker had said.
    """

    def __init__(self, session: Session, pace: Callable[[float], None] = lambda now: None) -> None:
        info = session.info
        self.hop = info.hop
        self.samples_in = self.samples_lost = self.gaps = self.repeats = self.reconnects = 0
        self.timeline = ToldTimeline(info.fs_hz)
        self.recording = ToldRecording()
        self.refusal: StreamError | None = None
        self.fault = ""
        self.stalled = False
        self.turn: Turn | None = None
        self.hole: tuple[int, int] | None = None
        self.damage = session.damage
        self._session = session
        self._lacking = 0
        self._pace = pace
        self._hop = Hop()
        self._expected = 0
        self.said_end = False
        self._times: list[float] = []
        self._begun = self._ended_at = 0.0
        self._entries: Iterator[Turn | dict[str, Any]] = session.turns()
        self._next_turn: Turn | None = None
        self._waiting: list[dict[str, Any]] = []
        self.markers = ToldMarkers()
        self.signals = ToldSignals(info.signals)
        self._advance()
        for event in self._waiting:
            if event.get("event") == "begin":
                self._begun = finite_number(event.get("now"))
        self._times = [self._begun]

    @property
    def ended(self) -> bool:
        """Whether every turn was handed on."""
        return self._next_turn is None

    @property
    def sample(self) -> int:
        """The newest sample period accounted for; -1 before the first."""
        return self.samples_in + self.samples_lost - 1

    @property
    def cpu_s(self) -> float:
        """Processor time of the answer that was taken up in this turn; NaN for none."""
        return math.nan if self.turn is None else self.turn.tick.answered_cpu_s

    def clock(self) -> float:
        """What the loop read from the clock, in the order in which it asks."""
        return self._times.pop(0) if self._times else self._ended_at

    def time_of(self, sample: int) -> float:
        """Time of a sample period near the newest one, s on the LSL clock."""
        return self.timeline.newest - (self.sample - sample) * self.timeline.period

    def next_hop(self) -> Hop:
        """The samples of the next turn, 0 where it had none."""
        turn = self.turn = self._next_turn
        assert turn is not None
        for event in self._waiting:
            self._take(event)
        self._waiting = []
        tick, hop = turn.tick, self._hop
        self._pace(tick.tended)
        self._lacking += turn.lacking
        if (turn.missing or turn.lacking) and self.hole is None:
            self.hole = (turn.missing_from, turn.missing)
        self.samples_in, self.samples_lost, self.gaps = tick.samples_in, tick.samples_lost, tick.gaps
        self.repeats, self.reconnects = tick.repeats, tick.reconnects
        timeline = self.timeline
        timeline.newest, timeline.period, timeline.clock_jumps = tick.newest, tick.period, tick.clock_jumps
        timeline.timing = TIMINGS[min(tick.flags >> TIMING & 3, len(TIMINGS) - 1)]
        self.stalled = bool(tick.flags & STALLED)
        self.recording.state = STATES[tick.told] if 0 <= tick.told < len(STATES) else "on"
        hop.samples = tick.samples
        hop.lost_before = 0
        if tick.samples:
            hop.signal = turn.signal
            hop.first_sample = tick.first_sample
            hop.lost_before = tick.first_sample - self._expected
            hop.stamp, hop.arrived = tick.stamp, tick.arrived
            self._expected = tick.first_sample + tick.samples
            self._times += [tick.reported, tick.sent]
        self._times.append(tick.tended)
        self._ended_at = tick.tended
        self._advance()
        return hop

    def newcomers(self) -> set[str] | None:
        """Prefixes that were subscribed to in this turn."""
        bits = 0 if self.turn is None else self.turn.tick.newcomers
        return {f"{kind}/" for n, kind in enumerate(WELCOMED) if bits >> n & 1} or None

    def words(self) -> list[str]:
        """What the control socket was asked in this turn that steers the loop."""
        found, words = [], 0 if self.turn is None else self.turn.tick.words
        while words > 0:
            if words & 15 < len(STEERING):
                found.append(STEERING[words & 15])
            words >>= 4
        return found

    def _advance(self) -> None:
        """Find the next turn, and what comes before it."""
        for entry in self._entries:
            if isinstance(entry, Turn):
                self._next_turn = entry
                return
            self._waiting.append(entry)
        self._next_turn = None
        if self._session.lacking > self._lacking and self.hole is None:
            self.hole = (self.sample + 1, 0)
        for event in self._waiting:
            if event.get("event") == "end":
                self._ended_at = finite_number(event.get("now"))
                self.said_end = True

    def _take(self, event: dict[str, Any]) -> None:
        self.signals.take_event(event)
        if event.get("event") == "refusal":
            text = str(event.get("text", ""))[:1000]
            self.refusal = StreamError(text) if text else None
        elif event.get("event") == "markers":
            self.markers.tell(event.get("markers"))
        elif event.get("event") == "marker stream":
            self.markers.state = str(event.get("state", ""))[:LONGEST_STATE]
        elif event.get("event") == "fault":
            self.fault = str(event.get("text", ""))[:1000]
        elif event.get("event") == "mask fault":
            self.recording.mask_fault = str(event.get("text", ""))[:1000]
