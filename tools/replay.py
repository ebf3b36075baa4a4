"""Runs a recorded session again: the same samples, through the same pipeline and reporter, by the recorded clock.

What steered the live loop from outside is taken from the recording: when it looked at the clock and what it read, who
subscribed, what the control socket was asked, at which turn the parameter model's answer was taken up, and which
channels were masked when. All the rest is computed anew, so the messages are those of the live run, or something has
changed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pylsl
from numpy.typing import NDArray

from ..stream.average import AverageCopy, SpikeAverager
from ..stream.curve import read_server_keys
from ..stream.decoder_file import Decoder
from ..stream.drive import DriveSettings
from ..stream.endpoints import Endpoints, next_port, warming
from ..stream.errors import RecordingError, StreamError
from ..stream.hop import Hop
from ..stream.loop import run
from ..stream.mask_worker import Masks, Swap, Told
from ..stream.messages import Message, Spikes, Status, encode, kind_of
from ..stream.parameter_model import ParameterModel
from ..stream.parameter_worker import Finished
from ..stream.pipeline import Pipeline
from ..stream.recording import STALLED, STATES, STEERING, TIMING, TIMINGS, WELCOMED
from ..stream.reporter import Reporter
from .live import refuse_open_address
from .open_files import allow_many
from .parameters import NONE, ChosenModel, choose_model
from .session_file import PARAMETERS, Session, Turn

SAME_KINDS = ("spikes", "drive", "params", "units")
COUNTERS = (
    "state", "samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "bad_channels", "bad_reasons",
    "messages_dropped", "repeats_dropped", "clock_jumps", "timing", "rate_hz", "masked_channels", "masked_since",
    "masks_late",
)  # fmt: skip
UNCOMPARED = ("t_pub", "session")
ROUNDING = 1e-4  # another processor rounds otherwise


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
        self._advance()
        for event in self._waiting:
            if event.get("event") == "begin":
                self._begun = _number(event.get("now"))
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
                self._ended_at = _number(event.get("now"))
                self.said_end = True

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("event") == "refusal":
            text = str(event.get("text", ""))[:1000]
            self.refusal = StreamError(text) if text else None
        elif event.get("event") == "fault":
            self.fault = str(event.get("text", ""))[:1000]
        elif event.get("event") == "mask fault":
            self.recording.mask_fault = str(event.get("text", ""))[:1000]


class ToldWorker:
    """Estimates parameters at once, and gives each answer in the turn in which the live worker gave it.

    Parameters
    ----------
    model : ParameterModel
    source : SessionSource
    averager : SpikeAverager
    """

    def __init__(self, model: ParameterModel, source: SessionSource, averager: SpikeAverager) -> None:
        self.model = model
        self._source = source
        self._copy = AverageCopy(averager)
        self._finished: Finished | None = None

    @property
    def idle(self) -> bool:
        """Whether it can take a waveform."""
        return self._finished is None and "failed" not in self._source.fault

    def fault(self, now: float) -> str:
        """What the live worker had said."""
        return self._source.fault

    def offer(self, averager: SpikeAverager, unit: int, good: NDArray[np.bool_], now: float) -> None:
        """Estimate a unit's parameters now."""
        copy = self._copy
        averager.copy(unit, good, copy)
        spikes = copy.discharges()
        estimate = self.model.estimate(copy.waveform(), copy.noise(), copy.good, spikes)
        self._finished = Finished(copy.unit, estimate, spikes, 0.0)

    def take(self) -> Finished | None:
        """The answer, in the turn in which there was one."""
        cpu_s = self._source.cpu_s
        if self._finished is None or math.isnan(cpu_s):
            return None
        finished, self._finished = self._finished, None
        return Finished(finished.unit, finished.estimate, finished.spikes, cpu_s)

    def close(self) -> None:
        """Nothing to end."""


