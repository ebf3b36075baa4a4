"""Messages: every kind survives the trip, newer fields are ignored, and nothing but MessageError comes of bad bytes."""

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from myodrive.stream import messages as m
from myodrive.stream.errors import MessageError

COMMON = {"v": 1, "seq": 7, "session": "abc", "sample": 123, "t": 1.5, "t_pub": 1.75}
LATENCY = m.Latency(p50=1.0, p99=2.0, p999=3.0, max=4.0, hist=[(1.0, 5)])
EXAMPLES = {
    "spikes": m.Spikes(**COMMON, unit=[0, 2], spike_sample=[100, 101], spike_t=[1.0, 1.25], margin=[0.5, -0.25]),
    "drive": m.Drive(
        **COMMON, rate=[8.0, 0.0], cst=8.0, command=0.5, source="units", delay_s=0.083, envelope=20.0, valid=True
    ),
    "units": m.Units(
        **COMMON, fs_hz=2048.0, decoder_sha256="00", provider="CPUExecutionProvider", lookahead_s=0.003,
        units=[m.UnitEntry(id=0, sil=0.9, pnr_db=30.0, lag_s=0.006, trust=1.0)],
        electrodes=m.Electrodes(channels=[0, 1], row=[0, 1], col=[0, 0], ied_mm=8.0, grid_rows=2, grid_cols=1),
    ),
    "status": m.Status(
        **COMMON, state="live", samples_in=124, samples_lost=0, gaps=0, reconnects=0, late_hops=1, bad_channels=[3],
        bad_reasons=["flat"], messages_dropped=0, latency_ms=LATENCY,
    ),
    "emg": m.Emg(**COMMON, first_sample=116, fs_hz=2048.0, emg=[[1.0, 2.0], [3.0, 4.0]]),
    "params": m.Params(
        **COMMON, unit=3, iz_mm=1.5, iz_mm_sd=0.25, cv_m_s=None, cv_m_s_sd=None, reason="beyond", spikes_used=31,
        snr_db=12.5, more={"depth_mm": 8.0, "depth_mm_sd": 1.0, "lateral_mm": None, "lateral_mm_sd": None},
    ),
    "muaps": m.Muap(**COMMON, unit=1, waveform=[[1.0, 2.0], [3.0, 4.0]], fs_hz=2048.0, before=1, spikes_used=20),
    "event": m.Event(**COMMON, label="go", event_sample=120, event_t=1.25, blank_from=120, blank_to=140),
    "signal": m.Signal(
        **COMMON, name="cell:1", unit="Nm", fs_hz=80.0, value=[1.0, 2.5], value_sample=[97.75, 123.35],
        value_t=[1.0, 1.5],
    ),
}  # fmt: skip
CONTRACT = {
    "spikes": {"unit", "spike_sample", "spike_t", "margin"},
    "drive": {"rate", "cst", "command", "source", "delay_s", "envelope", "valid"},
    "units": {"fs_hz", "decoder_sha256", "provider", "lookahead_s", "units"},
    "status": {
        "state", "samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "bad_channels", "messages_dropped",
        "latency_ms",
    },
    "emg": set(),
    "params": {
        "unit", "iz_mm", "iz_mm_sd", "cv_m_s", "cv_m_s_sd", "depth_mm", "depth_mm_sd", "lateral_mm", "lateral_mm_sd",
        "reason", "spikes_used", "snr_db",
    },
    "muaps": {"unit", "waveform"},
    "event": {"label", "event_sample", "event_t", "blank_from", "blank_to"},
    "signal": {"name", "unit", "fs_hz", "value", "value_sample", "value_t"},
}  # fmt: skip


def topic(kind):
    return f"{kind}/some stream".encode()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_message_survives_the_trip(kind):
    body = m.encode(EXAMPLES[kind])
    assert m.decode([topic(kind), body]) == EXAMPLES[kind]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_message_is_one_plain_map_with_the_contracts_fields(kind):
    fields = msgspec.msgpack.decode(m.encode(EXAMPLES[kind]))
    assert set(fields) >= CONTRACT[kind] | set(COMMON)
    assert {key: fields[key] for key in COMMON} == COMMON


@pytest.mark.parametrize("kind", EXAMPLES)
def test_unknown_fields_are_ignored(kind):
    fields = msgspec.msgpack.decode(m.encode(EXAMPLES[kind]))
    fields |= {"from_the_future": {"deep": [1, 2, {"er": None}]}, "z": b"bytes"}
    assert m.decode([topic(kind), msgspec.msgpack.encode(fields)]) == EXAMPLES[kind]


