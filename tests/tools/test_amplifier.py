"""The simulated amplifier, heard over LSL from another process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pylsl
import pytest

from myodrive.stream.errors import MyodriveError, OptionError, StreamError
from myodrive.stream.geometry import Geometry
from myodrive.tools.amplifier import Played, play
from myodrive.tools.faults import Fault
from myodrive.tools.hdf5_writing import write_recording
from myodrive.tools.recording import Recording

FS_HZ = 2000.0
PLAY = "import json, sys; from myodrive.tools.amplifier import play_file; play_file(**json.loads(sys.argv[1]))"


@pytest.fixture(scope="module")
def recording():
    """1.1 s of 5 channels in which each value names its sample and channel."""
    sample, channel = np.mgrid[:2200, :5]
    geometry = Geometry(np.array([0, 1, 2, 3, 0]), np.array([0, 0, 0, 0, 1]), 8.0, 4, 2)
    return Recording((sample + channel / 8).astype(np.float32), FS_HZ, geometry, muscle="vastus lateralis")


@pytest.fixture(scope="module")
def path(recording, tmp_path_factory):
    path = tmp_path_factory.mktemp("amplifier") / "ramp.h5"
    write_recording(path, recording)
    return path


@contextmanager
def amplifier(path, **options):
    """Another process that plays `path`; gives the process and an inlet that misses nothing."""
    source_id = f"test-{uuid.uuid4()}"
    arguments = {"path": str(path), "name": "ramp", "source_id": source_id, "wait_for_consumers_s": 20.0, **options}
    command = [sys.executable, "-c", PLAY, json.dumps(arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = pylsl.resolve_byprop("source_id", source_id, timeout=20.0)
            assert found, "the stream did not appear in 20 s"
            inlet = pylsl.StreamInlet(found[0], max_buflen=30, processing_flags=0, recover=False)
            inlet.info(10.0)
            inlet.open_stream(10.0)
            yield process, inlet
        finally:
            process.kill()


def receive(inlet, samples, timeout_s=10.0):
    """The values, their stamps, and for each the LSL clock when it was in hand."""
    values, stamps, clock = [], [], []
    deadline = time.monotonic() + timeout_s
    while len(stamps) < samples and time.monotonic() < deadline:
        try:
            block, times = inlet.pull_chunk(timeout=0.0, max_samples=512)
        except pylsl.util.LostError:
            break
        now = pylsl.local_clock()
        values += block
        stamps += times
        clock += [now] * len(times)
        time.sleep(0.0005)
    return np.array(values), np.array(stamps), np.array(clock)


def test_every_sample_arrives_in_order_with_its_own_time_and_never_early(path, recording):
    with amplifier(path, chunk=8) as (process, inlet):
        values, stamps, clock = receive(inlet, recording.samples)
        said, _ = process.communicate(timeout=10)
    assert np.array_equal(values, recording.emg)
    np.testing.assert_allclose(stamps - stamps[0], np.arange(recording.samples) / FS_HZ, atol=1e-7)
    last_of_chunk = stamps[7::8]
    assert (clock[7::8] >= last_of_chunk - 1e-6).all()
    assert np.median(clock[7::8] - last_of_chunk) < 0.02
    assert process.returncode == 0
    assert "sent 2200 samples" in said


def test_a_loop_goes_on_without_a_break_in_time(path, recording):
    with amplifier(path, chunk=7, loop=True) as (_, inlet):
        values, stamps, _ = (found[:3000] for found in receive(inlet, 3000))
    assert np.array_equal(values, recording.emg[np.arange(3000) % recording.samples])
    np.testing.assert_allclose(np.diff(stamps), 1 / FS_HZ, atol=1e-7)


def test_the_stream_says_what_it_is(path, recording):
    with amplifier(path) as (_, inlet):
        info = inlet.info(10.0)
    assert (info.type(), info.nominal_srate(), info.channel_count()) == ("EMG", FS_HZ, 5)
    assert info.channel_format() == pylsl.cf_float32
    channel = info.desc().child("channels").child("channel")
    places = []
    while not channel.empty():
        assert channel.child_value("unit") == "microvolts"
        assert channel.child_value("type") == "EMG"
        places.append([float(channel.child("location").child_value(axis)) for axis in "XYZ"])
        channel = channel.next_sibling("channel")
    geometry = recording.geometry
    assert places == np.stack([geometry.across_mm(), np.zeros(5), geometry.along_mm()], axis=1).tolist()


@pytest.mark.parametrize(
    ("dtype", "unit", "text", "in_uv", "tolerance"),
    [
        ("int16", "uV", "microvolts", 1.0, 0.5),
        ("double64", "V", "volts", 1e6, 1e-3),
    ],
)
def test_other_formats_and_units_carry_the_same_microvolts(path, recording, dtype, unit, text, in_uv, tolerance):
    with amplifier(path, dtype=dtype, unit=unit, chunk=64) as (_, inlet):
        info = inlet.info(10.0)
        values, _, _ = receive(inlet, recording.samples)
    assert info.desc().child("channels").child("channel").child_value("unit") == text
    assert np.abs(values.astype(np.float64) * in_uv - recording.emg).max() <= tolerance


def test_a_gap_costs_exactly_its_samples_and_a_stall_none(path, recording):
    with amplifier(path, chunk=10, faults=["gap@0.2:0.1", "stall@0.5:0.3"]) as (_, inlet):
        values, stamps, clock = receive(inlet, recording.samples - 200)
    lost = np.arange(400, 600)
    assert np.array_equal(values, np.delete(recording.emg, lost, axis=0))
    expected = np.delete(np.arange(recording.samples), lost) / FS_HZ
    np.testing.assert_allclose(stamps - stamps[0], expected, atol=1e-7)
    age = clock - stamps
    assert 0.25 < age[expected >= 0.5][0] < 0.6
    assert age[expected >= 0.85].min() < 0.05


if os.name == "posix":  # Windows knows no SIGTERM that a program could answer

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_cleanly_with_the_count_so_far(path, number):
        with amplifier(path, loop=True) as (process, inlet):
            _, stamps, _ = receive(inlet, 600)
            process.send_signal(number)
            said, errors = process.communicate(timeout=5)
        assert process.returncode == 0
        assert "Traceback" not in errors
        count = int(said.split("sent ")[1].split()[0])
        assert 600 <= len(stamps) <= count < 20_000


def test_ready_is_called_when_the_stream_can_be_found_and_stop_ends_it(recording):
    class Stop:
        """Set from the start."""

        def is_set(self):
            return True

        def wait(self, _):
            return True

    seen = []
    played = play(recording, "x", str(uuid.uuid4()), ready=lambda: seen.append(1), stop=Stop())
    assert (played.samples, seen) == (0, [1])
    assert "sent 0 samples" in str(played)


def test_nobody_listening_is_an_error_where_somebody_was_awaited(recording):
    with pytest.raises(StreamError, match="nobody subscribed"):
        play(recording, "x", str(uuid.uuid4()), wait_for_consumers_s=0.3)


def test_chunks_leave_after_they_are_due_and_soon_stamped_from_the_first_sample(recording):
    source_id, played = f"test-{uuid.uuid4()}", []
    options = {"chunk": 16, "seconds": 0.5, "wait_for_consumers_s": 20.0}
    thread = threading.Thread(target=lambda: played.append(play(recording, "x", source_id, **options)), daemon=True)
    thread.start()
    try:
        (found,) = pylsl.resolve_byprop("source_id", source_id, timeout=20.0)
        inlet = pylsl.StreamInlet(found, max_buflen=30, processing_flags=0, recover=False)
        _, stamps, _ = receive(inlet, 1000)
    finally:
        thread.join(25.0)  # it gives up by itself where nobody listens
    assert played[0].samples == len(stamps) == 1000
    assert len(played[0].late_ms) == 63
    assert played[0].late_ms.min() >= 0
    assert np.median(played[0].late_ms) < 1.0
    assert stamps[0] == pytest.approx(played[0].first_stamp, abs=1e-6)
    assert stamps[-1] == pytest.approx(played[0].first_stamp + 999 / FS_HZ, abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"chunk": 0},
        {"chunk": 2201},
        {"seconds": 0},
        {"seconds": float("nan")},
        {"dtype": "string"},
        {"dtype": "int16", "unit": "V"},
        {"dtype": "int32", "unit": "mV"},
        {"unit": "furlong"},
        {"unit": "uV", "step_uv": 0.5},
        {"unit": "none", "step_uv": -1.0},
        {"dtype": "int16", "faults": [Fault("nan", 0.1, 0.1)]},
    ],
)
def test_options_that_cannot_be_had_are_refused_before_a_stream_appears(recording, options):
    with pytest.raises(OptionError) as caught:
        play(recording, "x", "y", ready=lambda: pytest.fail("a stream appeared"), **options)
    assert "\n" not in str(caught.value)
    assert ": " in str(caught.value)


def test_a_stream_without_a_name_is_refused(recording):
    for name, source_id in (("", "y"), ("x", "")):
        with pytest.raises(MyodriveError, match="name and a source id"):
            play(recording, name, source_id)


def test_lateness_is_summed_up_in_one_line():
    assert str(Played(16, 0.0, np.array([0.1, 0.3]))).count("\n") == 0


def test_labels_are_sent_where_the_recording_has_its_own(recording, tmp_path):
    write_recording(tmp_path / "l.h5", replace(recording, labels=tuple("abcde")))
    with amplifier(tmp_path / "l.h5") as (_, inlet):
        assert inlet.info(10.0).get_channel_labels() == list("abcde")
