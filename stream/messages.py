"""The messages that go out, version 1 of the protocol.

Two frames: a topic ``<kind>/<stream name>``, then one MessagePack map. Fields are only ever added, and a reader
ignores those it does not know, so an old reader understands a new publisher. Times are in seconds on the LSL clock
of the machine that runs the pipeline; amplitudes in microvolts. What each field means stands beside it, and
``python -m myodrive.tools.make_message_reference`` writes it into this folder's README.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from .errors import MessageError

VERSION = 1
MAX_MESSAGE_BYTES = 4 * 2**20
CONTROL_WORDS = ("ping", "status", "units", "pause", "resume", "stop")
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # text that is not UTF-8 is a type of its own


def says(meaning: str, unit: str = "", *, span: str = "") -> msgspec.Meta:
    """What a field means, in which unit, and which values it takes: for the reference, nothing is checked by it."""
    return msgspec.Meta(description=meaning, extra={"unit": unit, "span": span})


class Message(msgspec.Struct, kw_only=True):
    """What every message carries."""

    v: Annotated[int, says("version of the protocol")] = VERSION
    seq: Annotated[int, says("counts the messages of this topic, without holes at the publisher", span="from 0")] = 0
    session: Annotated[str, says("one run of the pipeline; another one after a restart")] = ""
    sample: Annotated[
        int, says("newest sample period accounted for, lost ones included", span="from 0; -1 before the first")
    ] = -1
    t: Annotated[float, says("time of that sample; 0 before the first", "s, LSL clock")] = 0.0
    t_pub: Annotated[float, says("when the message was sent", "s, LSL clock")] = 0.0


class Spikes(Message):
    """The discharges decided in one hop; sent for each hop that has any. The lists are of one length, by sample."""

    unit: Annotated[list[int], says("which unit discharged, `id` in `units`")]
    spike_sample: Annotated[
        list[int], says("sample at which its source peaks, corrected neither for filter delay nor for `lag_s`")
    ]
    spike_t: Annotated[list[float], says("time of that sample", "s, LSL clock")]
    margin: Annotated[
        list[float], says("height of the peak: 0 at the threshold, 1 at the unit's mean discharge; may be more")
    ]
    valid: Annotated[bool, says("whether they can be acted on, as in `drive`")] = True


class Drive(Message):
    """The neural drive, at a fixed rate (100 Hz by itself); while stalled or paused by the wall clock, not valid."""

    rate: Annotated[
        list[float],
        says("discharge rate of each unit, over its last 3 intervals; 0 after half a second without", "pulses/s"),
    ]
    cst: Annotated[float, says("cumulative spike train, smoothed: the rate of all units together", "pulses/s")]
    command: Annotated[
        float,
        says("0 at the rest level, 1 at the full level of the calibration; 0 while `source` is none", span="0 to 1"),
    ]
    source: Annotated[str, says("what made the command", span="units, envelope, none")]
    delay_s: Annotated[float, says("group delay of `cst` and `command`: smoothing and look-ahead", "s")]
    envelope: Annotated[float, says("EMG amplitude: rectified, mean of the good channels, smoothed", "uV")]
    valid: Annotated[bool, says("whether what the units say can be acted on; `reason` in `status` may say why not")]


class UnitEntry(msgspec.Struct, kw_only=True):
    """One line of the unit table."""

    id: Annotated[int, says("the same in decoder, messages, events.tsv and `estimate`", span="from 0")]
    sil: Annotated[float, says("silhouette of its discharges in the calibration", span="-1 to 1")]
    pnr_db: Annotated[float, says("pulse-to-noise ratio in the calibration", "dB")]
    lag_s: Annotated[float, says("from the onset of the unit's unfiltered waveform to the peak of its source", "s")]
    trust: Annotated[
        float, says("how far its live discharges are as high, and its waveform is as in calibration", span="0 to 1")
    ]
    parameters: Annotated[
        dict[str, Any], says("those that the calibration knew: name to `value` and, where there is one, `sd`")
    ] = {}


class Electrodes(msgspec.Struct, kw_only=True):
    """Where the channels of `emg` and `muaps`, in their order, sit on the grid; rows lie along the fibres."""

    channels: Annotated[list[int], says("numbers of the channels in the amplifier's stream", span="from 0")]
    row: Annotated[list[int], says("place on the grid along the fibres", span="from 0")]
    col: Annotated[list[int], says("place on the grid across the fibres", span="from 0")]
    ied_mm: Annotated[float, says("distance between electrodes", "mm")]
    grid_rows: Annotated[int, says("rows of the grid")]
    grid_cols: Annotated[int, says("columns of the grid")]


class Units(Message):
    """Which units are decoded, by what, from which electrodes; on change, and to every new subscriber at once."""

    fs_hz: Annotated[float, says("sampling rate", "Hz")]
    decoder_sha256: Annotated[str, says("of the decoder file")]
    provider: Annotated[str, says("ONNX Runtime's name of what runs the graph, such as CPUExecutionProvider")]
    lookahead_s: Annotated[float, says("longest wait from a discharge to its decision", "s")]
    units: Annotated[list[UnitEntry], says("one entry for each unit, in the order of `rate` in `drive`")]
    electrodes: Annotated[Electrodes | None, says("where the channels of `emg` and `muaps` sit")] = None
    drive_hz: Annotated[float, says("`drive` messages a second", "Hz")] = 0.0
    drive_delay_s: Annotated[float, says("group delay of the drive, as in `drive`", "s")] = 0.0


class Latency(msgspec.Struct, kw_only=True):
    """From the time stamp of a hop's last sample to its messages sent, since the start."""

    p50: Annotated[float, says("half of the hops took no longer", "ms")]
    p99: Annotated[float, says("99 of 100 took no longer", "ms")]
    p999: Annotated[float, says("999 of 1000 took no longer", "ms")]
    max: Annotated[float, says("the longest", "ms")]
    hist: Annotated[list[tuple[float, int]], says("upper edge and count of each bin in use", "ms, hops")]


