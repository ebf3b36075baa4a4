"""A long run of many channels through real processes: what grows, what is lost, what comes late.

An amplifier process, the pipeline and a listener; the pipeline's memory and its own account are looked at every few
seconds.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..stream.errors import StreamError
from ..stream.geometry import Geometry
from .hdf5_writing import write_recording
from .hostile_files import resident_bytes
from .ports import control_address, free_port_pair
from .processes import finish, output_of, start
from .recording import Recording
from .subscriber import ask
from .synthetic_decoder import synthetic_decoder, synthetic_emg

CHANNELS, UNITS, FS_HZ = 256, 20, 2048.0
LOOP_S = 20.0  # of EMG, again and again
START_S = 60.0
END_S = 20.0
EVERY_S = 5.0
COMPARED_S = 60.0  # of memory at the beginning and at the end
SETTLE_S = 2.0  # right after the first sample, memory that is not yet in use is
Progress = Callable[[float, str], None]


def soak(
    *,
    minutes: float = 10.0,
    channels: int = CHANNELS,
    units: int = UNITS,
    hop: int = 8,
    seed: int = 0,
    progress: Progress = lambda share, note: None,
) -> dict[str, Any]:
    """Run for `minutes`.

    Parameters
    ----------
    minutes : float
    channels, units : int
        Of a synthetic decoder.
    hop : int, samples
    seed : int
    progress : callable, optional
    """
    seconds = 60.0 * minutes
    with tempfile.TemporaryDirectory() as folder:
        decoder, emg = Path(folder) / "decoder.onnx", Path(folder) / "emg.h5"
        synthetic_decoder(decoder, channels, units, FS_HZ, seed)
        _write(emg, channels, seed)
        name = f"myodrive-bench-{free_port_pair()}"
        address = f"tcp://127.0.0.1:{free_port_pair()}"
        pipeline = start([
            "run", "--stream", name, "--decoder", str(decoder), "--bind", address, "--hop", str(hop), "--quiet",
            "--json",
        ])  # fmt: skip
        amplifier = start([
            "play", str(emg), "--name", name, "--source-id", name, "--loop", "--chunk", str(hop),
            "--wait-for-consumers", str(START_S),
        ])  # fmt: skip
        listener = start(["listen", "--connect", address, "--json"])
        lines = _Lines(listener)
        try:
            samples = _watch(pipeline, (amplifier, listener), address, seconds, progress)
            ask(control_address(address), "stop")
            summary = dict(msgspec.json.decode(output_of(pipeline, END_S)))
        finally:
            for process in (listener, amplifier, pipeline):
                finish(process)
            lines.end()
    memory = np.array([one["rss_bytes"] for one in samples], float)
    at = np.array([one["seconds"] for one in samples])
    span = min(COMPARED_S, seconds / 3)
    first, last = np.median(memory[at <= at[0] + span]), np.median(memory[at >= at[-1] - span])
    return {
        "minutes": minutes, "channels": channels, "units": units, "hop": hop, "samples_in": summary["samples_in"],
        "samples_lost": summary["samples_lost"], "gaps": summary["gaps"], "reconnects": summary["reconnects"],
        "late_hops": summary["late_hops"], "late_share": summary["late_hops"] * hop / max(1, summary["samples_in"]),
        "latency_ms": summary["latency_ms"], "memory_first_mib": float(first) / 2**20,
        "memory_last_mib": float(last) / 2**20, "memory_growth_percent": 100.0 * float(last / first - 1.0),
        "compared_s": span, "messages_heard": lines.messages, "messages_missed": lines.missed, "samples": samples,
    }  # fmt: skip


class _Lines:
    """Reads what a `listen` process prints, so that its pipe never fills, and counts."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.messages = 0
        self.missed = 0
        self._next: dict[str, int] = {}
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                message = msgspec.json.decode(line)
                expected = self._next.get(message["kind"], message["seq"])
                self.missed += message["seq"] - expected
                self._next[message["kind"]] = message["seq"] + 1
                self.messages += 1
        except (ValueError, msgspec.DecodeError):  # it was ended in the middle of a line
            return

    def end(self) -> None:
        """Wait for the last line."""
        self._thread.join(2.0)


def _write(path: Path, channels: int, seed: int) -> None:
    columns = max(1, round(channels**0.5))
    place = np.arange(channels)
    geometry = Geometry(place // columns, place % columns, 8.0, -(-channels // columns), columns)
    write_recording(path, Recording(synthetic_emg(channels, LOOP_S, FS_HZ, seed), FS_HZ, geometry), compression_level=1)


def _watch(
    pipeline: subprocess.Popen[bytes],
    others: tuple[subprocess.Popen[bytes], ...],
    address: str,
    seconds: float,
    progress: Progress,
) -> list[dict[str, Any]]:
    """How the pipeline is doing, every few seconds from its first sample on."""
    found: list[dict[str, Any]] = []
    every = min(EVERY_S, seconds / 20)
    begun = None
    limit = time.monotonic() + START_S
    while begun is None or time.monotonic() < begun + SETTLE_S + seconds:
        if any(process.poll() is not None for process in (pipeline, *others)):
            for process in (pipeline, *others):
                if process.poll() is not None:
                    output_of(process, 1.0)
            raise StreamError("a process stopped by itself: run `myodrive doctor`")
        time.sleep(every)
        reply = ask(control_address(address), "status")
        if reply is None:
            if time.monotonic() > limit:
                raise StreamError(f"no sample came within {START_S:g} s: run `myodrive doctor`")
            continue
        status = msgspec.msgpack.decode(reply)["status"]
        now = time.monotonic()
        if begun is None and status["samples_in"]:
            begun = now
            limit = begun + SETTLE_S + seconds + START_S
        if begun is None or now < begun + SETTLE_S:
            continue
        latency = {name: status["latency_ms"][name] for name in ("p50", "p99", "p999", "max")}
        found.append(
            {
                "seconds": now - begun - SETTLE_S, "rss_bytes": resident_bytes(pipeline.pid),
                "samples_in": status["samples_in"], "samples_lost": status["samples_lost"],
                "late_hops": status["late_hops"], "reconnects": status["reconnects"], **latency,
            }
        )  # fmt: skip
        progress(min(1.0, (now - begun) / (SETTLE_S + seconds)), f"{found[-1]['rss_bytes'] >> 20} MiB")
    return found
