"""Room and speed for `run --record`, and limits of the system that cut a session short."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ..open_files import allow_many
from ..recorder import MOST_BYTES as RING_BYTES
from .finding import Finding, note, ok, problem

TRIED_BYTES, CHUNK_BYTES = 24 << 20, 1 << 20
TRIED_S = 2.0
LARGE_MB_S = 2.5  # 256 channels at 2048 Hz, with their messages
RESERVE = 4.0  # times that, so that a busy disk keeps up
LEAST_HOURS = 2.0
LONG_WAIT_S = 4.0  # half of what the recorder's memory holds
FEW_FILES = 256
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class DiskSeen:
    """Of the disk under `folder`: free room, how fast it takes data for good, and its longest wait."""

    folder: str = "."
    free_gb: float = 100.0
    mb_s: float = 200.0
    longest_s: float = 0.01
    failure: str = ""


@dataclass(frozen=True)
class LimitsSeen:
    """Free shared memory (bytes, None where the system has no such place) and most open files (0: no limit)."""

    shared: int | None = None
    files: int = 0


def see_disk(folder: str) -> DiskSeen:
    """Write a file into the folder and take it away again."""
    try:
        free = shutil.disk_usage(folder).free / 1e9
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".myodrive-doctor-") as file:
            mb_s, longest = _write(file.fileno())
    except OSError as error:
        return DiskSeen(folder, failure=error.strerror or str(error))
    return DiskSeen(folder, free, mb_s, longest)


def _write(file: int) -> tuple[float, float]:
    """Speed in MB/s and longest wait in s, each piece on the disk before the next."""
    piece = os.urandom(CHUNK_BYTES)
    began = last = time.perf_counter()
    longest, written = 0.0, 0
    while written < TRIED_BYTES and last - began < TRIED_S:
        os.write(file, piece)
        os.fsync(file)
        written += len(piece)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return written / 1e6 / (last - began), longest


def judge_disk(seen: DiskSeen) -> Finding:
    """Whether a large session could be recorded there."""
    name = "disk"
    if seen.failure:
        remedy = "record elsewhere: `run --record DIR`, `doctor --record DIR` tries it"
        return note(name, f"{seen.folder} cannot be written to ({seen.failure})", remedy)
    hours = 1e3 * seen.free_gb / (3600 * LARGE_MB_S)
    found = (
        f"{seen.folder}: {seen.free_gb:.0f} GB free, {seen.mb_s:.0f} MB/s, longest wait {1e3 * seen.longest_s:.0f} ms"
    )
    if hours < LEAST_HOURS:
        return note(
            name, f"{found}: room for {60 * hours:.0f} minutes of 256 channels", "make room, or record to another disk"
        )
    if seen.mb_s < RESERVE * LARGE_MB_S or seen.longest_s > LONG_WAIT_S:
        return note(
            name,
            f"{found}: a recording of 256 channels may fall behind",
            "record to a local SSD, not to a network drive, a stick or a synchronised folder",
        )
    return ok(name, found)


def see_limits() -> LimitsSeen:
    """Look at both; a process may raise its own limit of open files, as `run` does."""
    shared = None
    with contextlib.suppress(OSError):
        shared = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None
    return LimitsSeen(shared, allow_many())


def judge_shared_memory(seen: LimitsSeen) -> Finding:
    """Whether the recorder's ring finds room."""
    name = "shared memory"
    if seen.shared is None:
        return ok(name, "of this system without a limit of its own")
    found = f"{seen.shared / 2**20:.0f} MB free in {SHARED_MEMORY}"
    if seen.shared < RING_BYTES:
        remedy = "start the container with --shm-size 256m, or mount it larger (mount -o remount,size=256M /dev/shm)"
        return note(name, f"{found}, `run --record` takes up to {RING_BYTES >> 20} MB", remedy)
    return ok(name, found)


def judge_open_files(seen: LimitsSeen) -> Finding:
    """Whether there is room for connections."""
    name = "open files"
    if seen.files == 0:
        return ok(name, "no limit")
    found = f"{seen.files} at most"
    if seen.files < FEW_FILES:
        return problem(
            name,
            f"{found}: LSL and ZeroMQ need a few for each stream and reader",
            "ulimit -n 4096, in the shell that starts `run`",
        )
    return ok(name, found)
