"""A session folder where a recording is expected: the same samples, in the stream's columns, or a refusal."""

import base64
import shutil

import msgspec
import numpy as np
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.errors import RecordingError
from myodrive.stream.messages import Event, encode
from myodrive.stream.recording import EVENT, EVENT_FORM, TICK, TICK_FORM, Tick
from myodrive.tools.events import Mark
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.wanted import Wanted
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.segments import SegmentWriter
from myodrive.tools.session_file import DECODER, MESSAGE, MESSAGES, RAW, TOPIC_LENGTH
from myodrive.tools.session_info import SessionInfo, write_info

HOP, FS_HZ = 64, 2048.0


def text(values):
    return base64.b64encode(np.array(values, "<f8").tobytes()).decode()


@pytest.fixture
def session_of(decoder_path, tmp_path):
    """Function that writes a session of some EMG, float32 (samples, channels), with gaps (hop: periods lost)."""

    def make(emg, gaps=None, missing=(), signals=(), events=lambda n: []):
        decoder = read_decoder(decoder_path)
        info = SessionInfo(
            version=1, session="s", stream="emg", fs_hz=decoder.info.fs_hz, channels=list(decoder.info.channels.index),
            decoder_sha256=decoder.sha256, hop=HOP, provider="cpu", whitening="folded", gain=None,
            drive_rate_hz=100.0, smoothing_s=0.08, fallback="none", parameters_sha256=None, why_no_parameters="",
            clock=(0.0, 0.0), created_by={}, signals=list(signals),
        )  # fmt: skip
        folder = tmp_path / "session"
        folder.mkdir()
        write_info(folder, info)
        shutil.copy(decoder_path, folder / DECODER)
        writer = SegmentWriter(folder, RAW)
        taken = lost = number = 0
        for n, first in enumerate(range(0, len(emg), HOP)):
            block = np.ascontiguousarray(emg[first : first + HOP])
            before = (gaps or {}).get(n, 0)
            lost += before
            fields = dict.fromkeys(Tick._fields, 0) | {
                "kind": TICK, "number": n, "samples": len(block), "channels": emg.shape[1],
                "first_sample": taken + lost, "lost_before": before, "samples_in": taken + len(block),
                "samples_lost": lost, "period": 1 / FS_HZ,
            }  # fmt: skip
            taken += len(block)
            for event in events(n):
                body = msgspec.json.encode(event)
                writer.append(EVENT, EVENT_FORM.pack(EVENT, number, len(body)), body)
                number += 1
            fields["number"], fields["newest"] = number, 50.0 + (taken - 1) / FS_HZ
            number += 1
            if n not in missing:
                writer.append(TICK, TICK_FORM.pack(*Tick(**fields)), block.tobytes())
        writer.flush()
        writer.close()
        return folder

    return make


def test_the_samples_and_places_are_those_of_the_recording(session_of, muscle):
    found = read_recording(session_of(muscle.emg))
    np.testing.assert_array_equal(found.emg, muscle.emg)
    assert found.fs_hz == muscle.fs_hz
    np.testing.assert_array_equal(found.geometry.row, muscle.geometry.row)
    np.testing.assert_array_equal(found.geometry.col, muscle.geometry.col)


def test_decode_takes_it_as_the_file(session_of, muscle, muscle_path, decoder_path, myodrive, tmp_path):
    folder = session_of(muscle.emg)
    for source, name in ((folder, "a.tsv"), (muscle_path, "b.tsv")):
        assert myodrive("decode", source, "--decoder", decoder_path, "-o", tmp_path / name).code == 0
    assert (tmp_path / "a.tsv").read_text() == (tmp_path / "b.tsv").read_text()


def test_its_markers_come_over_and_what_is_none_is_passed_over(session_of, muscle):
    folder = session_of(muscle.emg)
    writer = SegmentWriter(folder, MESSAGES)
    event = Event(seq=0, session="s", label="go", event_sample=700, event_t=1.5)
    late = Event(seq=1, session="s", label="after the end", event_sample=10**6, event_t=500.0)
    for topic, body in (
        (b"event/emg", encode(event)), (b"event/emg", b"\xff"), (b"event/emg", encode(late)), (b"spikes/emg", b""),
    ):  # fmt: skip
        writer.append(MESSAGE, TOPIC_LENGTH.pack(len(topic)), topic, body)
    writer.flush()
    writer.close()
    assert read_recording(folder).marks == (Mark(700, "go"),)


@pytest.mark.parametrize("how", [{"gaps": {40: 3}}, {"missing": (40,)}], ids=["lost", "not recorded"])
def test_a_session_with_a_gap_is_refused_with_its_place(session_of, muscle, how):
    folder = session_of(muscle.emg, **how)
    with pytest.raises(RecordingError, match=f"gap at sample {40 * HOP}, 1.25 s"):
        read_recording(folder)


def test_a_session_that_is_too_short_is_refused(session_of, muscle):
    with pytest.raises(RecordingError, match=r"lasts 0\.06 s"):
        read_recording(session_of(muscle.emg[:128]))


def test_any_other_folder_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="is a folder"):
        read_recording(tmp_path)


