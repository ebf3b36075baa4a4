"""Signals beside the EMG between processes: LSL in, ZeroMQ out, recorded and replayed, with everything that may happen.

A force of these tests is its own time stamp, and the amplifier counts its samples, so each value says where it belongs.
"""

import subprocess
import sys
import time

import msgspec
import numpy as np
import pylsl
import pytest

from myodrive.stream.messages import Signal
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.session_file import Session
from myodrive.tools.subscriber import Subscriber

FS_HZ = 2048.0
KNOWN_SAMPLES = 2 * FS_HZ  # a gap in the first half second counts only then; signals may be ahead of a busy loop
COUNTER = 24  # channel of the usual muscle's stream behind its own
STATUS, STOP = (msgspec.msgpack.encode({"do": word}) for word in ("status", "stop"))

CELL = """
import sys, time, pylsl
name, rate = sys.argv[1], float(sys.argv[2])
info = pylsl.StreamInfo(name, "Force", 2, rate, pylsl.cf_double64, name)
channels = info.desc().append_child("channels")
for unit in ("V", "Nm"):
    channels.append_child("channel").append_child_value("unit", unit)
out = pylsl.StreamOutlet(info, max_buffered=5)
t0, n = pylsl.local_clock(), 0
print("ready", flush=True)
while True:
    due = int((pylsl.local_clock() - t0) * rate)
    for k in range(n, due):
        out.push_sample([0.0, t0 + k / rate], t0 + k / rate)
    n = max(n, due)
    time.sleep(0.005)
"""


@pytest.fixture
def cell():
    """Function that starts a force of some rate in a process of its own, whose channel 1 says its own time."""
    running = []

    def start(name, rate):
        one = subprocess.Popen([sys.executable, "-c", CELL, name, str(rate)], stdout=subprocess.PIPE)
        running.append(one)
        assert one.stdout.readline() == b"ready\n"
        return one

    yield start
    for one in running:
        one.kill()
        one.wait(5)
        one.stdout.close()


