"""A small recording with known units, its decoder, and our commands called as a user calls them."""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest
import zmq

from myodrive.stream.geometry import Geometry
from myodrive.tools import cli, parameter_trial, recording_reader
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.hdf5_writing import write_recording
from myodrive.tools.parameter_trial import refusal_of
from myodrive.tools.recording import Recording
from myodrive.tools.recording_reader import write_what_is_read
from myodrive.tools.session_info import SessionInfo

FS_HZ = 2048.0
ROWS, COLS, UNITS, SECONDS = 8, 3, 4, 9
CLI = (sys.executable, "-m", "myodrive.tools.cli")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on stdout; fails where anything else stands there."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        found = msgspec.json.decode(lines[0])
        assert isinstance(found, dict)
        return found

    def refused(self, *words):
        """Whether it ended with 1 and one sentence on stderr that holds `words`, and nothing on stdout."""
        assert self.code == 1, (self.code, self.err)
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("myodrive ")
        assert "Traceback" not in self.err
        for word in words:
            assert word in lines[0], self.err
        return True

    def wrong_usage(self, *words):
        """Whether it ended with 2, what is wrong on the last line."""
        assert self.code == 2, (self.code, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err.splitlines()[-1], self.err
        return True


@pytest.fixture
def apart():
    """For a test of `myodrive`: files from anybody are read in processes of their own, as they are for users."""


@pytest.fixture
def myodrive(capsys, request):
    """Call a command in this process; what it printed is all that it printed.

    Recordings and parameter models are read in this process too, by the same code, unless a test asks for `apart`: a
    process for each would be most of what these tests cost.
    """

    def call(*arguments) -> Said:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    with pytest.MonkeyPatch.context() as patch:
        if "apart" not in request.fixturenames:
            patch.setattr(
                recording_reader, "_hand_over", lambda path, wanted, out, _: write_what_is_read(path, wanted, out)
            )
            patch.setattr(parameter_trial, "_tried", lambda given: (0, refusal_of(given).encode()))
        yield call


@pytest.fixture
def process():
    """Start a command as a process of its own; what still runs at the end is ended by its id."""

    def end(one: subprocess.Popen) -> None:
        if one.poll() is None:
            if os.name == "posix":
                os.killpg(one.pid, signal.SIGKILL)
            else:
                one.kill()
        one.communicate()

    def start(*arguments, **options) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        options["start_new_session"] = os.name == "posix"  # so that what it started itself can be ended with it
        one = subprocess.Popen([*CLI, *map(str, arguments)], **options)
        ending.callback(end, one)
        return one

    with contextlib.ExitStack() as ending:
        yield start


@pytest.fixture
def beside_interrupts():
    """Run some lines of Python in a process whose group gets SIGINT again and again, and only notes it; their output.

    What these lines start gets it as well, as from Ctrl-C at a terminal, unless it is in a group of its own.
    """
    begin = (
        "import os, signal, threading\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
        "for tenth in range(1, 20): threading.Timer(tenth / 10, os.killpg, (0, signal.SIGINT)).start()\n"
    )

    def call(lines: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-c", begin + lines], capture_output=True, text=True, timeout=100,
            start_new_session=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.fixture
def unique():
    """A name that no other stream has."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def address(free_address):
    """A free address on loopback, the next port free as well."""
    return free_address()


def _muscle() -> Recording:
    """Waves that run along the rows, every unit at its own rhythm, an offset on every channel as amplifiers have."""
    rng = np.random.default_rng(5)
    samples = round(SECONDS * FS_HZ)
    row, col = (axis.ravel() for axis in np.meshgrid(np.arange(ROWS), np.arange(COLS), indexing="ij"))
    emg = rng.normal(0.0, 1.0, (samples, ROWS * COLS))
    units = {}
    time_axis = np.arange(-30, 31)[:, None]  # samples
    for unit in range(UNITS):
        intervals = rng.normal(0.09 + 0.011 * unit, 0.012, 200).clip(0.05)
        train = np.round(FS_HZ * (0.3 + np.cumsum(intervals))).astype(np.int64)
        train = train[train < samples - 60]
        zone, side = rng.uniform(1, ROWS - 2), unit % COLS
        phase = (time_axis - rng.uniform(2.5, 6) * np.abs(row - zone) + 12) / rng.uniform(2.5, 5)
        wave = 40.0 * np.exp(-((col - side) ** 2) / 2) * (1 - phase**2) * np.exp(-(phase**2) / 2)
        for instant in train:
            emg[instant - 30 : instant + 31] += wave
        units[unit] = train
    emg += rng.uniform(-200, 200, ROWS * COLS)
    return Recording(emg.astype(np.float32), FS_HZ, Geometry(row, col, 8.0, ROWS, COLS), muscle="test", units=units)


@pytest.fixture(scope="session")
def muscle() -> Recording:
    """9 s of 24 channels and 4 units."""
    return _muscle()


@pytest.fixture(scope="session")
def muscle_path(muscle, made_once) -> Path:
    """The same as a file."""
    return made_once("muscle", lambda folder: write_recording(folder / "muscle.h5", muscle)) / "muscle.h5"


@pytest.fixture(scope="session")
def calibrated(muscle_path, made_once) -> tuple[Path, dict]:
    """A decoder of it, made by the command in a process of its own, and what that printed."""

    def calibrate(folder: Path) -> None:
        command = [*CLI, "calibrate", str(muscle_path), "-o", "decoder.onnx", "--json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=100, check=True)
        (folder / "told.json").write_bytes(done.stdout)

    folder = made_once("decoder", calibrate)
    return folder / "decoder.onnx", msgspec.json.decode((folder / "told.json").read_bytes())


@pytest.fixture(scope="session")
def decoder_path(calibrated) -> Path:
    """The decoder file alone."""
    return calibrated[0]


@pytest.fixture
def changed(muscle_path, tmp_path):
    """A copy of the recording file after `change` had its hands on the open HDF5 file."""

    def make(change) -> Path:
        path = tmp_path / "changed.h5"
        path.write_bytes(muscle_path.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


@pytest.fixture
def recording_like(muscle, tmp_path):
    """A recording file that differs from the usual one in some fields."""

    def make(**fields) -> Path:
        path = tmp_path / "like.h5"
        write_recording(path, replace(muscle, **fields))
        return path

    return make


@pytest.fixture
def control():
    """Send any bytes to the control socket beside an address; the reply as a map, None when none came."""

    def send(address: str, body: bytes, timeout_s: float = 5.0):
        host, _, port = address.rpartition(":")
        with zmq.Context() as context:
            socket = context.socket(zmq.REQ)
            try:
                socket.setsockopt(zmq.LINGER, 0)
                socket.connect(f"{host}:{int(port) + 1}")
                socket.send(body)
                return msgspec.msgpack.decode(socket.recv()) if socket.poll(1000 * timeout_s) else None
            finally:
                socket.close(linger=0)

    return send


@pytest.fixture(scope="session")
def excerpt(excerpt_path) -> Recording:
    """The bundled recording."""
    return read_recording(excerpt_path)


@pytest.fixture(scope="session")
def an_info():
    """Function that makes what `session.json` holds of a session of 3 channels in hops of 4, but for `fields`."""

    def make(**fields):
        values = {
            "version": 1, "session": "s", "stream": "emg", "fs_hz": 2048.0, "channels": [0, 1, 2],
            "decoder_sha256": "0" * 64, "hop": 4, "provider": "cpu", "whitening": "folded", "gain": None,
            "drive_rate_hz": 100.0, "smoothing_s": 0.08, "fallback": "none", "parameters_sha256": None,
            "why_no_parameters": "none", "clock": (0.0, 0.0), "created_by": {},
        }  # fmt: skip
        return SessionInfo(**(values | fields))

    return make


@pytest.fixture
def rng():
    """Random numbers, the same every time."""
    return np.random.default_rng(0)