class SignalEntry(msgspec.Struct, kw_only=True):
    """How one signal beside the EMG is doing."""

    name: Annotated[str, says("as `--signal` asked for it")]
    state: Annotated[str, says("how its stream is doing", span="waiting, on, lost")]
    unit: Annotated[str, says("as the stream says; empty if it does not")] = ""
    fs_hz: Annotated[float, says("rate that the stream names, 0 while it is not known", "Hz")] = 0.0
    reason: Annotated[str, says("in words, why a stream of that name is not taken, or sends nothing")] = ""


class Status(Message):
    """How the pipeline is doing; once a second, on every change, and to every new subscriber at once."""

    state: Annotated[str, says("what it is doing", span="warming, waiting, live, stalled, paused, stopped")]
    samples_in: Annotated[int, says("samples decoded; `sample` + 1 = `samples_in` + `samples_lost`")]
    samples_lost: Annotated[int, says("sample periods that never came")]
    gaps: Annotated[int, says("stretches of them")]
    reconnects: Annotated[int, says("times that the stream was taken up again")]
    late_hops: Annotated[int, says("hops whose messages left more than one hop after their last sample arrived")]
    bad_channels: Annotated[list[int], says("flagged now, as numbers of the stream", span="from 0")]
    bad_reasons: Annotated[list[str], says("why, for each of them", span="not a number, flat, saturated, noisy")]
    messages_dropped: Annotated[
        int, says("that the publisher could not send; what a slow reader lost shows as holes in `seq`")
    ]
    latency_ms: Annotated[Latency, says("input time stamp to message sent", "ms")]
    repeats_dropped: Annotated[int, says("samples that came a second time")] = 0
    clock_jumps: Annotated[int, says("times that the time stamps jumped without a sample missing")] = 0
    timing: Annotated[
        str, says("what tells lost samples: a counter, good time stamps, poor ones", span="counted, exact, estimated")
    ] = "exact"
    rate_hz: Annotated[float, says("sampling rate as the time stamps say", "Hz")] = 0.0
    reason: Annotated[
        str,
        says("in words, what is wrong with the stream, the units or the filters; empty when nothing is known to be"),
    ] = ""
    recording: Annotated[
        str, says("how the recorder is doing; empty without `--record`", span="on, behind, failed")
    ] = ""
    recorded_s: Annotated[float, says("of samples, safe on disk", "s")] = 0.0
    recording_reason: Annotated[str, says("in words, why recording failed or what is missing")] = ""
    connections_refused: Annotated[int, says("clients that CURVE turned away")] = 0
    masked_channels: Annotated[
        list[int], says("left out of the filters now, as numbers of the stream", span="from 0")
    ] = []
    masked_since: Annotated[
        int, says("sample at which the filters now in place took over; -1 before any exchange")
    ] = -1
    masks_late: Annotated[int, says("times that the filters without them were ready too late")] = 0
    sound: Annotated[bool, says("whether discharges can be told from what disturbs the sources")] = True
    held_back: Annotated[int, says("peaks that could not be told from a disturbance, and were not reported")] = 0
    events: Annotated[
        str, says("how the stream of events is doing; empty without `--events`", span="waiting, on, lost")
    ] = ""
    events_in: Annotated[int, says("markers published as `event`")] = 0
    events_missed: Annotated[int, says("markers that came faster than they were taken, or without a time")] = 0
    events_late: Annotated[int, says("markers that came too late to leave out all discharges that they should")] = 0
    blanked: Annotated[int, says("discharges left out after markers (`--blank`)")] = 0
    events_reason: Annotated[str, says("in words, why a stream of that name is not taken")] = ""
    signals: Annotated[list[SignalEntry], says("one entry for each `--signal`, in their order")] = []
    signals_in: Annotated[int, says("values published as `signal`")] = 0
    signals_missed: Annotated[
        int, says("values that came faster than they were taken, or are no number, or have no time")
    ] = 0


