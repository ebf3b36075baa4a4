"""Our own commands as processes of their own: started, read, and ended by their process id."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec

from ..stream.errors import MyodriveError


def start(arguments: list[str], module: str = "myodrive.tools.cli") -> subprocess.Popen[bytes]:
    """One of our commands in the background; its stdout can be read at the end."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours, by force if it must be."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def json_of(arguments: list[str]) -> dict[str, Any]:
    """Run one of our commands to its end, its progress shown, and read the JSON it prints.

    Raises
    ------
    MyodriveError
        It failed; it has said why on stderr.
    """
    command = [sys.executable, "-m", "myodrive.tools.cli", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise MyodriveError(f"`myodrive {arguments[0]}` failed, see above")
    return dict(msgspec.json.decode(done.stdout))
