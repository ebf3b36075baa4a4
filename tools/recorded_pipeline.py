"""A recorded pipeline as a process: the whole live loop over samples that come at their pace.

Each sample is a function of its number, so that what is read back can be compared with what was recorded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from ..stream.array_source import ArraySource
from ..stream.decoder_file import Decoder, read_decoder
from ..stream.drive import DriveSettings
from ..stream.endpoints import Endpoints
from ..stream.hop import Hop
from ..stream.loop import run
from ..stream.pipeline import Pipeline
from ..stream.recording import Recording
from ..stream.reporter import Reporter
from .parameters import NONE, choose_model
from .ports import free_port_pair
from .processes import python_command, watch_parent
from .recorder import Recorder, session_info

FS_HZ, CHANNELS, UNITS, HOP = 2048.0, 64, 8, 8
TILE = 4096  # samples after which the signal repeats
STREAM = "bench"
START_S, END_S = 60.0, 20.0


def signal_of(channels: int = CHANNELS) -> NDArray[np.float32]:
    """The samples, float32 (TILE, channels) in uV; number n is row n modulo TILE."""
    return (30.0 * np.random.default_rng(3).standard_normal((TILE, channels))).astype(np.float32)


class PacedSource(ArraySource):
    """Samples at the pace of an amplifier, an array of whole hops over and over."""

    def __init__(self, emg: NDArray[np.float32], fs_hz: float, hop: int) -> None:
        super().__init__(emg, fs_hz, hop)
        self._fs_hz = fs_hz
        self._stamps = np.zeros(hop)

    def begin(self) -> None:
        """The first sample is due now."""
        self._start = pylsl.local_clock()

    @property
    def ended(self) -> bool:
        """Never."""
        return False

    def next_hop(self) -> Hop:
        """The next samples, when they are due."""
        first = self.samples_in
        due = self._start + (first + self.hop) / self._fs_hz
        if (wait := due - pylsl.local_clock()) > 0:
            time.sleep(wait)
        hop = self._hop
        row = first % len(self._emg)
        hop.signal = self._emg[row : row + self.hop]
        hop.samples = self.hop
        hop.first_sample = first
        self._stamps[:] = self._start + (first + 1 + np.arange(self.hop)) / self._fs_hz
        hop.stamp = hop.arrived = due
        self.timeline.account(self._stamps, due)
        self.samples_in += self.hop
        return hop


def record_session(
    decoder: Decoder,
    folder: str,
    source: PacedSource,
    seconds: float,
    *,
    watch: Callable[[Recorder, Recording, Reporter], None] = lambda recorder, recording, reporter: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run the live loop over `source` and record it.

    Parameters
    ----------
    decoder : Decoder
    folder : str
        New, or empty.
    source : PacedSource
    seconds : float
    watch : callable
        Given what there is to look at, right before the first sample.
    stop : callable

    Raises
    ------
    RecordingError, AddressError
    """
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    endpoints = Endpoints(address, STREAM)
    recorder = pipeline = None
    try:
        recorder = Recorder(folder, decoder, source.hop, address, endpoints.session)
        endpoints.announce_warming(pylsl.local_clock())
        drive = DriveSettings()
        pipeline = Pipeline(decoder, source.hop, drive=drive)
        chosen = choose_model(NONE, decoder)
        recorder.describe(
            session_info(
                session=endpoints.session, stream=STREAM, decoder=decoder, hop=source.hop, provider="cpu",
                whitening="folded", gain=None, drive_rate_hz=drive.rate_hz, smoothing_s=drive.smoothing_s,
                fallback=drive.fallback, chosen=chosen,
            ),
            None,
        )  # fmt: skip
        recorder.wait_until_running()
        recording = Recording(recorder.ring, decoder.info.fs_hz, source, pipeline, endpoints.publisher)
        recorder.watch(recording)
        reporter = Reporter(endpoints, decoder, source, pipeline, None, chosen.why_none, recording)
        recording.follow(reporter, endpoints.control)
        watch(recorder, recording, reporter)
        source.begin()
        run(source, pipeline, reporter, seconds=seconds, stop=stop, recording=recording)
    finally:
        if recorder is not None:
            recorder.close()
        if pipeline is not None:
            pipeline.close()
        endpoints.close()


def pipeline_process(decoder_path: str, folder: str, seconds: float) -> None:
    """The live loop, recorded; says on stdout how it stands: seconds acknowledged, state, late hops, reason.

    It ends after `seconds`, and when its standard input does: whoever started it is gone.
    """
    decoder = read_decoder(decoder_path)
    source = PacedSource(signal_of(len(decoder.info.channels.index)), decoder.info.fs_hz, HOP)
    gone = threading.Event()
    last: list[Callable[[], None]] = []

    def watch(recorder: Recorder, recording: Recording, reporter: Reporter) -> None:
        print(recorder.pid, flush=True)
        last.append(lambda: _say(recording, reporter, source))
        threading.Thread(target=_tell, args=(last[0],), daemon=True).start()
        threading.Thread(target=watch_parent, args=(gone,), daemon=True).start()

    record_session(decoder, folder, source, seconds, watch=watch, stop=gone.is_set)
    last[0]()


def _tell(say: Callable[[], None]) -> None:
    while True:
        time.sleep(0.02)
        say()


def _say(recording: Recording, reporter: Reporter, source: PacedSource) -> None:
    line = f"{recording.recorded_s!r}\t{recording.state}\t{reporter.late_hops}\t{source.samples_in}\t{recording.reason}"
    with contextlib.suppress(OSError):
        os.write(1, line.encode() + b"\n")  # whole or not at all


@dataclass(frozen=True)
class Standing:
    """How a recorded pipeline stands."""

    recorded_s: float
    state: str
    late_hops: int
    samples_in: int
    reason: str


class Running:
    """A recorded pipeline as a process."""

    def __init__(self, decoder: Path, folder: Path, seconds: float = 60.0) -> None:
        self.folder = folder
        command = python_command(__spec__.name, str(decoder), str(folder), str(seconds))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if not first:
            raise RuntimeError("the recorded pipeline did not start")
        self.recorder_pid = int(first)
        self._lines: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                self._lines.append(line)

    def standing(self) -> Standing | None:
        """What it said last."""
        if not self._lines:
            return None
        recorded, state, late, samples, reason = self._lines[-1].decode().rstrip("\n").split("\t", 4)
        return Standing(float(recorded), state, int(late), int(samples), reason)

    def wait_for(self, wanted: Any, timeout_s: float = START_S) -> Standing:
        """The first standing for which `wanted(standing)` holds."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = self.standing()
            if found is not None and wanted(found):
                return found
            time.sleep(0.01)
        raise TimeoutError(f"what was waited for did not come in {timeout_s:g} s, last {self.standing()}")

    def kill(self, who: str) -> None:
        """Kill -9 the recorder, the pipeline or both, and wait until both are gone."""
        if who in ("recorder", "both"):
            os.kill(self.recorder_pid, signal.SIGKILL)
        if who in ("pipeline", "both"):
            self.process.kill()

    def finish(self) -> Standing | None:
        """End what still runs; the last standing."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(END_S)
        deadline = time.monotonic() + END_S
        while is_alive(self.recorder_pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        if is_alive(self.recorder_pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.recorder_pid, signal.SIGKILL)
        self._reader.join(END_S)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return self.standing()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


if __name__ == "__main__":  # the pipeline that is measured
    pipeline_process(sys.argv[1], sys.argv[2], float(sys.argv[3]))
