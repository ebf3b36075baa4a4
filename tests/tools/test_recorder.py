"""A recorded pipeline in processes of its own: killed, out of disk, and with a recorder that stands still."""

import errno
import os
import signal
import sys
import time
from multiprocessing import shared_memory

import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.endpoints import Endpoints
from myodrive.stream.errors import RecordingError
from myodrive.tools import bench_recording, recorder
from myodrive.tools.bench_recording import killed, readable
from myodrive.tools.recorded_pipeline import CHANNELS, FS_HZ, HOP, UNITS, Running, is_alive
from myodrive.tools.recorder import LEAST_BYTES, MOST_BYTES, Recorder, ring_bytes
from myodrive.tools.session_file import Session
from myodrive.tools.synthetic_decoder import synthetic_decoder

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals of POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    """A decoder file of random filters."""
    path = tmp_path_factory.mktemp("decoder") / "decoder.onnx"
    synthetic_decoder(path, CHANNELS, UNITS, FS_HZ, 1)
    return path


@pytest.fixture
def running(decoder):
    """Function that starts a recorded pipeline; both its processes are gone afterwards, stopped ones as well."""
    started = []

    def start(folder, seconds=60.0):
        started.append(Running(decoder, folder, seconds))
        return started[-1]

    yield start
    for one in started:
        one.finish()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("who", bench_recording.WHO)
def test_every_acknowledged_second_survives_a_kill(decoder, tmp_path, who):
    found = killed(decoder, tmp_path / "session", who, 0.3)
    assert found["acknowledged_s"] >= bench_recording.ACKNOWLEDGED_S
    assert found["readable_s"] >= found["acknowledged_s"]
    assert found["right"]
    assert not found["holes"]
    if who == "recorder":
        assert "killed by signal 9" in found["noticed"]


@pytest.mark.timeout(120)
def test_what_was_in_the_ring_is_written_when_the_pipeline_is_killed(running, tmp_path):
    one = running(tmp_path / "session")
    one.wait_for(lambda now: now.recorded_s > 0)
    one.kill("pipeline")
    last = one.finish()
    seconds, right, _ = readable(tmp_path / "session")
    assert right
    assert seconds * FS_HZ >= last.samples_in - 2 * HOP  # but for the turn in hand
    notes = list(Session(tmp_path / "session").notes())
    assert notes[-1]["note"] == "end"
    assert not notes[-1]["pipeline_ended"]


@linux
@pytest.mark.timeout(120)
def test_a_full_disk_is_said_and_the_pipeline_goes_on(decoder, tmp_path):
    found = bench_recording.filled(decoder, tmp_path / "session", 200_000)
    assert "cannot be written" in found["reason"]
    assert found["kept"]
    assert found["went_on_s"] > 0.5


@posix
@pytest.mark.timeout(120)
def test_a_recorder_that_stands_still_is_behind_and_names_what_is_missing(running, tmp_path):
    one = running(tmp_path / "session")
    one.wait_for(lambda now: now.recorded_s > 0)
    before = one.standing()
    os.kill(one.recorder_pid, signal.SIGSTOP)
    one.wait_for(lambda now: now.state == "behind")
    missing = one.wait_for(lambda now: "not recorded" in now.reason, 30.0)
    assert missing.samples_in > before.samples_in
    os.kill(one.recorder_pid, signal.SIGCONT)
    one.wait_for(lambda now: now.state == "on")
    time.sleep(0.3)
    last = one.finish()
    _, right, holes = readable(tmp_path / "session")
    assert right
    ((first, periods),) = holes
    assert f"{periods} sample periods from {first} on" in last.reason


@posix
@pytest.mark.timeout(120)
def test_a_recorder_that_stands_still_ends_by_itself_when_the_pipeline_is_killed(running, tmp_path, until):
    one = running(tmp_path / "session")
    one.wait_for(lambda now: now.recorded_s > 0)
    os.kill(one.recorder_pid, signal.SIGSTOP)
    one.wait_for(lambda now: now.state == "behind")
    one.kill("pipeline")
    assert until(lambda: not is_alive(one.recorder_pid))
    assert list(Session(tmp_path / "session").notes())[-1]["note"] == "end"


@posix
@pytest.mark.timeout(120)
def test_a_recorded_pipeline_ends_with_whoever_started_it(running, tmp_path, until):
    one = running(tmp_path / "session")
    one.wait_for(lambda now: now.recorded_s > 0)
    one.process.stdin.close()  # as the system does for one that was killed
    assert until(lambda: one.process.poll() is not None and not is_alive(one.recorder_pid))


def test_a_folder_that_cannot_be_used_is_refused_before_anything_is_started(decoder, tmp_path):

    (tmp_path / "x").write_text("")
    with pytest.raises(RecordingError, match="holds something already"):
        Recorder(str(tmp_path), read_decoder(decoder), 8, "tcp://127.0.0.1:1", "s")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@linux
def test_without_room_in_memory_nothing_is_started_and_nothing_left(decoder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recorder.os, "posix_fallocate", full, raising=False)
    with pytest.raises(RecordingError, match="No space left"):
        Recorder(str(tmp_path / "s"), read_decoder(decoder), 8, "tcp://127.0.0.1:1", "s")
    assert list(tmp_path.iterdir()) == []


def test_a_recorder_that_reaches_no_pipeline_says_so_and_leaves_nothing(decoder, tmp_path, monkeypatch):

    monkeypatch.setattr(recorder, "START_S", 0.2)
    one = Recorder(str(tmp_path / "session"), read_decoder(decoder), 8, "tcp://127.0.0.1:1", "s")
    try:
        with pytest.raises(RecordingError, match="recorder does not start"):
            one.wait_until_running()
    finally:
        monkeypatch.setattr(recorder, "END_S", 0.2)
        one.close()
    assert not (tmp_path / "session").exists()


@pytest.mark.timeout(60)
def test_it_ends_with_0_and_is_out_of_reach_of_ctrl_c(decoder, tmp_path, free_address):
    address = free_address()
    endpoints = Endpoints(address, "emg")
    try:
        one = Recorder(str(tmp_path / "session"), read_decoder(decoder), 8, address, endpoints.session)
        try:
            one.wait_until_running()
            if os.name == "posix":
                assert os.getpgid(one.pid) == one.pid  # Ctrl-C goes to the group of the terminal's foreground
        finally:
            one.close()
    finally:
        endpoints.close()
    assert one._process.returncode == 0


def test_where_no_process_can_be_started_nothing_is_left(decoder, tmp_path, monkeypatch):
    names = []
    make = recorder._shared_memory

    def noted(size):
        memory = make(size)
        names.append(memory.name)
        return memory

    def none(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(recorder, "_shared_memory", noted)
    monkeypatch.setattr(recorder.subprocess, "Popen", none)
    with pytest.raises(RecordingError, match=r"cannot be started .*temporarily unavailable") as error:
        Recorder(str(tmp_path / "s"), read_decoder(decoder), 8, "tcp://127.0.0.1:1", "s")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        shared_memory.SharedMemory(names[0])


@pytest.mark.parametrize(("fs_hz", "channels", "hop"), [(2048, 64, 8), (2048, 4, 1), (10_000, 512, 4096), (100, 1, 1)])
def test_the_ring_has_room_for_some_turns_and_is_bounded(fs_hz, channels, hop):
    size = ring_bytes(fs_hz, channels, hop)
    assert size >= 4 * hop * channels * 4
    assert LEAST_BYTES <= size <= max(MOST_BYTES + 4096, 5 * (4 * hop * channels + 300))
