"""``myodrive score``: discharges against a reference."""

from __future__ import annotations

import argparse

from ..console import add_json, number, print_json, show
from ..score import score

EXAMPLE = "myodrive score events.tsv recording.h5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("events", help="events.tsv with what was found")
    parser.add_argument("reference", help="recording that has units, or an events.tsv")
    parser.add_argument("--fs", type=number(1.0, 1e6), help="samples per second, where neither file tells")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="score from this second on (%(default)s)")
    parser.add_argument("--end", type=float, default=float("inf"), metavar="S", help="and up to this one (the end)")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Score and print."""
    result = score(args.events, args.reference, fs_hz=args.fs, start_s=args.start, end_s=args.end)
    if args.json:
        print_json(result.as_json())
    else:
        show(result.as_table())
    return 0
