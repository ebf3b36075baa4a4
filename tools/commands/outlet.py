"""``myodrive outlet``: what a pipeline publishes as LSL streams, for LabRecorder."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from dataclasses import asdict

from ...stream.curve import read_client_keys
from ..console import LONGEST_S, add_json, number, print_json
from ..lsl_outlet import TOPICS, run_outlet
from ..processes import watch_parent
from ..signals import stop_on_signals
from ..subscriber import Subscriber

EXAMPLE = "myodrive outlet --connect tcp://127.0.0.1:5570"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--connect", default="tcp://127.0.0.1:5570", help="address of the pipeline (%(default)s)")
    parser.add_argument("--curve", metavar="DIR", help="keys of this client, as `myodrive keys` made them")
    parser.add_argument("--name", help="the streams are NAME-spikes and NAME-drive (the name of the EMG stream)")
    parser.add_argument("--seconds", type=number(0, LONGEST_S), help="stop after this long")
    parser.add_argument("--with-stdin", action="store_true", help="stop when standard input ends")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Follow the pipeline until told to stop."""
    keys = None if args.curve is None else read_client_keys(args.curve)
    end = None if args.seconds is None else time.monotonic() + args.seconds
    ended = threading.Event()
    if args.with_stdin:
        threading.Thread(target=watch_parent, args=(ended,), daemon=True).start()
    with Subscriber(args.connect, TOPICS, keys) as client, stop_on_signals() as stop:
        sent = run_outlet(
            client, args.connect, args.name, say=_say,
            stop=lambda: stop() or ended.is_set() or (end is not None and time.monotonic() > end),
        )  # fmt: skip
    if args.json:
        print_json(asdict(sent))
    else:
        _say(
            f"{sent.markers} markers ({sent.not_valid} not valid) and {sent.rows} rows of the drive went out; "
            f"{sent.missed} messages were missed"
        )
    return 0


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        print(f"outlet: {line}", file=sys.stderr, flush=True)