def force_of(session_of, muscle, name, rate_hz, value, first_s=0.0, last_s=9.0, seconds=3.0):
    """The force of a session whose signal `value(t)` came 20 ms late, every tenth hop."""
    times = np.arange(first_s, min(last_s, seconds), 1 / rate_hz)
    sent = 0

    def events(n):
        nonlocal sent
        if n == 0:
            streams = [{"state": "on", "unit": "N", "fs_hz": rate_hz}, {"state": "on"}]
            return [{"event": "signal streams", "streams": streams}]
        if n % 10:
            return []
        come = int(np.searchsorted(times, (n + 1) * HOP / FS_HZ - 0.02))
        part = times[sent:come]
        sent = come
        other = [1, False, text([50.0]), text([-99.0])]
        return [{"event": "signals", "signals": [other, [0, False, text(50.0 + part), text(value(part))]]}]

    emg = muscle.emg[: round(seconds * FS_HZ)]
    return read_recording(session_of(emg, signals=[name, "other"], events=events))


@pytest.mark.parametrize("rate_hz", [10.0, 80.0, 2048.0, 10_000.0])
def test_the_first_signal_is_its_force(session_of, muscle, rate_hz):
    found = force_of(session_of, muscle, "cell", rate_hz, lambda t: 5.0 * t)
    assert (found.force_unit, found.force.dtype) == ("N", np.float32)
    inside = slice(0, round(2.6 * FS_HZ))
    np.testing.assert_allclose(
        found.force[inside], 5.0 * np.arange(len(found.force))[inside] / FS_HZ, atol=5.0 * 0.51 / FS_HZ
    )


def test_a_signal_that_came_late_or_ended_soon_is_no_number_before_and_after(session_of, muscle):
    found = force_of(session_of, muscle, "cell", 100.0, np.ones_like, first_s=1.5, last_s=1.7, seconds=3.0)
    known = np.flatnonzero(np.isfinite(found.force)) / FS_HZ
    assert (known.min(), known.max()) == pytest.approx((0.5, 2.69), abs=0.01)
    assert set(found.force[np.isfinite(found.force)].tolist()) == {1.0}


def test_a_channel_of_the_emgs_stream_is_its_force_sample_for_sample(session_of, muscle):
    values = np.random.default_rng(0).normal(size=4096)

    def events(n):
        samples = np.arange(n * HOP, (n + 1) * HOP, dtype=np.float64)
        return [{"event": "signals", "signals": [[0, True, text(samples), text(values[n * HOP : (n + 1) * HOP])]]}]

    found = read_recording(session_of(muscle.emg[:4096], signals=["70"], events=events))
    np.testing.assert_array_equal(found.force, values.astype(np.float32))


def test_without_a_signal_there_is_no_force(session_of, muscle):
    assert read_recording(session_of(muscle.emg[:4096])).force is None


@pytest.fixture
def two_signals(session_of, muscle):
    """Function that writes a session with three signals of which only those named came, each with its own value."""
    names = ["cell", "knee", "grip:1"]

    def make(*came):
        def events(n):
            streams = [{"state": "on", "unit": unit, "fs_hz": 100.0} for unit in ("N", "deg", "V")]
            place = text([50.0 + n * HOP / FS_HZ])
            told = [[names.index(name), False, place, text([names.index(name)])] for name in came]
            first = [{"event": "signal streams", "streams": streams}] if n == 0 else []
            return first + ([{"event": "signals", "signals": told}] if told else [])

        return session_of(muscle.emg[:4096], signals=names, events=events)

    return make


@pytest.mark.parametrize(
    ("came", "wanted", "unit", "noted"),
    [
        (("cell", "knee"), None, "N", ""),
        (("knee", "grip:1"), None, "deg", "cell never came: the force is knee"),
        (("grip:1",), None, "V", "cell, knee never came: the force is grip:1"),
        (("cell", "knee"), "knee", "deg", ""),
        (("cell", "grip:1"), "grip:1", "V", ""),
        ((), None, "", "no signal beside the EMG came"),
    ],
)
def test_the_force_is_the_first_signal_that_came_or_the_one_that_is_named(two_signals, came, wanted, unit, noted):
    found = read_any(two_signals(*came), Wanted(force=wanted))
    assert found.force_unit == unit
    assert (found.force is None) == (not came)
    if came:
        assert set(found.force[np.isfinite(found.force)]) == {["N", "deg", "V"].index(unit)}
    assert noted in " ".join(found.notes)
    assert bool(found.notes) == bool(noted)


@pytest.mark.parametrize(
    ("wanted", "said"), [("knee", "knee.* never came"), ("force", 'no signal "force".* it has cell, knee, grip:1')]
)
def test_a_force_that_is_not_there_is_refused_with_what_there_is(two_signals, wanted, said):
    with pytest.raises(RecordingError, match=said):
        read_any(two_signals("cell"), Wanted(force=wanted))


def test_the_force_of_a_file_of_ours_has_no_name(muscle_path):
    with pytest.raises(RecordingError, match="leave --force out"):
        read_any(muscle_path, Wanted(force="cell"))
