"""What a recording survives: processes killed, a full disk, a recorder that is stopped.

The pipeline is that of `recorded_pipeline.py`, a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from ..stream.errors import OptionError
from .recorded_pipeline import CHANNELS, END_S, FS_HZ, TILE, UNITS, Running, is_alive, signal_of
from .session_file import Session, Turn
from .synthetic_decoder import synthetic_decoder

WHO = ("recorder", "pipeline", "both")
ACKNOWLEDGED_S = 0.6  # at least so much is on disk before anything is killed
Progress = Callable[[float, str], None]


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
