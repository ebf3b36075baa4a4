"""Segments: whatever ended the writing or damaged them, what is sound is read, and the rest is named."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.tools import segments
from myodrive.tools.segments import HEADER, MAGIC, SegmentWriter, frame, read_frames
from myodrive.tools.session_file import RAW

PAYLOADS = [b"first", b"", bytes(range(256)) * 3, b"\xa5myo in the middle", b"last"]


def write_payloads(path, payloads=PAYLOADS):
    path.write_bytes(b"".join(frame(9, payload) for payload in payloads))
    return path.read_bytes()


def read(path):
    damage = []
    return [found.payload for found in read_frames(path, damage)], damage


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
    cost = segments._cost
    monkeypatch.setattr(segments, "_cost", lambda *place: read_bytes.append(cost(*place)) or read_bytes[-1])
    found, damage = read(path)
    assert found == []
    assert len(damage) == 1
    assert sum(read_bytes) <= (segments.SEARCHED_TIMES + 1) * length


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkdir(tmp_path / "raw-0000.myo")
    with pytest.raises(RecordingError, match="is no file"):
        read(tmp_path / "raw-0000.myo")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "raw-0001.myo")
        with pytest.raises(RecordingError, match="is no file"):
            read(tmp_path / "raw-0001.myo")


def test_more_damage_than_anybody_reads_is_counted(tmp_path):
    path = tmp_path / "raw-0000.myo"
    path.write_bytes(b"".join(frame(9, b"x") + b"?" for _ in range(500)))
    found, damage = read(path)
    assert len(found) == 500
    assert len(damage) == segments.MOST_DAMAGE
    assert damage[-1].more == 500 - segments.MOST_DAMAGE
    assert "400 more places" in str(damage[-1])


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
    monkeypatch.setattr(segments.os, "write", lambda file, view: write(file, view[:7]))
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
