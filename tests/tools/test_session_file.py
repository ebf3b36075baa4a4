"""A session: what its sound frames hold is read, what no recorder writes is left out."""

import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.stream.recording import EVENT, TICK, TICK_FORM, Tick
from myodrive.tools import session_file
from myodrive.tools.segments import SegmentWriter
from myodrive.tools.session_file import MESSAGE, MESSAGES, RAW, Session, Turn
from myodrive.tools.session_info import write_info

CHANNELS, HOP = 3, 4


def tick(number, samples=HOP, lost_before=0, first=None, **fields):
    first = number * HOP if first is None else first
    values = dict.fromkeys(Tick._fields, 0) | {
        "kind": TICK, "number": number, "samples": samples, "channels": CHANNELS, "first_sample": first,
        "lost_before": lost_before, "samples_in": first + samples, "period": 1e-3,
    }  # fmt: skip
    return Tick(**(values | fields))


def payload_of(one, value=0.0):
    return TICK_FORM.pack(*one) + np.full((one.samples, CHANNELS), value, np.float32).tobytes()


@pytest.fixture
def session(tmp_path, an_info):
    """Function that writes a session of raw payloads, each (kind, bytes), and opens it."""

    def make(*payloads, info=None):
        write_info(tmp_path, info or an_info())
        writer = SegmentWriter(tmp_path, RAW)
        for kind, payload in payloads:
            writer.append(kind, payload)
        writer.flush()
        writer.close()
        return Session(tmp_path)

    return make


def test_turns_come_back_with_their_samples_and_the_holes_are_named(session):
    seven = tick(7, lost_before=5, first=4 * HOP + 5 + 2 * HOP, samples_in=7 * HOP, samples_lost=5)
    found = session(
        *[(TICK, payload_of(tick(n), n)) for n in range(4)], (TICK, payload_of(seven, 7.0)),
    )  # fmt: skip
    turns = list(found.turns())
    assert [turn.tick.number for turn in turns] == [0, 1, 2, 3, 7]
    assert all((turn.signal == turn.tick.number).all() and turn.signal.shape == (HOP, CHANNELS) for turn in turns)
    contents = found.look_through()
    assert contents.holes == [(4 * HOP, 2 * HOP)]
    assert contents.samples == 5 * HOP
    assert not contents.ended


def event(number, **fields):
    text = msgspec.json.encode(fields)
    return EVENT, struct.pack("<3q", EVENT, number, len(text)) + text


def test_a_lost_turn_without_samples_is_seen_by_the_numbers(session):
    found = session(
        event(0, event="begin", now=0.0), (TICK, payload_of(tick(1, first=0))), (TICK, payload_of(tick(4, first=HOP)))
    )
    assert [turn.lacking for turn in found.turns() if isinstance(turn, Turn)] == [0, 2]
    contents = found.look_through()
    assert contents.holes == []
    assert contents.lacking == 2


def test_a_lost_event_is_seen_by_the_numbers(session):
    found = session(
        (TICK, payload_of(tick(0))), event(2, event="mask fault", text=""), (TICK, payload_of(tick(3, first=HOP)))
    )
    assert [turn.lacking for turn in found.turns() if isinstance(turn, Turn)] == [0, 1]


def test_what_is_lost_right_before_the_end_is_seen(session):
    found = session((TICK, payload_of(tick(0))), event(3, event="end", now=1.0))
    contents = found.look_through()
    assert contents.ended
    assert contents.lacking == 2


def test_a_turn_whose_samples_have_no_time_is_read(session):
    nan = float("nan")
    found = session((TICK, payload_of(tick(0, stamp=nan, arrived=nan))), (TICK, payload_of(tick(1, tended=nan))))
    (turn,) = found.turns()
    assert np.isnan(turn.tick.stamp)
    assert turn.signal.shape == (HOP, CHANNELS)


def test_turns_longer_than_the_hop_are_refused_in_one_sentence(session, an_info):
    found = session((TICK, payload_of(tick(0))), info=an_info(hop=HOP // 2))
    with pytest.raises(RecordingError, match=f"turns of {HOP} samples and its session.json says {HOP // 2}") as error:
        found.look_through()
    assert "\n" not in str(error.value)


def test_what_no_recorder_writes_is_left_out(session):
    good = payload_of(tick(0))
    hostile = [
        tick(1, samples=10**9), tick(1, samples=-4), tick(1, channels=10**6), tick(1, first=-4),
        tick(1, lost_before=-1), tick(1, samples_lost=-9), tick(1, first=1 << 60), tick(0, samples_in=0),
    ]  # fmt: skip
    found = session((TICK, good), *[(TICK, TICK_FORM.pack(*one) + bytes(48)) for one in hostile], (TICK, b"short"))
    assert [turn.tick.number for turn in found.turns()] == [0]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_a_sound_frame_holds_reading_goes_on(tmp_path_factory, an_info, data):
    folder = tmp_path_factory.mktemp("hostile")
    write_info(folder, an_info())
    writer = SegmentWriter(folder, RAW)
    for n in range(3):
        payload = bytearray(payload_of(tick(n)))
        for _ in range(data.draw(st.integers(0, 3))):
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
        writer.append(data.draw(st.sampled_from([TICK, TICK, EVENT, 77])), payload[: data.draw(st.integers(0, 400))])
    writer.flush()
    writer.close()
    opened = Session(folder)
    contents = opened.look_through()
    assert contents.samples <= 3 * session_file.LONGEST_HOP
    assert contents.damage == []
    assert all(type(one) is dict or one.tick.period > 0 for one in opened.turns())


def test_events_that_cannot_be_read_are_left_out(session):
    good = msgspec.json.encode({"event": "end", "now": 1.0})
    events = [
        struct.pack("<3q", EVENT, 0, length) + text
        for length, text in ((len(good), good), (-1, good), (10**15, b"{" * 5000), (4, b"1234"), (2, b"\xff\xfe"))
    ]
    found = session(*[(EVENT, event) for event in events], (EVENT, b""))
    assert [entry for entry in found.turns() if isinstance(entry, dict)] == [{"event": "end", "now": 1.0}]
    assert found.look_through().ended


def test_messages_come_back_as_published(tmp_path, session):
    opened = session()
    writer = SegmentWriter(tmp_path, MESSAGES)
    bodies = [(b"spikes/x", b"abc"), (b"drive/x", b"")]
    for topic, body in bodies:
        writer.append(MESSAGE, struct.pack("<H", len(topic)), topic, body)
    writer.append(MESSAGE, b"\xff\xff")
    writer.flush()
    writer.close()
    assert list(opened.messages()) == [*bodies, (b"", b"")]