class Emg(Message):
    """A block of filtered EMG; at most 30 a second, only while somebody subscribes."""

    first_sample: Annotated[int, says("sample period of the block's first column")]
    fs_hz: Annotated[float, says("sampling rate", "Hz")]
    emg: Annotated[list[list[float]], says("[channel][time], the decoder's channels in its order", "uV")]


class Params(Message):
    """Where one unit lies and how fast it conducts; for each unit when it is updated, at most 10 times a second."""

    unit: Annotated[int, says("which, `id` in `units`")]
    iz_mm: Annotated[
        float | None,
        says("innervation zone along the grid from its centre, towards higher rows; null where none can be had", "mm"),
    ] = None
    iz_mm_sd: Annotated[float | None, says("its standard deviation", "mm")] = None
    cv_m_s: Annotated[float | None, says("conduction velocity; null where none can be had", "m/s")] = None
    cv_m_s_sd: Annotated[float | None, says("its standard deviation", "m/s")] = None
    reason: Annotated[str | None, says("in words, why there is no number; null where there is one")] = None
    spikes_used: Annotated[int, says("discharges in the averaged waveform")] = 0
    snr_db: Annotated[float | None, says("signal to noise of that waveform; null where it is not known", "dB")] = None
    more: Annotated[
        dict[str, float | None],
        says("every further parameter of the model and its standard deviation; null where none can be had"),
    ] = {}  # in the message its entries stand beside the other fields

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
    """A marker of the stream of events (`--events`), put on the sample whose time is its own; for each that comes."""

    label: Annotated[str, says("what was marked: the values of its channels, with commas between them")]
    event_sample: Annotated[int, says("sample nearest to its time; negative before the first sample")]
    event_t: Annotated[float, says("its own time stamp", "s, LSL clock")]
    blank_from: Annotated[
        int,
        says("first sample without discharges (`--blank`), -1 for none; later than `event_sample` where it came late"),
    ] = -1
    blank_to: Annotated[int, says("last sample without discharges, -1 for none")] = -1


class Signal(Message):
    """What has come of a force, an angle or the like beside the EMG (`--signal`); as often as `drive`.

    The lists are of one length, by time; the numbers are the stream's own.
    """

    name: Annotated[str, says("as `--signal` asked for it")]
    unit: Annotated[str, says("as the stream says; empty if it does not")]
    fs_hz: Annotated[float, says("rate that the stream names", "Hz")]
    value: Annotated[list[float], says("what has come since the last message of the same name")]
    value_sample: Annotated[
        list[float],
        says("its place on the EMG's samples, lost ones counted; whole for a channel of the EMG's own stream"),
    ]
    value_t: Annotated[list[float], says("its time", "s, LSL clock")]


class Muap(Message):
    """A unit's average waveform in the filtered EMG; when it has changed, only while somebody subscribes."""

    unit: Annotated[int, says("which, `id` in `units`")]
    waveform: Annotated[list[list[float]], says("[channel][time], the decoder's channels in its order", "uV")]
    fs_hz: Annotated[float, says("sampling rate", "Hz")] = 0.0
    before: Annotated[int, says("samples of it that lie before `spike_sample`")] = 0
    spikes_used: Annotated[int, says("discharges averaged; beyond 100 the old ones fade")] = 0


KINDS: dict[str, type[Message]] = {
    "spikes": Spikes, "drive": Drive, "params": Params, "units": Units, "status": Status, "emg": Emg, "muaps": Muap,
    "event": Event, "signal": Signal,
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

    do: Annotated[str, says("one word", span=", ".join(CONTROL_WORDS))]


class ControlReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What it is answered; fields that do not belong to the word are left out."""

    ok: Annotated[bool, says("whether it was understood; nothing is changed when not")]
    error: Annotated[str | None, says("in words, what was wrong with the request")] = None
    state: Annotated[str | None, says("after `ping`, `pause`, `resume` and `stop`: `state` as in `status`")] = None
    session: Annotated[str | None, says("after the same: the session, as in every message")] = None
    t: Annotated[float | None, says("after the same: what the clock of `t_pub` said while it was answered", "s")] = None
    status: Annotated[dict[str, Any] | None, says("after `status`: the fields of a `status` message")] = None
    units: Annotated[dict[str, Any] | None, says("after `units`: the fields of a `units` message")] = None


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
    return msgspec.msgpack.encode(ControlReply(ok=ok, **fields))