class KeptPublisher:
    """Stands where the publisher stands, and hands every message on.

    Parameters
    ----------
    source : SessionSource
    session : str
    stream : str
    keep : callable
        Takes the kind and the message.
    """

    def __init__(self, source: SessionSource, session: str, stream: str, keep: Callable[[str, Message], None]) -> None:
        self._source = source
        self._session = session
        self._stream = stream
        self._keep = keep
        self._seq: dict[str, int] = {}

    @property
    def dropped(self) -> int:
        """Messages that the publisher could not send, as it counted."""
        turn = self._source.turn
        return 0 if turn is None else turn.tick.messages_dropped

    def send(self, kind: str, message: Message, now: float) -> None:
        """Stamp `message` and hand it on."""
        message.seq = self._seq.get(kind, 0)
        self._seq[kind] = message.seq + 1
        message.session = self._session
        message.t_pub = now
        self._keep(kind, message)

    def topic(self, kind: str) -> bytes:
        """The topic of `kind`."""
        return f"{kind}/{self._stream}".encode()

    def newcomers(self) -> set[str] | None:
        """Prefixes that were subscribed to in this turn."""
        return self._source.newcomers()

    def wanted(self, kind: str) -> bool:
        """Whether blocks of `kind` are to be made: they are not recorded."""
        return False


class ToldControl:
    """The words that the control socket was asked."""

    def __init__(self, source: SessionSource) -> None:
        self.answer: Callable[[str], dict[str, Any]] = lambda word: {}
        self._source = source

    def tend(self) -> None:
        """Do what was asked in this turn."""
        for word in self._source.words():
            self.answer(word)


class ToldEndpoints:
    """Both sockets of a session that is run again."""

    refused = 0

    def __init__(self, source: SessionSource, session: str, stream: str, keep: Callable[[str, Message], None]) -> None:
        self.session = session
        self.publisher: KeptPublisher = KeptPublisher(source, session, stream, keep)
        self.control: ToldControl = ToldControl(source)


@dataclass
class Replayed:
    """What a replay gave.

    Attributes
    ----------
    status : Status
        The last one.
    discharges : dict of int to list of int
        Sample numbers by unit.
    bodies : dict of str to list of bytes
        Messages by kind as MessagePack, in order, where they were asked for.
    hole : (int, int) or None
        First sample period and number of the first ones that the recording lacks.
    """

    status: Status
    discharges: dict[int, list[int]]
    bodies: dict[str, list[bytes]]
    hole: tuple[int, int] | None
    seconds: float
    fs_hz: float


class LivePublisher(KeptPublisher):
    """Publishes what is replayed, as if it happened now: times are moved, and `t_pub` is the clock's."""

    def __init__(
        self, source: SessionSource, endpoints: Endpoints, stream: str, keep: Callable[[str, Message], None]
    ) -> None:
        super().__init__(source, endpoints.session, stream, keep)
        self._live = endpoints.publisher
        self.moved = 0.0  # from the recorded clock to this one, s

    def send(self, kind: str, message: Message, now: float) -> None:
        """Keep the message, and publish it."""
        self._keep(kind, message)
        message.t += self.moved if message.t else 0.0
        if isinstance(message, Spikes):
            message.spike_t = [t + self.moved for t in message.spike_t]
        self._live.send(kind, message, pylsl.local_clock())

    def newcomers(self) -> set[str] | None:
        """Those of the recording, and those of now."""
        return ((super().newcomers() or set()) | (self._live.newcomers() or set())) or None

    def wanted(self, kind: str) -> bool:
        """Whether anybody subscribes to `kind`."""
        return self._live.wanted(kind)


class LiveControl(ToldControl):
    """Does what was asked then, and what is asked now."""

    def __init__(self, source: SessionSource, endpoints: Endpoints) -> None:
        super().__init__(source)
        self._live = endpoints.control

    def tend(self) -> None:
        """Do what was asked in this turn, and answer who asks now."""
        super().tend()
        self._live.answer = self.answer
        self._live.tend()


class LiveEndpoints(ToldEndpoints):
    """Both sockets of a session that is run again and published."""

    def __init__(
        self, source: SessionSource, endpoints: Endpoints, stream: str, keep: Callable[[str, Message], None]
    ) -> None:
        self.session = endpoints.session
        self.publisher: LivePublisher = LivePublisher(source, endpoints, stream, keep)
        self.control: LiveControl = LiveControl(source, endpoints)
        self._live = endpoints

    @property
    def refused(self) -> int:
        """Connections turned away by CURVE."""
        return self._live.refused


