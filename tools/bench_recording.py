"""What a recording survives: processes killed, a full disk, a recorder that is stopped.

The pipeline is a process of its own: the whole live loop over samples that come at their pace, each a function of its
number, so that what is read back can be compared with what was recorded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from ..stream.decoder_file import read_decoder
from ..stream.drive import DriveSettings
from ..stream.endpoints import Endpoints
from ..stream.errors import OptionError, StreamError
from ..stream.hop import Hop
from ..stream.loop import run
from ..stream.pipeline import Pipeline
from ..stream.recording import Recording
from ..stream.reporter import Reporter
from ..stream.timeline import Timeline
from .parameters import NONE, choose_model
from .ports import free_port_pair
from .recorder import Recorder, session_info
from .session_file import Session, Turn
from .synthetic_decoder import synthetic_decoder

FS_HZ, CHANNELS, UNITS, HOP = 2048.0, 64, 8, 8
TILE = 4096  # samples after which the signal repeats
WHO = ("recorder", "pipeline", "both")
START_S, END_S = 60.0, 20.0
ACKNOWLEDGED_S = 0.6  # at least so much is on disk before anything is killed
Progress = Callable[[float, str], None]


def signal_of(channels: int = CHANNELS) -> NDArray[np.float32]:
    """The samples, float32 (TILE, channels) in uV; number n is row n modulo TILE."""
    return (30.0 * np.random.default_rng(3).standard_normal((TILE, channels))).astype(np.float32)


class PacedSource:
    """Samples at the pace of an amplifier."""

    refusal: StreamError | None = None

    def __init__(self, emg: NDArray[np.float32], fs_hz: float, hop: int) -> None:
        self.hop = hop
        self.samples_in = self.samples_lost = self.gaps = self.repeats = self.reconnects = 0
        self.timeline = Timeline(fs_hz)
        self._emg = emg
        self._fs = fs_hz
        self._hop = Hop()
        self._start = pylsl.local_clock()
        self._stamps = np.zeros(hop)

    @property
    def sample(self) -> int:
        """The newest sample handed on."""
        return self.samples_in - 1

    @property
    def stalled(self) -> bool:
        """Never."""
        return False

    def time_of(self, sample: int) -> float:
        """Time of a sample, s on the LSL clock."""
        return self._start + sample / self._fs

    def next_hop(self) -> Hop:
        """The next samples, when they are due."""
        hop = self._hop
        first = self.samples_in
        due = self._start + (first + self.hop) / self._fs
        wait = due - pylsl.local_clock()
        if wait > 0:
            time.sleep(wait)
        row = first % TILE
        hop.signal = self._emg[row : row + self.hop]
        hop.samples = self.hop
        hop.first_sample = first
        self._stamps[:] = self._start + (first + 1 + np.arange(self.hop)) / self._fs
        hop.stamp = hop.arrived = due
        self.timeline.account(self._stamps, due)
        self.samples_in += self.hop
        return hop


def pipeline_process(decoder_path: str, folder: str, seconds: float) -> None:
    """The live loop, recorded; says on stdout how it stands: seconds acknowledged, state, late hops, reason."""
    decoder = read_decoder(decoder_path)
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    endpoints = Endpoints(address, "bench")
    recorder = Recorder(folder, decoder, HOP, address, endpoints.session)
    drive = DriveSettings()
    pipeline = Pipeline(decoder, HOP, drive=drive)
    chosen = choose_model(NONE, decoder)
    recorder.describe(
        session_info(
            session=endpoints.session, stream="bench", decoder=decoder, hop=HOP, provider="cpu", whitening="folded",
            gain=None, drive_rate_hz=drive.rate_hz, smoothing_s=drive.smoothing_s, fallback=drive.fallback,
            chosen=chosen,
        ),
        None,
    )  # fmt: skip
    recorder.wait_until_running()
    source = PacedSource(signal_of(len(decoder.info.channels.index)), decoder.info.fs_hz, HOP)
    recording = Recording(recorder.ring, decoder.info.fs_hz, source, pipeline, endpoints.publisher)
    recorder.watch(recording)
    reporter = Reporter(endpoints, decoder, source, pipeline, None, chosen.why_none, recording)
    recording.follow(reporter, endpoints.control)
    print(recorder.pid, flush=True)
    threading.Thread(target=_tell, args=(recording, reporter, source), daemon=True).start()
    try:
        run(source, pipeline, reporter, seconds=seconds, recording=recording)
    finally:
        recorder.close()
        pipeline.close()
        endpoints.close()
    _say(recording, reporter, source)


def _tell(recording: Recording, reporter: Reporter, source: PacedSource) -> None:
    while True:
        time.sleep(0.02)
        _say(recording, reporter, source)


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
        command = [sys.executable, "-m", __spec__.name, str(decoder), str(folder), str(seconds)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
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
        assert self.process.stdout is not None
        self.process.stdout.close()
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


def readable(folder: Path) -> tuple[float, bool, list[tuple[int, int]]]:
    """Seconds that can be read, whether every sample is what it was, and the holes."""
    session = Session(folder)
    emg = signal_of(len(session.info.channels))
    samples, right = 0, True
    holes = []
    for entry in session.turns():
        if not isinstance(entry, Turn):
            continue
        if entry.missing:
            holes.append((entry.missing_from, entry.missing))
        rows = (entry.tick.first_sample + np.arange(entry.tick.samples)) % TILE
        right = right and (not entry.tick.samples or np.array_equal(entry.signal, emg[rows]))
        samples += entry.tick.samples
    return samples / session.info.fs_hz, right, holes


def killed(decoder: Path, folder: Path, who: str, after_s: float) -> dict[str, Any]:
    """Kill while recording, and read what is there."""
    running = Running(decoder, folder)
    try:
        running.wait_for(lambda now: now.recorded_s >= ACKNOWLEDGED_S)
        time.sleep(after_s)
        running.kill(who)
        noticed = None
        if who == "recorder":
            noticed = running.wait_for(lambda now: now.state == "failed", END_S).reason
        if who == "pipeline":
            deadline = time.monotonic() + END_S
            while is_alive(running.recorder_pid) and time.monotonic() < deadline:
                time.sleep(0.01)
    finally:
        last = running.finish()
    seconds, right, holes = readable(folder)
    acknowledged = last.recorded_s if last is not None else 0.0
    return {
        "killed": who, "acknowledged_s": acknowledged, "readable_s": seconds, "right": right, "holes": len(holes),
        "kept": bool(seconds >= acknowledged and right and not holes), "noticed": noticed,
        "reached_s": last.samples_in / FS_HZ if last is not None else 0.0,
    }  # fmt: skip


def filled(decoder: Path, folder: Path, more_bytes: int = 1 << 20) -> dict[str, Any]:
    """Let the recorder write so much more and no byte beyond, as on a disk that is full."""
    import resource

    running = Running(decoder, folder)
    try:
        running.wait_for(lambda now: now.recorded_s >= ACKNOWLEDGED_S)
        limit = (folder / "raw-0000.myo").stat().st_size + more_bytes
        resource.prlimit(running.recorder_pid, resource.RLIMIT_FSIZE, (limit, limit))
        failed = running.wait_for(lambda now: now.state == "failed")
        after = running.wait_for(lambda now: now.samples_in > failed.samples_in + FS_HZ)
    finally:
        running.finish()
    seconds, right, holes = readable(folder)
    return {
        "reason": failed.reason, "acknowledged_s": after.recorded_s, "readable_s": seconds, "right": right,
        "kept": bool(seconds >= after.recorded_s and right and not holes),
        "went_on_s": (after.samples_in - failed.samples_in) / FS_HZ,
    }  # fmt: skip


def stopped(decoder: Path, folder: Path, seconds: float = 14.0) -> dict[str, Any]:
    """Stop the recorder for longer than the ring lasts: late hops before and meanwhile, and what is missing then."""
    running = Running(decoder, folder, 600.0)
    try:
        begin = running.wait_for(lambda now: now.recorded_s >= ACKNOWLEDGED_S)
        time.sleep(seconds)
        before = running.standing()
        assert before is not None
        os.kill(running.recorder_pid, signal.SIGSTOP)
        stopped_at = before.samples_in
        behind = running.wait_for(lambda now: now.state == "behind")
        time.sleep(max(0.0, seconds - (behind.samples_in - stopped_at) / FS_HZ))
        meanwhile = running.standing()
        assert meanwhile is not None
        os.kill(running.recorder_pid, signal.SIGCONT)
        after = running.wait_for(lambda now: now.state == "on")
        running.wait_for(lambda now: now.recorded_s * FS_HZ > after.recorded_s * FS_HZ)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.recorder_pid, signal.SIGCONT)
        running.finish()
    _, right, holes = readable(folder)
    return {
        "seconds": seconds, "late_hops_before": before.late_hops - begin.late_hops,
        "late_hops_stopped": meanwhile.late_hops - before.late_hops, "behind_after_s":
        (behind.samples_in - stopped_at) / FS_HZ, "reason": after.reason, "holes": [list(hole) for hole in holes],
        "right": right,
    }  # fmt: skip


def recording(
    *, kills: int = 50, stopped_s: float = 14.0, seed: int = 0, progress: Progress = lambda share, note: None
) -> dict[str, Any]:
    """Kill, fill the disk and stop the recorder.

    Parameters
    ----------
    kills : int
        In turn the recorder, the pipeline and both.
    stopped_s : float
        How long the recorder is stopped; not at all with 0.
    seed : int
        Of the moments of killing.
    progress : callable, optional

    Raises
    ------
    OptionError
    """
    if not hasattr(os, "fork"):
        raise OptionError("bench recording needs the signals of Linux or macOS: run it there")
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {"kills": [], "full": None, "stopped": None}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        decoder = folder / "decoder.onnx"
        synthetic_decoder(decoder, CHANNELS, UNITS, FS_HZ, 1)
        for n in range(kills):
            who = WHO[n % len(WHO)]
            progress(n / (kills + 2), f"kill {n + 1}: {who}")
            found["kills"].append(killed(decoder, folder / f"kill{n}", who, float(rng.uniform(0.0, 1.5))))
        if sys.platform == "linux":  # no other has prlimit
            progress(kills / (kills + 2), "disk full")
            found["full"] = filled(decoder, folder / "full")
        if stopped_s:
            progress((kills + 1) / (kills + 2), "recorder stopped")
            found["stopped"] = stopped(decoder, folder / "stopped", stopped_s)
    found["kept"] = sum(one["kept"] for one in found["kills"])
    found["seconds"] = time.monotonic() - began
    return found


def tables(result: dict[str, Any]) -> list[Table | str]:
    """For a person."""
    full, still = result["full"], result["stopped"]
    shown = Table(box=box.SIMPLE_HEAD)
    for name in ("killed", "acknowledged s", "readable s", "reached s", "kept"):
        shown.add_column(name, justify="left" if name in ("killed", "kept") else "right", no_wrap=True)
    for one in result["kills"]:
        shown.add_row(
            one["killed"], f"{one['acknowledged_s']:.3f}", f"{one['readable_s']:.3f}", f"{one['reached_s']:.3f}",
            "all" if one["kept"] else "LOST",
        )  # fmt: skip
    said = [f"{result['kept']} of {len(result['kills'])} kept every acknowledged second"]
    if full is not None:
        said += [
            f"disk full: acknowledged {full['acknowledged_s']:.3f} s, readable {full['readable_s']:.3f} s, the loop "
            f"went on: {full['reason']}"
        ]
    if still is not None:
        said += [
            f"recorder stopped for {still['seconds']:g} s: behind after {still['behind_after_s']:.2f} s, late hops "
            f"{still['late_hops_stopped']} (before {still['late_hops_before']}): {still['reason'] or 'nothing missing'}"
        ]
    return [shown, "\n".join(said)]


if __name__ == "__main__":  # the pipeline that is measured
    pipeline_process(sys.argv[1], sys.argv[2], float(sys.argv[3]))
