"""The messages that go out, version 1 of the protocol.

Two frames: a topic ``<kind>/<stream name>``, then one MessagePack map. Fields are only ever added, and a reader
ignores those it does not know, so an old reader understands a new publisher. Times are in seconds on the LSL clock
of the machine that runs the pipeline; amplitudes in microvolts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .errors import MessageError

VERSION = 1
MAX_MESSAGE_BYTES = 4 * 2**20
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # text that is not UTF-8 is a type of its own


class Message(msgspec.Struct, kw_only=True):
    """What every message carries.

    ``seq`` counts from 0 per topic without holes at the publisher; ``sample`` is the newest input sample period
    accounted for, lost ones included; ``t`` its time; ``t_pub`` when the message was sent.
    """

    v: int = VERSION
    seq: int = 0
    session: str = ""
    sample: int = -1
    t: float = 0.0
    t_pub: float = 0.0


class Spikes(Message):
    """The discharges decided in one hop; ``margin`` is 0 at the threshold and 1 at the unit's mean spike height.

    ``valid``: whether they can be acted on, as in `Drive`.
    """

    unit: list[int]
    spike_sample: list[int]
    spike_t: list[float]
    margin: list[float]
    valid: bool = True


class Drive(Message):
    """Neural drive at a fixed rate: ``rate`` per unit and ``cst`` in pulses/s, ``command`` from 0 to 1."""

    rate: list[float]
    cst: float
    command: float
    source: str
    delay_s: float
    envelope: float
    valid: bool


class UnitEntry(msgspec.Struct, kw_only=True):
    """One line of the unit table; ``trust`` from 0 to 1 is how far the unit's live spikes look as in calibration.

    ``parameters`` are those that the calibration knew: name to ``value`` and, where there is one, ``sd``.
    """

    id: int
    sil: float
    pnr_db: float
    lag_s: float
    trust: float
    parameters: dict[str, Any] = {}


class Units(Message):
    """Which units are decoded, and by what."""

    fs_hz: float
    decoder_sha256: str
    provider: str
    lookahead_s: float
    units: list[UnitEntry]


class Latency(msgspec.Struct, kw_only=True):
    """Input time stamp to message sent, ms; ``hist`` holds [upper edge in ms, count] of the bins in use."""

    p50: float
    p99: float
    p999: float
    max: float
    hist: list[tuple[float, int]]


class Status(Message):
    """How the pipeline is doing: 1 Hz, on every change, and to every new subscriber.

    ``sound``: whether discharges can be told from what disturbs the sources. ``held_back``: peaks that could not.
    ``events``: the stream of events is "waiting", "on" or "lost"; "" without one.
    ``events_late``: those that came too late to blank all that they should. ``blanked``: discharges not reported.
    """

    state: str
    samples_in: int
    samples_lost: int
    gaps: int
    reconnects: int
    late_hops: int
    bad_channels: list[int]
    bad_reasons: list[str]
    messages_dropped: int
    latency_ms: Latency
    repeats_dropped: int = 0
    clock_jumps: int = 0
    timing: str = "exact"
    rate_hz: float = 0.0
    reason: str = ""
    recording: str = ""
    recorded_s: float = 0.0
    recording_reason: str = ""
    connections_refused: int = 0
    masked_channels: list[int] = []
    masked_since: int = -1
    masks_late: int = 0
    sound: bool = True
    held_back: int = 0
    events: str = ""
    events_in: int = 0
    events_missed: int = 0
    events_late: int = 0
    blanked: int = 0
    events_reason: str = ""


class Emg(Message):
    """A block of filtered EMG [channels][time], uV; sent only while somebody subscribes."""

    first_sample: int
    fs_hz: float
    emg: list[list[float]]


class Params(Message):
    """Where one unit lies and how fast it conducts; None with `reason` where no number can be had.

    ``more`` holds every further parameter that the model estimates, and ``<name>_sd`` of each; in the message they
    stand beside the others.
    """

    unit: int
    iz_mm: float | None = None
    iz_mm_sd: float | None = None
    cv_m_s: float | None = None
    cv_m_s_sd: float | None = None
    reason: str | None = None
    spikes_used: int = 0
    snr_db: float | None = None
    more: dict[str, float | None] = {}

    @classmethod
    def of(cls, values: dict[str, float | None], **fields: Any) -> Params:
        """A message of `values`, each parameter and its ``_sd`` by name, and of other `fields`."""
        more: dict[str, float | None] = {}
        for name, value in values.items():
            (fields if name in _PARAMS_FIELDS else more)[name] = value
        return cls(**fields, more=more)

    def flat(self) -> dict[str, Any]:
        """The map that goes out."""
        fields = msgspec.structs.asdict(self)
        more = fields.pop("more")
        return {**fields, **more}


class Event(Message):
    """A marker of the stream of events, on the sample whose time is its own; negative before the first sample.

    ``blank_from`` and ``blank_to``: the samples in which discharges are kept back because of it, -1 where none are;
    ``blank_from`` is later than ``event_sample`` where the marker came too late for what had been reported.
    """

    label: str
    event_sample: int
    event_t: float
    blank_from: int = -1
    blank_to: int = -1


class Muap(Message):
    """A unit's average waveform [channels][time], uV; sent only while somebody subscribes, when it has changed.

    ``before`` of its samples lie before the discharge.
    """

    unit: int
    waveform: list[list[float]]
    fs_hz: float = 0.0
    before: int = 0
    spikes_used: int = 0


KINDS: dict[str, type[Message]] = {
    "spikes": Spikes, "drive": Drive, "params": Params, "units": Units, "status": Status, "emg": Emg, "muaps": Muap,
    "event": Event,
}  # fmt: skip
_PARAMS_FIELDS = frozenset(Params.__struct_fields__) - {"more"}
_encode = msgspec.msgpack.Encoder().encode
_decoders = {kind: msgspec.msgpack.Decoder(form) for kind, form in KINDS.items()}


def encode(message: Message) -> bytes:
    """The second frame of a message."""
    return _encode(message.flat() if type(message) is Params else message)


def kind_of(topic: bytes) -> str:
    """The kind of message that goes out under `topic`."""
    return topic.split(b"/", 1)[0].decode("ascii", "replace")


def decode(frames: list[bytes]) -> Message:
    """The message in two received frames.

    Raises
    ------
    MessageError
        The frames are not a message of this protocol.
    """
    if len(frames) != 2:
        raise MessageError(f"a message has 2 frames, this one has {len(frames)}: the sender is not a myodrive pipeline")
    topic, body = frames
    kind = kind_of(topic)
    if kind not in _decoders:
        raise MessageError(f'unknown topic "{topic[:40].decode("ascii", "replace")}": update myodrive to read it')
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageError(f"a message of {len(body)} bytes is larger than any of ours: its sender is no pipeline")
    try:
        message = _decoders[kind].decode(body)
        if isinstance(message, Params):
            message.more = _further_parameters(body)
    except UNREADABLE as error:
        raise MessageError(f"a {kind} message cannot be read ({error}): its sender speaks another protocol") from error
    if message.v != VERSION:
        raise MessageError(f"a message of version {message.v}, this program reads {VERSION}: update the older one")
    return message


def _further_parameters(body: bytes) -> dict[str, float | None]:
    """What is a number, or none, and has a standard deviation beside it, or is one."""
    numbers = {
        name: None if value is None else float(value)
        for name, value in msgspec.msgpack.decode(body, type=dict[str, Any]).items()
        if name not in _PARAMS_FIELDS and (value is None or isinstance(value, float | int))
    }
    return {
        name: value
        for name, value in numbers.items()
        if f"{name}_sd" in numbers or (name.endswith("_sd") and name.removesuffix("_sd") in numbers)
    }


class ControlRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may ask on the control socket."""

    do: str


CONTROL_WORDS = ("ping", "status", "units", "pause", "resume", "stop")
_request_decoder = msgspec.msgpack.Decoder(ControlRequest)


def decode_request(body: bytes) -> str:
    """The word a client asks for on the control socket; raises MessageError for anything else."""
    if len(body) > 1024:
        raise MessageError(f"a request of {len(body)} bytes is too long")
    try:
        word = _request_decoder.decode(body).do
    except UNREADABLE as error:
        raise MessageError('a request is one MessagePack map {"do": "..."}' + f" ({str(error)[:80]})") from error
    if word not in CONTROL_WORDS:
        raise MessageError(f'"{word[:40]}" is not one of {", ".join(CONTROL_WORDS)}')
    return word


def encode_reply(ok: bool, **fields: Any) -> bytes:
    """A reply of the control socket."""
    return msgspec.msgpack.encode({"ok": ok, **fields})
