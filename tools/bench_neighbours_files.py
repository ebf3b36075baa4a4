"""What damaged files do to those who read them."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..stream.errors import MyodriveError
from .bench_neighbours_pipeline import Progress, growth_percent
from .damage import damaged_copy
from .hostile_files import READERS, outcome
from .parameters import SHIPPED
from .processes import finish, python_command
from .recording import BUNDLED
from .recording_reader import read_apart
from .synthetic_decoder import synthetic_decoder
from .synthetic_session import synthetic_session

SESSION_S = 1.0  # of the session that is damaged
FILE_S = 10.0  # for one file, then it counts as never ending
PATIENCE_S = 30.0  # for a reader to start


def files_read(folder: Path, count: int, progress: Progress) -> dict[str, Any]:
    """Damaged copies of a decoder, a parameter model, a recording and a session."""
    decoder = folder / "whole.onnx"
    synthetic_decoder(decoder, 8, 3, 2048.0, 0)
    told = {}
    session = folder / "session"
    synthetic_session(session, 8, 3, SESSION_S, 0)
    wholes = {"decoder": decoder, "parameters": SHIPPED, "recording": BUNDLED, "session": session}
    for done, (kind, path) in enumerate(wholes.items()):
        each = count // len(wholes) + (1 if done < count % len(wholes) else 0)
        told[kind] = _of_one_kind(
            kind, path, each, folder, lambda share, n=done: progress((n + share) / len(wholes), "files")
        )
    return told


def _of_one_kind(kind: str, path: Path, count: int, folder: Path, progress: Callable[[float], None]) -> dict[str, Any]:
    ends: Counter[str] = Counter()
    growth, at = 0.0, 0
    killers: list[int] = []
    while at < count:
        command = python_command("myodrive.tools.hostile_files", kind, str(path), str(at), str(count))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            for line in _lines(process):
                words = line.split(" ", 1)
                if words[0] == "memory":
                    settled, final = map(int, words[1].split())
                    growth = max(growth, growth_percent(settled, final))
                elif len(words) == 2 and words[1]:
                    ends[words[1]] += 1
                    at = int(words[0]) + 1
                    progress(at / count)
        finally:
            finish(process)
        if at < count:  # it crashed, or was ended because nothing came for too long
            killers.append(at)
            at += 1
    return {
        "files": count, "read": ends.pop("read", 0), "refused": ends.pop("refused", 0), "otherwise": dict(ends),
        "killed_the_reader": len(killers), "growth_percent": growth,
        "of_these_told_in_one_sentence": sum(_told(kind, path, seed, folder) for seed in killers),
    }  # fmt: skip


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What the reader says, line by line, until it ends or falls silent."""
    assert process.stdout is not None
    heard = [time.monotonic()]

    def watch() -> None:
        while process.poll() is None:
            if time.monotonic() - heard[0] > FILE_S:
                process.kill()
                return
            time.sleep(0.1)

    watcher = threading.Thread(target=watch, daemon=True)
    heard[0] += PATIENCE_S
    watcher.start()
    for line in process.stdout:
        heard[0] = time.monotonic()
        yield line.decode().strip()
    process.wait()
    watcher.join()


def _told(kind: str, path: Path, seed: int, folder: Path) -> bool:
    """Whether the commands' own way of reading, with its bounds, makes one sentence of a file that kills a reader."""
    copy = folder / f"killer-{seed}{path.suffix}"
    damaged_copy(path, copy, np.random.default_rng(seed))
    try:
        return outcome(read_apart if kind == "recording" else READERS[kind], copy) == "refused"
    except MyodriveError:
        return False