class Pace:
    """Holds turns back until their time has come.

    Parameters
    ----------
    speed : float
        1 is as fast as it was recorded.
    stop : callable
        Asked while it waits whether to go on at once.
    """

    LONGEST_S = 3600.0
    STEP_S = 0.1

    def __init__(self, speed: float, stop: Callable[[], bool] = lambda: False) -> None:
        self._speed = speed
        self._stop = stop
        self._start: tuple[float, float] | None = None
        self.publisher: LivePublisher | None = None

    def __call__(self, recorded: float) -> None:
        now = pylsl.local_clock()
        if self._start is None:
            self._start = now, recorded
        due = self._start[0] + (recorded - self._start[1]) / self._speed
        if due - now < self.LONGEST_S:
            while (left := due - pylsl.local_clock()) > 0 and not self._stop():
                time.sleep(min(left, self.STEP_S))
        if self.publisher is not None:
            self.publisher.moved = due - recorded


def replay(
    session: Session,
    *,
    keep: bool = False,
    bind: str | None = None,
    curve: str | None = None,
    open_network: bool = False,
    speed: float = 1.0,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Replayed:
    """Run a session again.

    Parameters
    ----------
    session : Session
    keep : bool
        Keep every message.
    bind : str, optional
        Publish the messages there, at `speed` times the pace of the session; else it goes as fast as it can.
    curve : str, optional
        Folder of the keys, for encryption and a list of clients.
    open_network : bool
        Take an address that other machines can reach, in plain text.
    speed : float
    stop : callable
    progress : callable
        Told the seconds done, now and then.

    Raises
    ------
    RecordingError, DecoderError, ParameterModelError, ProviderError, AddressError, KeysError
    """
    keys = None
    if bind is not None:
        next_port(bind)  # an address at all
        refuse_open_address(bind, curve, open_network)
        keys = None if curve is None else read_server_keys(curve)
    info = session.info
    decoder = session.decoder()
    pace = Pace(speed, stop)
    source = SessionSource(session, pace if bind is not None else lambda now: None)
    drive = DriveSettings(info.drive_rate_hz, info.smoothing_s, info.fallback)
    swaps = swaps_of(session)
    pipeline = Pipeline(
        decoder, info.hop, provider=info.provider, whitening=info.whitening, drive=drive,
        masks=lambda maker: Told(maker, swaps),
    )  # fmt: skip
    source.recording.masks = pipeline.masks
    chosen = _parameters(session, decoder)
    worker = None if chosen.model is None else ToldWorker(chosen.model, source, pipeline.averager)
    discharges: dict[int, list[int]] = {unit.id: [] for unit in decoder.info.units}
    bodies: dict[str, list[bytes]] = {}

    def take(kind: str, message: Message) -> None:
        if isinstance(message, Spikes):
            for unit, sample in zip(message.unit, message.spike_sample, strict=True):
                discharges[unit].append(sample)
            progress(message.sample / info.fs_hz)
        if keep:
            bodies.setdefault(kind, []).append(encode(message))

    endpoints: ToldEndpoints
    live = None
    try:
        if bind is not None:
            allow_many()  # strangers who connect must not use up the files that the replay itself needs
            live = Endpoints(bind, info.stream, keys)
            endpoints = LiveEndpoints(source, live, info.stream, take)
            pace.publisher = endpoints.publisher
        else:
            endpoints = ToldEndpoints(source, info.session, info.stream, take)
            endpoints.publisher.send("status", warming(), 0.0)
        reporter = Reporter(
            endpoints, decoder, source, pipeline, worker, info.why_no_parameters or chosen.why_none, source.recording
        )
        run(
            source, pipeline, reporter, stop=lambda: source.ended or stop(), recording=source.recording,
            clock=source.clock,
        )  # fmt: skip
        if keep and not source.said_end:
            bodies["status"].pop()  # "stopped" is only the end of what was recorded
        return Replayed(
            reporter.status(), discharges, bodies, source.hole, source.samples_in / info.fs_hz, info.fs_hz
        )  # fmt: skip
    finally:
        pipeline.close()
        if live is not None:
            live.close()


def swaps_of(session: Session) -> list[Swap]:
    """When filters took over that leave channels out, and which."""
    swaps = []
    for event in session.turns():
        if not isinstance(event, dict) or event.get("event") != "swap":
            continue
        sample, channels = event.get("sample"), event.get("channels")
        known = isinstance(channels, list) and all(
            type(c) is int and 0 <= c < len(session.info.channels) for c in channels
        )
        if type(sample) is int and sample >= 0 and known and (not swaps or sample >= swaps[-1].sample):
            swaps.append(Swap(sample, tuple(channels), event.get("late") is True))
    return swaps


def _parameters(session: Session, decoder: Decoder) -> ChosenModel:
    """The parameter model that ran, prepared for the decoder."""
    if session.info.parameters_sha256 is None:
        return choose_model(NONE, decoder)
    chosen = choose_model(str(session.folder / PARAMETERS), decoder)
    if chosen.file is None or chosen.file.sha256 != session.info.parameters_sha256:
        raise RecordingError(
            f'"{session.folder / PARAMETERS}" is not the model that this session ran with: put the right one there'
        )
    return chosen


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


# comparing


@dataclass
class Compared:
    """How the messages of a replay stand against the recorded ones.

    Attributes
    ----------
    counts : dict of str to int
        Messages compared, by kind.
    difference : str
        The first one, in words; empty where there is none.
    rounding : float
        Largest relative difference between numbers that counts as rounding.
    until : int or None
        Sample period up to which was compared, where the recording has a hole.
    missed : int
        Recorded numbers that the recorder had missed.
    beyond : int
        Recorded messages later than the last recorded turn: the pipeline was ended in between.
    """

    counts: dict[str, int] = field(default_factory=dict)
    difference: str = ""
    rounding: float = 0.0
    until: int | None = None
    missed: int = 0
    beyond: int = 0

    @property
    def same(self) -> bool:
        """Whether no message differs."""
        return not self.difference


def compare(session: Session, replayed: Replayed) -> Compared:
    """Compare the recorded messages with the replayed ones, by kind and number.

    Every field of `spikes`, `drive`, `params` and `units` but `t_pub` and `session`, and the counters of `status`.
    Beyond a hole in the recording nothing can be the same, so nothing is compared: from the last sample before it on,
    which messages of a lost turn may name as well.
    """
    found = Compared()
    if replayed.hole is not None:
        found.until = replayed.hole[0]
    numbers: dict[str, int] = {}
    for topic, body in session.messages():
        kind = kind_of(topic)
        if kind not in (*SAME_KINDS, "status"):
            continue
        message = _map_of(body)
        seq = message.get("seq") if message is not None else None
        if message is None or not isinstance(seq, int):
            continue
        if found.until is not None and _number(message.get("sample")) >= found.until - 1:
            continue
        found.missed += max(0, seq - numbers.get(kind, seq))
        numbers[kind] = seq + 1
        again = replayed.bodies.get(kind, [])
        if not 0 <= seq < len(again):
            found.beyond += 1
            continue
        found.counts[kind] = found.counts.get(kind, 0) + 1
        other = _map_of(again[seq]) or {}
        names = set(message) | set(other) if kind != "status" else {n for n in COUNTERS if n in message}
        for name in sorted(names - set(UNCOMPARED)):
            gap = _gap(message.get(name), other.get(name))
            if gap > ROUNDING:
                found.difference = (
                    f"{kind} {seq} at sample {message.get('sample')}: {name} was {_short(message.get(name))}, "
                    f"replayed {_short(other.get(name))}"
                )
                return found
            found.rounding = max(found.rounding, gap)
    return found


def _gap(one: object, other: object) -> float:
    """How far two values are apart: 0 the same, else the relative difference of numbers, infinite for others."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return 0.0 if one is other else math.inf
    if isinstance(one, int) and isinstance(other, int):
        return 0.0 if one == other else math.inf
    if isinstance(one, int | float) and isinstance(other, int | float):
        if one == other or (math.isnan(one) and math.isnan(other)):
            return 0.0
        size = max(abs(one), abs(other), 1e-3)
        return abs(one - other) / size if math.isfinite(one) and math.isfinite(other) else math.inf
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((_gap(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other):
        return max((_gap(one[name], other[name]) for name in one), default=0.0)
    return 0.0 if type(one) is type(other) and one == other else math.inf


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _map_of(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.msgpack.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
