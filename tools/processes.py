"""Our own commands as processes of their own: started, read, and ended by their process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..stream.errors import StreamError

CLI = "myodrive.tools.cli"
MOST_TRIES = 3
ASKED_EVERY_S = 0.1  # whether to stop, while a command runs


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours in this Python; none is taken from the working directory (-P)."""
    return [sys.executable, "-P", "-m", module, *arguments]


def start(arguments: list[str], module: str = CLI) -> subprocess.Popen[bytes]:
    """One of our commands in the background; what it prints, little as it is, can be read at the end."""
    return subprocess.Popen(
        python_command(module, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run_deaf(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command that looks at something and ends by itself, so that Ctrl-C at a terminal is not for it.

    Parameters
    ----------
    command : list of str
    **options
        As of `subprocess.run`.
    """
    for _ in range(MOST_TRIES):
        done = subprocess.run(command, check=False, process_group=0, **options)
        if done.returncode != -signal.SIGINT:  # else it came before the process had its group, and had done nothing
            break
    return done


def finish(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours, by force if it must be."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def output_of(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """What a process of ours, told to stop, printed on stdout.

    Raises
    ------
    StreamError
        It failed, or does not end.
    """
    try:
        out, said = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise StreamError(f"the pipeline did not stop within {timeout_s:g} s: run `myodrive doctor`") from error
    if process.returncode != 0:
        reason = said.decode(errors="replace").strip().rpartition("\n")[2].removeprefix("myodrive run: ")
        raise StreamError(reason or "the pipeline ended early: run `myodrive doctor`")
    return out


def json_of(arguments: list[str], stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Run one of our commands to its end, its progress shown, and read the JSON it prints.

    Raises
    ------
    SystemExit
        It failed, and has said why on stderr: there is nothing to add.
    KeyboardInterrupt
        It was ended because `stop` said so.
    """
    process = subprocess.Popen(python_command(CLI, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    out = None
    try:
        while out is None:
            try:
                out = process.communicate(timeout=ASKED_EVERY_S)[0]
            except subprocess.TimeoutExpired:
                if stop():
                    raise KeyboardInterrupt from None
    finally:
        finish(process)
    if process.returncode != 0:
        raise SystemExit(1)
    return dict(msgspec.json.decode(out))


def decoder_of(recording: str, given: str | None, folder: str | Path, progress: Callable[[float, str], None]) -> str:
    """The file of a decoder of `recording`: the one that was `given`, or one made by `calibrate` in `folder`.

    Raises
    ------
    SystemExit
        The calibration failed, and has said why.
    """
    if given is not None:
        return given
    progress(0.0, "calibrating")
    path = str(Path(folder) / "calibrated.onnx")
    json_of(["calibrate", recording, "-o", path, "--json"])
    return path


def watch_parent(gone: threading.Event) -> None:
    """Set `gone` when whoever started us has closed its end of our standard input, or died."""
    while os.read(0, 1 << 10):  # no lock of a buffer is held, at which the interpreter would abort at its end
        pass
    gone.set()
