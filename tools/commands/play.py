"""``myodrive play``: a recording as a live LSL amplifier."""

from __future__ import annotations

import argparse
import sys

from ...stream.errors import OptionError
from ...stream.finder import resolve
from ...stream.lsl import quieten
from ..amplifier import play_file
from ..amplifier_outlet import FORMATS, UNITS
from ..console import add_part, print_json, whole_number
from ..faults import described
from ..recording import BUNDLED

EXAMPLE = "myodrive play recording.h5 --name emg --source-id SIM-1 --chunk 8 --loop"
SOURCE_ID = "myodrive-sim-1"  # the same each time, so that an amplifier that is started again is taken up again
LOOK_S = 0.5  # for another one that cannot be told from this


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("file", nargs="?", default=str(BUNDLED), help="recording; the bundled one by default")
    add_part(parser)
    parser.add_argument("--name", default="myodrive-amplifier", help="name of the LSL stream (%(default)s)")
    parser.add_argument("--source-id", default=SOURCE_ID, help="serial number of the device (%(default)s)")
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
        "--counter", action="store_true", help='one channel more that counts samples (for --counter of "run")'
    )
    parser.add_argument(
        "--force-stream", metavar="NAME[:HZ]",
        help='force of the file as a second stream, at 100 Hz or HZ (for --signal of "run")',
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was sent as one JSON object at the end")
    faults = parser.add_argument_group(
        "faults",
        "from second AT on, for so many seconds, or samples as in 37n; clock and drift may go without\n" + described(),
    )
    faults.add_argument(
        "--fault", action="append", default=[], metavar="KIND@AT:LENGTH[,OPTION=VALUE]",
        help="gap@5:0.2, gap@5:37n or drop@5:2,share=0.1; may be given several times",
    )  # fmt: skip
    faults.add_argument(
        "--fault-seed", type=whole_number(0, 2**32 - 1), default=0, metavar="N", help="of what is random (%(default)s)"
    )


def main(args: argparse.Namespace) -> int:
    """Play until the recording ends or Ctrl-C."""
    quieten()
    if args.source_id == SOURCE_ID and any(one.source_id() == SOURCE_ID for one in resolve(args.name, None, LOOK_S)):
        raise OptionError(
            f'an amplifier of "play" is on as "{args.name}": give this one another --name, or a --source-id of its own'
        )
    played = play_file(
        args.file, args.name, args.source_id, part=args.part, chunk=args.chunk, loop=args.loop, seconds=args.seconds,
        dtype=args.dtype, unit=args.unit, step_uv=args.step_uv, wait_for_consumers_s=args.wait_for_consumers,
        faults=args.fault, fault_seed=args.fault_seed, counter=args.counter, force_stream=args.force_stream,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip
    if args.json:
        print_json(played.summary())
    return 0
