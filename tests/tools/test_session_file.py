"""A session's files: whatever ended the writing or damaged them, what is sound is read, and the rest is named."""

import errno
import os
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.stream.recording import EVENT, TICK, TICK_FORM, Tick
from myodrive.tools import session_file
from myodrive.tools.session_file import (
    HEADER,
    INFO,
    MAGIC,
    MESSAGE,
    MESSAGES,
    RAW,
    SegmentWriter,
    Session,
    SessionInfo,
    Turn,
    frame,
    is_session,
    make_folder,
    read_frames,
    write_info,
)

CHANNELS, HOP = 3, 4
PAYLOADS = [b"first", b"", bytes(range(256)) * 3, b"\xa5myo in the middle", b"last"]


def write_payloads(path, payloads=PAYLOADS):
    path.write_bytes(b"".join(frame(9, payload) for payload in payloads))
    return path.read_bytes()


def read(path):
    damage = []
    return [found.payload for found in read_frames(path, damage)], damage


def tick(number, samples=HOP, lost_before=0, first=None, **fields):
    first = number * HOP if first is None else first
    values = dict.fromkeys(Tick._fields, 0) | {
        "kind": TICK, "number": number, "samples": samples, "channels": CHANNELS, "first_sample": first,
        "lost_before": lost_before, "samples_in": first + samples, "period": 1e-3,
    }  # fmt: skip
    return Tick(**(values | fields))


def payload_of(one, value=0.0):
    return TICK_FORM.pack(*one) + np.full((one.samples, CHANNELS), value, np.float32).tobytes()


def an_info(**fields):
    values = {
        "version": 1, "session": "s", "stream": "emg", "fs_hz": 2048.0, "channels": [0, 1, 2],
        "decoder_sha256": "0" * 64, "hop": HOP, "provider": "cpu", "whitening": "folded", "gain": None,
        "drive_rate_hz": 100.0, "smoothing_s": 0.08, "fallback": "none", "parameters_sha256": None,
        "why_no_parameters": "none", "clock": (0.0, 0.0), "created_by": {},
    }  # fmt: skip
    return SessionInfo(**(values | fields))


@pytest.fixture
def session(tmp_path):
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


# frames


def test_cut_at_any_byte_all_whole_frames_before_are_read(tmp_path):
    path = tmp_path / "raw-0000.myo"
    whole = write_payloads(path)
    ends = np.cumsum([HEADER.size + len(payload) for payload in PAYLOADS])
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        found, damage = read(path)
        kept = int((ends <= length).sum())
        assert found == PAYLOADS[:kept], length
        at_an_end = length == 0 or length in ends
        assert [(d.position, d.torn) for d in damage] == ([] if at_an_end else [(([0, *ends])[kept], True)]), length


@settings(max_examples=150, deadline=None)
@given(bit=st.integers(0, 8 * (sum(map(len, PAYLOADS)) + HEADER.size * len(PAYLOADS)) - 1))
def test_a_flipped_bit_costs_one_frame_and_is_named(tmp_path_factory, bit):
    path = tmp_path_factory.mktemp("flip") / "raw-0000.myo"
    changed = bytearray(write_payloads(path))
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)
    found, damage = read(path)
    starts = np.cumsum([0, *(HEADER.size + len(payload) for payload in PAYLOADS)])
    hit = int(np.searchsorted(starts, bit // 8, side="right")) - 1
    assert found == PAYLOADS[:hit] + PAYLOADS[hit + 1 :]
    assert len(damage) == 1
    assert damage[0].position == starts[hit]
    assert str(starts[hit]) in str(damage[0])


def test_room_that_was_never_written_is_a_torn_end(tmp_path):
    path = tmp_path / "raw-0000.myo"
    whole = write_payloads(path)
    path.write_bytes(whole + bytes(4096))
    found, damage = read(path)
    assert found == PAYLOADS
    assert [(one.position, one.torn) for one in damage] == [(len(whole), True)]


def test_a_search_for_sound_frames_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "raw-0000.myo"
    length = 1 << 20
    lies = b"".join(HEADER.pack(MAGIC, length - 16 * (n + 1), 1, 0, 0) for n in range(length // 16))
    path.write_bytes(lies)
    read_bytes = []
    cost = session_file._cost
    monkeypatch.setattr(session_file, "_cost", lambda *place: read_bytes.append(cost(*place)) or read_bytes[-1])
    found, damage = read(path)
    assert found == []
    assert len(damage) == 1
    assert sum(read_bytes) <= (session_file.SEARCHED_TIMES + 1) * length


def test_segments_follow_each_other_in_order(tmp_path):
    writer = SegmentWriter(tmp_path, RAW, segment_bytes=100)
    written = [bytes([n]) * 40 for n in range(30)]
    for payload in written:
        writer.append(9, payload)
        writer.flush()
    writer.close()
    paths = sorted(tmp_path.iterdir())
    assert len(paths) > 5
    found = [payload for path in paths for payload in read(path)[0]]
    assert found == written


def test_a_write_that_the_system_cuts_short_goes_on(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(session_file.os, "write", lambda file, view: write(file, view[:7]))
    writer = SegmentWriter(tmp_path, RAW)
    writer.append(9, bytes(100))
    writer.flush()
    writer.close()
    assert read(tmp_path / "raw-0000.myo") == ([bytes(100)], [])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_an_error_of_the_writer(tmp_path):
    (tmp_path / "raw-0000.myo").symlink_to("/dev/full")
    writer = SegmentWriter.__new__(SegmentWriter)
    writer._file, writer._held, writer._size, writer._limit = os.open("/dev/full", os.O_WRONLY), bytearray(), 0, 100
    writer.append(9, bytes(10))
    with pytest.raises(OSError) as error:
        writer.flush()
    writer.close()
    assert error.value.errno == errno.ENOSPC


# sessions


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


def test_turns_longer_than_the_hop_are_refused_in_one_sentence(session):
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
def test_whatever_a_sound_frame_holds_reading_goes_on(tmp_path_factory, data):
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


def test_a_folder_that_holds_something_is_refused(tmp_path):
    assert make_folder(tmp_path / "new").is_dir()
    assert make_folder(tmp_path / "new") == tmp_path / "new"  # empty still
    (tmp_path / "new" / "x").write_text("")
    with pytest.raises(RecordingError, match="holds something already"):
        make_folder(tmp_path / "new")
    with pytest.raises(RecordingError, match="cannot be made"):
        make_folder(tmp_path / "a" / "b")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "is no recorded session"), (b"", "cannot be read"), (b"{}", "cannot be read"),
        (b"[" * 100_000, "cannot be read"), (b"\xff", "cannot be read"), (b" " * (2 << 20), "larger than any"),
        (msgspec.json.encode(an_info(version=2)), "version 2"), (msgspec.json.encode(an_info(hop=0)), "no session has"),
        (msgspec.json.encode(an_info(channels=[])), "no session has"),
        (msgspec.json.encode(an_info(drive_rate_hz=1e12)), "no session has"),
        (msgspec.json.encode(an_info(channels=[10**9])), "no session has"),
    ],
)  # fmt: skip
def test_a_session_that_cannot_be_trusted_is_refused_in_one_sentence(tmp_path, text, word):
    if text is not None:
        (tmp_path / INFO).write_bytes(text)
    with pytest.raises(RecordingError, match=word) as error:
        Session(tmp_path)
    assert "\n" not in str(error.value)
    assert is_session(tmp_path) == (text is not None)
