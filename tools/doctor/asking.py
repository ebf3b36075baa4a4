"""Asks the system's own programs and files, for a moment at most; what does not answer is silence, not an error."""

from __future__ import annotations

import subprocess
from pathlib import Path

ANSWER_S = 3.0


def answer_of(*command: str, timeout_s: float = ANSWER_S) -> str:
    """What a program prints; empty where it does not exist, fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False, text=True,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def text_of(path: str | Path) -> str:
    """What stands in a small file, without the space around it; empty where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
