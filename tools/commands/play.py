"""``myodrive play``: a recording as a live LSL amplifier."""

from __future__ import annotations

import argparse
import sys

from ...stream.lsl import quieten
from ..amplifier import FORMATS, UNITS, play_file
from ..console import print_json
from ..recording import BUNDLED

EXAMPLE = "myodrive play recording.h5 --name emg --source-id SIM-1 --chunk 8 --loop"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("file", nargs="?", default=str(BUNDLED), help="recording (.h5); the bundled one by default")
    parser.add_argument("--name", default="myodrive-amplifier", help="name of the LSL stream (%(default)s)")
    parser.add_argument("--source-id", default="myodrive-sim-1", help="serial number of the device (%(default)s)")
    parser.add_argument("--chunk", type=int, default=8, help="samples sent together (%(default)s)")
    parser.add_argument("--loop", action="store_true", help="begin again at the end, time stamps going on")
    parser.add_argument("--seconds", type=float, help="stop after this long")
    parser.add_argument("--dtype", choices=list(FORMATS), default="float32", help="format of the samples (%(default)s)")
    parser.add_argument("--unit", choices=list(UNITS), default="uV", help="unit declared and used (%(default)s)")
    parser.add_argument("--step-uv", type=float, help='with --unit none: uV of one count (for --gain of "run")')
    parser.add_argument(
        "--wait-for-consumers", type=float, default=0.0, metavar="S", help="start once somebody listens"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="KIND@AT:SECONDS",
        help="gap@5:0.2, stall@5:1 or nan@5:0.5; may be given several times",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout at the end")


def main(args: argparse.Namespace) -> int:
    """Play until the recording ends or Ctrl-C."""
    quieten()
    played = play_file(
        args.file, args.name, args.source_id, chunk=args.chunk, loop=args.loop, seconds=args.seconds,
        dtype=args.dtype, unit=args.unit, step_uv=args.step_uv, wait_for_consumers_s=args.wait_for_consumers,
        faults=args.fault, say=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip
    if args.json:
        print_json({"samples": played.samples, "first_stamp": played.first_stamp})
    return 0
