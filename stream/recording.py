"""The hot thread's side of a recording: every turn of the loop goes into the ring, and with it all that steered it.

A turn (`Tick`) holds the samples as they were decoded, the counters, the times the loop had read from the clock, and
what came from outside: newcomers, words on the control socket, an answer of the parameter model. What changes rarely
goes before it as an event, JSON of its own. So a recording can be run again and gives the same messages.

Where the ring is full the turn is not recorded: it is counted with its position, `state` says "behind", and by the
counters of the next turn the recording says which sample periods it lacks. Every record has a number, so a turn
without samples or an event that is lost is seen as well. Nothing here waits before the loop has ended, and no
system call is made.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import numpy as np

from .ring import NO_BLOCK, Ring

if TYPE_CHECKING:
    from .control import Control
    from .hop import Hop, HopSource
    from .noted import NotedMarkers, NotedSignals, NotedWorker
    from .pipeline import Pipeline
    from .publisher import Publisher
    from .reporter import Reporter

TICK, EVENT = 1, 2
STATES = ("", "on", "behind", "failed")
WELCOMED = ("units", "status", "params", "muaps")  # bit n of `Tick.newcomers`
STEERING = ("", "pause", "resume", "stop")  # of 4 bits each in `Tick.words`, the first one lowest
MOST_WORDS = 15
STALLED, TIMING = 1, 1  # `Tick.flags`: a bit, and from bit 1 on the place in TIMINGS
TIMINGS = ("estimated", "exact", "counted")
LAG_S = 3.0  # more than this not yet on disk, and the recorder is behind
MOST_WAITING = {"swap": 100, "markers": 100, "signals": 100}  # for room; of other events the last one of its kind waits
END_S = 1.0  # the last event may wait so long for room

# words of the ring that both sides share, a cache line each
CLOSING, LACKING = 16, 24  # set here
STATE, ACKNOWLEDGED, REASON_LENGTH, REASON = 32, 40, 48, 64  # set by the recorder
STARTING, RUNNING, FAILED, ENDED = range(4)
REASON_WORDS = 64


class Tick(NamedTuple):
    """One turn of the loop; times in s on the LSL clock, `reported` to `sent` only where there are samples."""

    kind: int
    number: int  # of the record, events among them; a hole in the numbers is one in the recording
    samples: int
    channels: int
    first_sample: int
    lost_before: int
    samples_in: int
    samples_lost: int
    gaps: int
    repeats: int
    reconnects: int
    clock_jumps: int
    messages_dropped: int
    flags: int
    newcomers: int
    words: int
    told: int  # place in STATES of what the status said
    stamp: float
    arrived: float
    reported: float
    sent: float
    tended: float
    newest: float
    period: float
    answered_cpu_s: float  # NaN while the parameter model gave no answer


TICK_FORM = struct.Struct("<17q8d")
HEAD_WORDS = TICK_FORM.size // 8
EVENT_FORM = struct.Struct("<3q")  # kind, number, bytes of JSON


class Recorded(Protocol):
    """What the loop and the reporter need of a recording."""

    state: str
    recorded_s: float
    reason: str

    def begin(self, now: float) -> None:
        """The loop begins."""

    def look(self) -> None:
        """Find out how the recorder is doing; once a turn."""

    def keep(self, hop: Hop, reported: float, sent: float, tended: float) -> None:
        """Keep one turn of the loop."""

    def end(self, now: float) -> None:
        """The loop has ended."""


class NotRecorded:
    """No recording at all."""

    def __init__(self) -> None:
        self.state = self.reason = ""
        self.recorded_s = 0.0

    def begin(self, now: float) -> None:
        """Nothing."""

    def look(self) -> None:
        """Nothing."""

    def keep(self, hop: Hop, reported: float, sent: float, tended: float) -> None:
        """Nothing."""

    def end(self, now: float) -> None:
        """Nothing."""


class Recording:
    """Puts the turns of the loop into the ring.

    Parameters
    ----------
    ring : Ring
        Its other side is the recorder's.
    fs_hz : float
    source : HopSource
    pipeline : Pipeline
    publisher : Publisher
    worker : NotedWorker, optional
    markers : NotedMarkers, optional
    signals : NotedSignals, optional

    Attributes
    ----------
    state : {"on", "behind", "failed"}
    recorded_s : float
        Seconds of samples that are safe on disk.
    reason : str
        Why it failed, or what is missing.
    kept : int
        Samples in the ring and beyond.
    """

    def __init__(
        self,
        ring: Ring,
        fs_hz: float,
        source: HopSource,
        pipeline: Pipeline,
        publisher: Publisher,
        worker: NotedWorker | None = None,
        markers: NotedMarkers | None = None,
        signals: NotedSignals | None = None,
    ) -> None:
        self.state = "on"
        self.recorded_s = 0.0
        self.reason = ""
        self.reporter: Reporter | None = None
        self._ring = ring
        self._fs = fs_hz
        self._source = source
        self._pipeline = pipeline
        self._publisher = publisher
        self._worker = worker
        self._markers = markers
        self._signals = signals
        self._signals_told: object = ()
        self._bytes = bytearray(TICK_FORM.size)
        self._head = np.frombuffer(self._bytes, np.int64)
        Ring(memoryview(bytearray(Ring.bytes_for(HEAD_WORDS + 1)))).push(self._head)  # the first call of all is slow
        self._number = 0
        self.kept = 0
        self._words = 0
        self._events: list[tuple[object, bytes]] = []  # name and text of those that wait for room, oldest first
        self._lacking = 0  # sample periods not recorded
        self._missing = False  # the last turn
        self._first_lacking = -1
        self._failure = ""
        self._source_told: object = None
        self._refusal: object = None
        self._markers_told = ""
        self._refusal_told = self._fault_told = self._mask_fault_told = ""

    def _noted(self, answer: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
        """The control socket's `answer`, with the words that steer the loop kept."""

        def note(word: str) -> dict[str, Any]:
            if word in STEERING and self._words.bit_length() <= 4 * (MOST_WORDS - 1):
                places = (self._words.bit_length() + 3) // 4
                self._words |= STEERING.index(word) << 4 * places
            return answer(word)

        return note

    def follow(self, reporter: Reporter, control: Control) -> None:
        """Keep what this reporter is told, and what its control socket makes it do."""
        self.reporter = reporter
        control.answer = self._noted(control.answer)

    def fail(self, reason: str) -> None:
        """The recorder is gone; may be called from any thread."""
        self._failure = self._failure or reason

    def begin(self, now: float) -> None:
        """The loop begins."""
        self._event(event="begin", now=now)

    def end(self, now: float) -> None:
        """The loop has ended: nothing is late any more, so this waits a moment for room."""
        self._event(event="end", now=now)
        deadline = time.monotonic() + END_S
        while not self._push_events() and time.monotonic() < deadline:
            if self._failure or self._ring.load(STATE) == FAILED:
                return
            time.sleep(0.01)

    def look(self) -> None:
        """Find out how the recorder is doing."""
        ring = self._ring
        acknowledged = ring.load(ACKNOWLEDGED)
        self.recorded_s = acknowledged / self._fs
        if self.state == "failed":
            return
        if self._failure or ring.load(STATE) == FAILED:
            self.state = "failed"
            self.reason = self._failure or reason_in(ring)
        elif self._missing or self.kept - acknowledged > LAG_S * self._fs:
            self.state = "behind"
        else:
            self.state = "on"

    def keep(self, hop: Hop, reported: float, sent: float, tended: float) -> None:
        """Put one turn of the loop into the ring, or count it as missing."""
        source, reporter, worker = self._source, self.reporter, self._worker
        assert reporter is not None
        if self.state == "failed":
            self._miss(hop)
            return
        self._note_changes(hop)
        room = self._push_events()
        timeline = source.timeline
        flags = STALLED * (reporter.state == "stalled") | TIMINGS.index(timeline.timing) << TIMING
        newcomers = self._welcomed(reporter.newcomers) if reporter.newcomers else 0
        block = hop.signal if hop.samples else NO_BLOCK
        TICK_FORM.pack_into(
            self._bytes, 0, TICK, self._number, hop.samples, block.shape[1], hop.first_sample, hop.lost_before,
            source.samples_in, source.samples_lost, source.gaps, source.repeats, source.reconnects,
            timeline.clock_jumps, self._publisher.dropped, flags, newcomers, self._words, STATES.index(self.state),
            hop.stamp, hop.arrived, reported, sent, tended, timeline.newest, timeline.period,
            math.nan if worker is None else worker.answered_cpu_s,
        )  # fmt: skip
        if room and self._ring.push(self._head, block):
            self._number += 1
            self.kept += hop.samples
            self._missing = False
        else:
            self._miss(hop)
        self._words = 0
        if worker is not None:
            worker.answered_cpu_s = math.nan

    def _miss(self, hop: Hop) -> None:
        """Count a turn that is not recorded, with its place; the counters of the next one say so in the recording."""
        self._number += 1
        self._missing = True
        if not hop.samples:
            return
        if self._first_lacking < 0:
            self._first_lacking = hop.first_sample
        self._lacking += hop.samples
        self._ring.store(LACKING, self._lacking)
        if self.state != "failed":
            self.reason = (
                f"the recorder did not keep up: {self._lacking} sample periods from {self._first_lacking} on "
                "are not recorded"
            )

    def _note_changes(self, hop: Hop) -> None:
        """What seldom changes, as events."""
        source, masks = self._source, self._pipeline.masks
        if hop.samples and masks.swaps:
            for swap in masks.swaps:
                self._event(event="swap", sample=swap.sample, channels=swap.channels, late=swap.late)
        if masks.fault != self._mask_fault_told:
            self._mask_fault_told = masks.fault
            self._event(event="mask fault", text=masks.fault)
        described = getattr(source, "source", None)
        if described is not self._source_told:
            self._source_told = described
            self._event(event="source", **description(described))
        if source.refusal is not self._refusal:
            self._refusal = source.refusal
            told = "" if self._refusal is None else str(self._refusal)
            if told != self._refusal_told:
                self._refusal_told = told
                self._event(event="refusal", text=told)
        if self._worker is not None and self._worker.told != self._fault_told:
            self._fault_told = self._worker.told
            self._event(event="fault", text=self._fault_told)
        if self._markers is not None and self._markers.taken:
            self._event(event="markers", markers=self._markers.taken)
            self._markers.taken = ()
        if self._markers is not None and self._markers.state != self._markers_told:
            self._markers_told = self._markers.state
            self._event(event="marker stream", state=self._markers_told)
        if self._signals is not None:
            self._note_signals(self._signals)

    def _note_signals(self, signals: NotedSignals) -> None:
        """How the signals are doing, and what was taken of them; numbers as their bytes, to the bit."""
        if signals.states is not self._signals_told and signals.states != self._signals_told:
            self._event(event="signal streams", streams=[one._asdict() for one in signals.states])
        self._signals_told = signals.states
        if signals.taken:
            taken = [(one.number, one.counted, one.places.tobytes(), one.values.tobytes()) for one in signals.taken]
            self._event(event="signals", signals=taken)
            signals.taken = ()

    def _event(self, **fields: object) -> None:
        """Have an event wait for room; one that waits already and means nothing beside this one is left out.

        Events wait only where turns are missing, so nothing that is recorded depends on what is left out.
        """
        name = fields["event"]
        alike = [n for n, (other, _) in enumerate(self._events) if other == name]
        if len(alike) >= MOST_WAITING.get(str(name), 1):
            del self._events[alike[0]]
            self._number += 1
        self._events.append((name, msgspec.json.encode(fields)))

    def _push_events(self) -> bool:
        """Whether all that waited found room."""
        while self._events:
            text = self._events[0][1]
            packed = bytearray(EVENT_FORM.pack(EVENT, self._number, len(text)) + text + bytes(-len(text) % 8))
            if not self._ring.push(np.frombuffer(packed, np.int64)):
                return False
            self._number += 1
            del self._events[0]
        return True

    def _welcomed(self, prefixes: set[str]) -> int:
        topics = [self._publisher.topic(kind).decode() for kind in WELCOMED]
        return sum(1 << n for n, topic in enumerate(topics) if any(topic.startswith(prefix) for prefix in prefixes))


def description(source: Any) -> dict[str, object]:
    """A stream's SourceInfo as what JSON can hold."""
    if source is None:
        return {}
    return {
        "name": source.name, "source_id": source.source_id, "uid": source.uid, "hostname": source.hostname,
        "fs_hz": source.fs_hz, "channels": source.channels, "dtype": np.dtype(source.dtype).name,
        "labels": source.labels, "units": source.units,
        "positions": None if source.positions is None else source.positions.tolist(),
    }  # fmt: skip


def reason_in(ring: Ring) -> str:
    """What the recorder wrote into the ring's words before it said that it had failed."""
    length = min(ring.load(REASON_LENGTH), 8 * REASON_WORDS)
    return ring.control[REASON : REASON + REASON_WORDS].tobytes()[:length].decode("utf-8", "replace")


def write_reason(ring: Ring, reason: str) -> None:
    """The recorder's side of `reason_in`."""
    text = reason.encode()[: 8 * REASON_WORDS]
    padded = text + bytes(8 * REASON_WORDS - len(text))
    ring.control[REASON : REASON + REASON_WORDS] = np.frombuffer(padded, np.int64)
    ring.store(REASON_LENGTH, len(text))