@pytest.mark.parametrize("version", [0, 2, -1, 2**63])
@pytest.mark.parametrize("kind", EXAMPLES)
def test_another_version_is_refused_by_its_number(kind, version):
    fields = msgspec.msgpack.decode(m.encode(EXAMPLES[kind])) | {"v": version}
    with pytest.raises(MessageError):
        m.decode([topic(kind), msgspec.msgpack.encode(fields)])


def test_the_parameters_of_a_model_of_tomorrow_are_read():
    fields = msgspec.msgpack.decode(m.encode(EXAMPLES["params"]))
    fields |= {"fat_mm": 3, "fat_mm_sd": 0.5, "lonely": 1.0, "text": "no number", "text_sd": 1.0, "more": {"x": 1.0}}
    found = m.decode([topic("params"), msgspec.msgpack.encode(fields)])
    assert found.more == EXAMPLES["params"].more | {"fat_mm": 3.0, "fat_mm_sd": 0.5}
    assert found.iz_mm == 1.5


def test_parameters_are_sorted_into_their_fields():
    values = {"iz_mm": 1.5, "iz_mm_sd": 0.25, "cv_m_s": None, "cv_m_s_sd": None, **EXAMPLES["params"].more}
    assert m.Params.of(values, **COMMON, unit=3, reason="beyond", spikes_used=31, snr_db=12.5) == EXAMPLES["params"]


def test_the_error_names_the_other_version():
    fields = msgspec.msgpack.decode(m.encode(EXAMPLES["drive"])) | {"v": 2}
    with pytest.raises(MessageError, match="version 2"):
        m.decode([topic("drive"), msgspec.msgpack.encode(fields)])


@pytest.mark.parametrize("frames", [[], [b"drive/x"], [b"drive/x", b"", b""], [b"nonsense/x", b"\x80"], [b"", b"\x80"]])
def test_what_is_not_two_frames_of_a_known_kind_is_refused(frames):
    with pytest.raises(MessageError):
        m.decode(frames)


def test_a_message_of_another_kind_is_refused():
    with pytest.raises(MessageError):
        m.decode([topic("drive"), m.encode(EXAMPLES["spikes"])])


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(EXAMPLES)), data=st.data())
def test_damaged_bytes_raise_message_error_alone(kind, data):
    body = bytearray(m.encode(EXAMPLES[kind]))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for damaged in (bytes(body), bytes(body[:cut])):
        try:
            message = m.decode([topic(kind), damaged])
        except MessageError:
            continue
        assert type(message) is type(EXAMPLES[kind])


HUGE = [
    b"\xdf\xff\xff\xff\xff",  # a map of 4 billion entries
    b"\xdd\xff\xff\xff\xff",  # a list of as many
    b"\x81\xa4unit\xdd\xff\xff\xff\xff",
    b"\x81\xa2do\xdb\xff\xff\xff\xff",  # a string of 4 GiB
    b"\x81\xa2do\xc6\xff\xff\xff\xff",
    b"\x81\xa2do\xa4\xff\xfe\xfd\xfc",  # not UTF-8
    b"\x91" * 100_000,  # nested beyond any stack
    b"\x81\xa1x" * 100_000,
    b"\x81\xa2do" + b"\x91" * 300,
    b"\x81\xa1v\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
]


@pytest.mark.parametrize("body", HUGE, ids=range(len(HUGE)))
def test_huge_lengths_and_deep_nests_raise_message_error_alone(body):
    for kind in EXAMPLES:
        with pytest.raises(MessageError):
            m.decode([topic(kind), body])
    with pytest.raises(MessageError):
        m.decode_request(body)


def test_a_message_larger_than_any_of_ours_is_refused_unread():
    with pytest.raises(MessageError, match="larger"):
        m.decode([topic("emg"), bytes(m.MAX_MESSAGE_BYTES + 1)])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
@example(b"")
@example(msgspec.msgpack.encode({"do": "ping"}))
def test_a_request_of_any_bytes_is_one_of_our_words_or_message_error(body):
    try:
        word = m.decode_request(body)
    except MessageError:
        return
    assert word in m.CONTROL_WORDS


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_a_request_of_any_other_value_is_message_error(value):
    for asked in (value, {"do": value}, {"do": "ping", "and": value}):
        with pytest.raises(MessageError):
            m.decode_request(msgspec.msgpack.encode(asked))


@pytest.mark.parametrize("word", m.CONTROL_WORDS)
def test_every_control_word_is_understood(word):
    assert m.decode_request(msgspec.msgpack.encode({"do": word})) == word


def test_the_control_words_are_the_contracts():
    assert m.CONTROL_WORDS == ("ping", "status", "units", "pause", "resume", "stop")


@pytest.mark.parametrize("odd", [b"drive", b"drive/", b"\xff\xfe/x", b"drive/\xff"])
def test_any_topic_has_a_kind(odd):
    assert isinstance(m.kind_of(odd), str)
