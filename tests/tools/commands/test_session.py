"""`myodrive session`: every step by options, with a simulated amplifier."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

import msgspec
import numpy as np
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.errors import StreamError
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.recording import InStream
from myodrive.tools.session import calibrating, electrodes
from myodrive.tools.session_file import Session

if os.name == "posix":
    import fcntl
    import termios

CLI = (sys.executable, "-m", "myodrive.tools.cli")


@pytest.fixture
def amplifier(process, unique, muscle_path, myodrive, until):
    """A stream that goes on; its name."""
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop", "--fault", "flat@0:1000,channels=5")
    return unique


def test_streams_on_are_listed(myodrive, amplifier, until):
    def listed():
        return [one for one in myodrive("session", "find", "--json").json["streams"] if one["name"] == amplifier]

    found = until(listed)
    assert len(found) == 1
    assert found[0]["kind"] == "EMG"
    assert found[0]["channels"] == 24
    assert found[0]["fs_hz"] == 2048.0
    assert found[0]["units"] == ["microvolts"] * 24
    assert "microvolts" in myodrive("session", "find").out


def test_a_check_tells_the_flat_channel_and_keeps_what_was_said(myodrive, amplifier, tmp_path):
    folder = tmp_path / "S01"
    said = myodrive(
        "session", "check", "--stream", amplifier, "--subject", "S01", "-o", folder, "--check-seconds", "2", "--json"
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.json["leave_out"] == [5]
    assert said.json["channels"][5]["word"] == "flat"
    assert (folder / "channels.svg").is_file()
    again = myodrive("session", "check", "-o", folder, "--bad", "5,6", "--check-seconds", "2")
    assert again.code == 0, again.err
    assert "5 F 0" in again.out
    assert '"bad": [' in (folder / "session.json").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("check", "--stream", "emg", "--subject", "S01"), "give one with -o"),
        (("check", "--subject", "S01", "-o", "{}/new"), "needs --stream"),
        (("check", "--stream", "emg", "-o", "{}/new"), "needs --subject"),
        (("check", "--stream", "emg", "--subject", "Anna Smith", "-o", "{}/new"), "who was measured"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_made(myodrive, tmp_path, options, words):
    assert myodrive("session", *(option.format(tmp_path) for option in options)).refused(words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [("record",), ("check",), ("--yes",)])
def test_a_first_step_that_fails_leaves_no_folder(myodrive, monkeypatch, tmp_path, unique, step):
    monkeypatch.setattr(electrodes, "describe_stream", no_stream)
    said = myodrive("session", *step, "--stream", unique, "--subject", "S77", "-o", tmp_path / "S77")
    assert said.code == 1
    assert list(tmp_path.iterdir()) == []


def no_stream(name, say):
    """As where none is on."""
    raise StreamError(f'no stream named "{name}" is on')


def test_a_contraction_is_recorded_sample_for_sample_with_its_force(myodrive, amplifier, muscle, tmp_path):
    folder = tmp_path / "S01"
    said = myodrive(
        "session", "reference", "--stream", amplifier, "--subject", "S01", "-o", folder, "--channels", "0-6,8-23",
        "--grid", "LIN23-05", "--force", "7", "--full", "100", "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.json["measure"] == "force"
    said = myodrive("session", "record", "-o", folder, "--rest", "0", "--ramp", "0.5", "--hold", "1", "--json")
    assert said.code == 0, said.err
    assert said.json["samples"] == 4096
    assert said.json["force"]
    recorded = read_recording(folder / "calibration.h5")
    index = [*range(7), *range(8, 23 + 1)]
    assert recorded.in_stream == InStream(tuple(index), 24)
    first = np.flatnonzero((muscle.emg[:, 8:] == recorded.emg[0, 7:]).all(axis=1))
    rows = (first[0] + np.arange(4096)) % muscle.samples
    sound = [place for place, channel in enumerate(index) if channel != 5]
    np.testing.assert_array_equal(recorded.emg[:, sound], muscle.emg[rows][:, index][:, sound])
    np.testing.assert_array_equal(recorded.force, muscle.emg[rows, 7])
    lines = (folder / "calibration-target.csv").read_text().splitlines()
    assert lines[0] == "time_s,target,level"
    assert len(lines) == 41
    with np.load(folder / "calibration-force.npz") as raw:
        assert len(raw["value"]) >= 4096


def test_a_method_that_cannot_run_is_refused_before_anybody_contracts(myodrive, monkeypatch, tmp_path):
    monkeypatch.setattr(calibrating.importlib.util, "find_spec", lambda name: None)
    options = ("--stream", "emg", "--subject", "S01", "-o", tmp_path / "S01", "--method", "bmiss", "--yes")
    said = myodrive("session", *options)
    assert said.code == 1
    assert "PyTorch" in said.err
    assert list(tmp_path.iterdir()) == []


def test_what_is_lost_while_recording_is_counted(myodrive, process, unique, muscle_path, tmp_path):
    gaps = [part for second in range(3, 60) for part in ("--fault", f"gap@{second}:37n")]
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop", "--counter", *gaps)
    said = myodrive(
        "session", "reference", "--stream", unique, "--subject", "S01", "-o", tmp_path / "S01", "--counter", "24",
        "--full", "50", "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    found = []
    while not found or found[-1]["samples_lost"] == 0:  # until the gaps have begun
        found.append(
            myodrive("session", "record", "-o", tmp_path / "S01", "--rest", "0", "--ramp", "0", "--hold", "2", "--json")
        )  # fmt: skip
        assert found[-1].code == 0, found[-1].err
        found[-1] = found[-1].json
    assert found[-1]["samples_lost"] in (37, 74, 111)
    assert found[-1]["samples"] == 4096
    assert read_recording(tmp_path / "S01" / "calibration.h5").channels == 24


def test_a_target_needs_its_reference(myodrive, tmp_path):
    said = myodrive("session", "record", "--stream", "none", "--subject", "S01", "-o", tmp_path / "S01")
    assert said.refused("session reference")


def test_a_session_goes_from_a_stream_to_a_live_decoder_by_options_alone(myodrive, amplifier, address, tmp_path):
    folder = tmp_path / "S01"

    def step(*options):
        said = myodrive("session", *options, "-o", folder, "--json")
        assert said.code == 0, said.err
        return said.json

    begun = ("--stream", amplifier, "--subject", "S01", "--channels", "3-23", "--check-seconds", "2")
    assert step("check", *begun)["leave_out"] == [5]
    step("reference", "--reference-seconds", "1")
    recorded = step("record", "--rest", "0", "--ramp", "1", "--hold", "6", "--level", "0.5")
    assert recorded["samples"] == 8 * 2048
    assert recorded["measure"] == "envelope"
    found = step("calibrate")
    assert len(found["units"]) >= 3
    assert found["left_out"] == {"5": "named as bad"}
    channels = read_decoder(folder / "decoder.onnx").info.channels
    assert channels.index == [3, 4, *range(6, 24)]  # as the stream counts
    assert channels.stream_channels == 24
    decoded = ("decode", folder / "calibration.h5", "--decoder", folder / "decoder.onnx", "-o", tmp_path / "e.tsv")
    assert min(myodrive(*decoded, "--json").json["discharges"].values()) > 0
    told = step("review", "--drop", "0")
    assert len(told["kept"]) == len(found["units"]) - 1
    command = step("live", "--print", "--bind", address)["command"]
    assert f"run --stream {amplifier} --decoder {folder}" in command
    live = step("live", "--bind", address, "--live-seconds", "5")  # of these some to find the stream
    assert live["run"]["samples_in"] > 1000
    assert live["run"]["recording"] in ("on", "ended")
    assert Session(live["recorded"]).look_through().samples > 1000
    kept = msgspec.json.decode((folder / "session.json").read_bytes())
    assert set(kept["steps"]) == {"check", "reference", "record", "calibrate", "review", "live"}
    assert kept["steps"]["calibrate"]["settings"]["seed"] == 0
    assert kept["created_by"]["myodrive"]


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is POSIX")
def test_a_person_is_guided_at_a_terminal_and_takes_up_what_was_interrupted(amplifier, terminal, tmp_path):
    folder = tmp_path / "S01"
    options = (
        "session", "-o", folder, "--check-seconds", "2", "--reference-seconds", "1", "--rest", "0", "--ramp", "1",
        "--hold", "6", "--level", "0.5",
    )  # fmt: skip
    person = terminal(*options)
    person.answer("subject", "Anna")
    person.answer("who was measured", "S01")
    person.answer("stream, by number", amplifier)
    person.answer("Enter begins", "")
    person.answer("keep it?", "")
    person.answer("to leave out [5]", "")
    person.answer("Enter begins", "")
    person.answer("keep it?", "")
    person.answer("Enter begins", "")
    person.answer("slowly harder", "\x03", "")  # Ctrl-C while the target runs
    person.answer("takes it up here", "", "")
    assert person.process.wait(timeout=30) == 130
    kept = msgspec.json.decode((folder / "session.json").read_bytes())
    assert set(kept["steps"]) == {"check", "reference"}
    assert not (folder / "calibration.h5").exists()

    person = terminal(*options)
    person.answer("check was done at", "")
    person.answer("reference was done at", "")
    person.answer("Enter begins", "")
    person.answer("keep it?", "")
    person.answer("units to drop", "0")
    person.answer("go live now?", "n")
    assert person.process.wait(timeout=30) == 0
    assert "run --stream" in person.heard()
    kept = msgspec.json.decode((folder / "session.json").read_bytes())
    assert kept["steps"]["review"]["result"]["dropped"] == [0]


@pytest.fixture
def terminal():
    """Start a command at a pseudo-terminal of its own, and answer what it asks."""
    with contextlib.ExitStack() as ending:
        yield lambda *arguments: Person(ending, arguments)


class Person:
    """Reads what a command writes to its terminal, and types."""

    def __init__(self, ending, arguments):
        self._ours, theirs = os.openpty()
        ending.callback(os.close, self._ours)
        environment = os.environ | {"COLUMNS": "100", "LINES": "40", "TERM": "xterm"}
        command = [*CLI, *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        ending.callback(self._end)
        os.close(theirs)
        self._said = ""

    def _end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def heard(self, seconds=0.5):
        """What was written since the last answer."""
        while select.select([self._ours], [], [], seconds)[0]:
            try:
                more = os.read(self._ours, 65536)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            self._said += more.decode("utf-8", "replace")
        return self._said

    def answer(self, words, line, end="\n"):
        """Wait until `words` are written, then type a line."""
        deadline = time.monotonic() + 90.0
        while words not in self._said:
            assert time.monotonic() < deadline, self._said[-2000:]
            before = len(self._said)
            if len(self.heard(0.05)) == before and self.process.poll() is not None:
                assert words in self._said, self._said[-2000:]
        self._said = self._said.partition(words)[2]
        os.write(self._ours, (line + end).encode())
