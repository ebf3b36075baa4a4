"""The step that goes live: `myodrive run` with the decoder, recorded into the folder."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec

from ...stream.errors import OptionError, StreamError
from ..processes import CLI, finish, python_command
from ..signals import stopped_by_signals
from .folder import DECODER, SessionFolder

MOST_LIVE = 100
ENDING_S = 20.0
LOOK_S = 0.1


def run_command(
    folder: SessionFolder, bind: str, seconds: float | None, events: str | None
) -> tuple[list[str], Path]:  # fmt: skip
    """Arguments of `myodrive`, and the folder that it will record to.

    Raises
    ------
    OptionError
        Nothing was calibrated yet.
    """
    folder.needs("calibrate", "decoder")
    chosen = folder.chosen
    free = (place for number in range(1, MOST_LIVE) if not (place := folder.path / f"live-{number:02d}").exists())
    record = next(free, None)
    if record is None:
        raise OptionError(f'"{folder.path}" holds {MOST_LIVE - 1} live sessions: begin a new folder')
    command = ["run", "--stream", chosen.stream, "--decoder", str(folder.path / DECODER), "--bind", bind]
    command += ["--record", str(record)]
    for option, value in (
        ("--gain", chosen.gain), ("--counter", chosen.counter), ("--seconds", seconds), ("--events", events),
        ("--signal", chosen.force),
    ):  # fmt: skip
        command += [] if value is None else [option, f"{value:.9g}" if isinstance(value, float) else str(value)]
    return command, record


def shown_command(command: list[str]) -> str:
    """The command as one types it."""
    return shlex.join(["myodrive", *command])


def go_live(
    folder: SessionFolder, bind: str, seconds: float | None, events: str | None, as_json: bool
) -> dict[str, Any]:  # fmt: skip
    """Run until it ends by itself or by Ctrl-C, which both leave a whole recording.

    Returns
    -------
    dict
        ``command``, ``recorded``, and with `as_json` ``run``, what `run --json` said.

    Raises
    ------
    StreamError
        It failed, and has said why.
    """
    started = time.perf_counter()
    command, record = run_command(folder, bind, seconds, events)
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL}
    if as_json:
        options["stdout"] = subprocess.PIPE
    process = subprocess.Popen(python_command(CLI, *command, *(["--json"] if as_json else [])), **options)
    try:
        with stopped_by_signals() as stop:
            while process.poll() is None and not stop.wait(LOOK_S):
                pass
            if process.poll() is None and os.name == "posix":  # elsewhere it would not end in order; Ctrl-C told it too
                process.terminate()
            out = process.communicate(timeout=ENDING_S)[0] or b""
    except subprocess.TimeoutExpired as error:
        raise StreamError(f"the pipeline did not stop within {ENDING_S:g} s: run `myodrive doctor`") from error
    finally:
        finish(process)
    if process.returncode:
        raise StreamError("going live failed, for the reason above: mend it and do `session live` again")
    told = msgspec.json.decode(out) if out else {}
    result = {"command": shown_command(command), "recorded": str(record), "run": told}
    kept = {"recorded": record.name, "recorded_s": told.get("recorded_s")}
    folder.finish("live", time.perf_counter() - started, {"bind": bind, "events": events}, kept)
    return result