class Pipeline:
    """`run --signal` as a process, and what it publishes."""

    def __init__(self, process, control, until, unique, decoder_path, address, *options):
        self._control, self._until, self.address = control, until, address
        self.process = process(
            "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none", "--json",
            *options,
        )  # fmt: skip
        self.subscriber = Subscriber(address, ("signal/",))
        self.found = {}

    def status(self):
        """What it says of itself; none while it does not answer."""
        return (self._control(self.address, STATUS) or {}).get("status")

    def until_states(self, *states):
        """Wait until the signals are doing so."""
        assert self._until(
            lambda: (now := self.status()) and [one["state"] for one in now["signals"]] == list(states), 60
        ), self.status()

    def listen(self, seconds):
        """Keep what is published in that time, by name: rows of value, sample and time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            received = self.subscriber.receive(0.1)
            if received is not None:
                message = received[1]
                assert isinstance(message, Signal)
                rows = zip(message.value, message.value_sample, message.value_t, strict=True)
                self.found.setdefault((message.name, message.unit), []).append(list(rows))

    def rows(self, name, unit):
        """All rows of a signal, shape (values, 3), and how many messages they came in."""
        found = self.found[name, unit]
        return np.array([row for message in found for row in message]), len(found)

    def stop(self):
        """End it in order; what it says of the run."""
        assert self._control(self.address, STOP)["ok"]
        out, err = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, err
        return msgspec.json.decode(out)


@pytest.fixture
def pipeline(process, control, until, unique, decoder_path, address):
    """Function that starts `run` with options; its subscriber is closed in the end."""
    made = []

    def start(*options):
        made.append(Pipeline(process, control, until, unique, decoder_path, address, *options))
        return made[-1]

    yield start
    for one in made:
        one.subscriber.close()


@pytest.mark.parametrize("rate", [10.0, 5000.0])
def test_every_value_is_on_its_sample_through_gaps_and_a_force_that_dies(
    pipeline, cell, process, unique, muscle_path, myodrive, until, tmp_path, rate
):
    name = f"{unique} cell"
    first = cell(name, rate)
    live = pipeline("--signal", f"{name}:1", "--signal", str(COUNTER), "--record", tmp_path / "session")
    gaps = [part for second in range(2, 40) for part in ("--fault", f"gap@{second}:{37 + 200 * (second % 3)}n")]
    amplifier = process(
        "play", muscle_path, "--name", unique, "--source-id", unique, "--counter", "--loop", "--seconds", "40",
        "--json", *gaps,
    )  # fmt: skip
    live.until_states("on", "on")
    live.listen(2.5)
    first.kill()
    first.wait()
    live.until_states("lost", "on")
    cell(name, rate)
    live.until_states("on", "on")
    live.listen(1.5)
    status = live.status()
    said = live.stop()
    live.listen(0.2)
    amplifier.terminate()
    played = msgspec.json.decode(amplifier.communicate(timeout=20)[0])

    counts, messages = live.rows(str(COUNTER), "")
    assert messages < 110 * (counts[-1, 2] - counts[0, 2])  # at the drive's rate, not one a hop
    counts = counts[counts[:, 1] > KNOWN_SAMPLES]
    offset = counts[0, 0] - counts[0, 1]
    np.testing.assert_array_equal(counts[:, 0] - counts[:, 1], offset)  # to the sample, lost ones counted
    assert said["samples_lost"] > 0
    assert len(counts) > FS_HZ
    stamped = played["first_stamp"] + counts[:, 0] / FS_HZ
    np.testing.assert_allclose(counts[:, 2], stamped, atol=0.6 / FS_HZ)

    values, messages = live.rows(f"{name}:1", "Nm")
    values = values[values[:, 1] > KNOWN_SAMPLES]
    true = (values[:, 0] - played["first_stamp"]) * FS_HZ - offset
    slower_s = max(1 / rate, 1 / FS_HZ)
    np.testing.assert_allclose(values[:, 1], true, atol=0.5 * FS_HZ * slower_s)
    assert np.abs(values[:, 1] - true).max() < 1.0
    np.testing.assert_allclose(values[:, 2], values[:, 0], atol=0.5 * slower_s)
    steps = np.round(np.diff(values[:, 0]) * rate).astype(int)
    assert (steps == 1).mean() > 0.9
    assert (steps > 1).sum() <= 2  # where it was away
    assert [one["unit"] for one in status["signals"]] == ["Nm", ""]
    assert [one["fs_hz"] for one in status["signals"]] == [rate, FS_HZ]
    assert status["signals_missed"] == 0

    said = myodrive("replay", tmp_path / "session", "--check", "--json")
    assert said.code == 0, (said.out, said.err)
    assert said.json["check"]["same"]
    assert said.json["check"]["rounding"] == 0
    recorded = [body for topic, body in Session(tmp_path / "session").messages() if topic.startswith(b"signal/")]
    assert said.json["check"]["compared"]["signal"] == len(recorded) > 300


def test_a_session_without_gaps_is_a_recording_with_its_force(
    pipeline, process, unique, muscle, recording_like, myodrive, tmp_path
):
    ramp = (np.arange(muscle.samples) / FS_HZ).astype(np.float32)
    path = recording_like(force=ramp, force_unit="%MVC")
    live = pipeline("--signal", f"{unique} force", "--record", tmp_path / "session")
    amplifier = process(
        "play", path, "--name", unique, "--source-id", unique, "--force-stream", f"{unique} force:80",
        "--wait-for-consumers", "60", "--seconds", "6",
    )  # fmt: skip
    live.until_states("on")
    amplifier.wait(timeout=60)
    live.stop()
    found = read_recording(tmp_path / "session")
    first = int(np.flatnonzero((muscle.emg == found.emg[0]).all(axis=1))[0])
    assert found.force_unit == "%MVC"
    true = (first + np.arange(found.samples)) / FS_HZ
    known = np.isfinite(found.force)
    inner = slice(round(0.5 * FS_HZ), found.samples - round(0.2 * FS_HZ))
    assert known[inner].all()
    np.testing.assert_allclose(found.force[inner], true[inner], atol=1.0 / FS_HZ)
    said = myodrive("convert", tmp_path / "session", tmp_path / "session.npz")
    assert said.code == 0, said.err
    with np.load(tmp_path / "session.npz") as converted:
        np.testing.assert_array_equal(converted["force"], found.force)
        assert str(converted["force_unit"]) == "%MVC"


def test_a_stream_of_strings_is_refused_in_one_sentence_and_the_emg_goes_on(
    pipeline, process, unique, muscle_path, until
):
    words = pylsl.StreamOutlet(pylsl.StreamInfo(f"{unique} w", "Markers", 1, 100.0, "string", f"{unique} w"))
    live = pipeline("--signal", f"{unique} w")
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    assert until(lambda: (now := live.status()) and "not numbers" in now["signals"][0]["reason"], 60)
    (entry,) = live.status()["signals"]
    assert entry["state"] == "waiting"
    assert "\n" not in entry["reason"]
    assert until(lambda: live.status()["state"] == "live", 60)
    live.stop()
    del words


def test_a_signal_that_never_came_is_said_in_the_end(myodrive, process, unique, muscle_path, decoder_path, address):
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    options = ("run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none")
    said = myodrive(*options, "--seconds", "3", "--signal", f"{unique} none")
    assert said.code == 0
    assert f'signal {unique} none is waiting: no stream named "{unique} none" is on' in said.err.splitlines()[-1]
    said = myodrive(*options, "--seconds", "1", "--signal", "5", "--json")
    assert said.json["signals"] == [{"name": "5", "state": "on", "reason": ""}]


def test_a_channel_that_the_emgs_stream_has_not_ends_the_run_in_one_sentence(
    myodrive, process, unique, muscle_path, decoder_path, address
):
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    said = myodrive(
        "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none", "--json",
        "--signal", "24",
    )  # fmt: skip
    assert (said.code, said.out) == (1, "")
    assert "no channel 24 of a signal: give another with --signal" in said.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--signal", "70", "--signal", "emg:70"), "the same"),
        (("--signal", ""), "no signal"),
        (sum((("--signal", name) for name in "abcde"), ()), "too many"),
    ],
)
def test_signals_that_cannot_be_are_refused(myodrive, decoder_path, address, options, word):
    assert myodrive("run", "--stream", "emg", "--decoder", decoder_path, "--bind", address, *options).refused(word)
