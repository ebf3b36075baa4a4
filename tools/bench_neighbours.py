"""What hostile, slow and dead neighbours cost a running pipeline, and what damaged files do.

Everything stays on the loopback interface; every process is ended by its id; every phase has a bound on its time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from .bench_neighbours_control import connections, control
from .bench_neighbours_files import files_read
from .bench_neighbours_pipeline import Progress, running, silent
from .bench_neighbours_subscribers import held_by_stopped, subscribers_measured
from .console import number, print_json, progress_bar, whole_number
from .processes import decoder_of
from .recording import BUNDLED


def neighbours(
    *,
    frames: int = 100_000,
    files: int = 10_000,
    subscribers: int = 100,
    seconds: float = 15.0,
    decoder: str | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure all of it.

    Parameters
    ----------
    frames : int
        Hostile requests on the control socket.
    files : int
        Damaged files, a quarter each of decoders, parameter models, recordings and sessions.
    subscribers : int
        Half of them stopped.
    seconds : float
        Of each round with or without subscribers.
    decoder : str, optional
        One of the bundled recording, instead of a fresh calibration.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = decoder_of(str(BUNDLED), decoder, folder, progress)
        with running(path) as (address, relay, pipeline):
            told = {
                "control": control(address, pipeline.pid, frames, progress),
                "connections": connections(address, pipeline.pid, progress),
                "subscribers": subscribers_measured(address, relay, pipeline.pid, subscribers, seconds, progress),
            }
        told["stopped_subscribers"] = held_by_stopped(subscribers // 2, progress)
        told["files"] = files_read(Path(folder), files, progress)
    return told


def main(arguments: list[str] | None = None) -> int:
    """``python -m myodrive.tools.bench_neighbours``: fewer or more of each than `bench neighbours` takes."""
    parser = argparse.ArgumentParser(prog="bench_neighbours")
    parser.add_argument("--frames", type=whole_number(1, 10**7), default=100_000)
    parser.add_argument("--files", type=whole_number(4, 10**6), default=10_000)
    parser.add_argument("--subscribers", type=whole_number(2, 500), default=100)
    parser.add_argument("--seconds", type=number(1, 3600), default=15.0, help="of each round")
    parser.add_argument("--decoder", help="of the bundled recording, instead of calibrating")
    given = vars(parser.parse_args(arguments))
    with progress_bar("neighbours") as progress:
        found = neighbours(**given, progress=progress)
    print_json(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
