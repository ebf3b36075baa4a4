"""``myodrive follow``: a virtual hand that follows a pipeline, and how late it is."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import time

from ...stream.client import Client
from ...stream.curve import read_client_keys
from ..console import LONGEST_S, add_json, messages, number, print_json
from ..follow import Followed, Hand, drawn, follow
from ..signals import stop_on_signals

EXAMPLE = "myodrive follow --seconds 30"
COLUMNS = 110


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--connect", default="tcp://127.0.0.1:5570", help="address of the pipeline (%(default)s)")
    parser.add_argument("--curve", metavar="DIR", help="keys of this client, as `myodrive keys` made them")
    parser.add_argument("--seconds", type=number(0, LONGEST_S), help="stop after this long")
    parser.add_argument(
        "--closing", type=number(0.001, 60), default=0.25, metavar="S", help="of the hand's motor (%(default)s)"
    )
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Follow until told to stop, then say how late it was."""
    keys = None if args.curve is None else read_client_keys(args.curve)
    end = None if args.seconds is None else time.monotonic() + args.seconds
    draws = not args.json and sys.stderr.isatty()
    with Client(args.connect, ["drive/"], keys) as client, stop_on_signals() as stop:
        followed = follow(
            client, Hand(args.closing), show=_draw if draws else _pass_over,
            stop=lambda: stop() or (end is not None and time.monotonic() > end),
        )  # fmt: skip
        missed, why = sum(client.missed.values()), client.why_not()
        restarts, skipped = client.restarts, client.skipped
    if draws:
        sys.stderr.write("\n")
    if args.json:
        print_json(_summary(followed) | {"missed": missed, "skipped": skipped, "restarts": restarts})
    elif followed.acted:
        _tell(followed, missed)
    if followed.acted == 0:
        messages.print(f"no drive message of {args.connect} could be acted on: {why or 'none came'}")
        return 1
    return 0


def _summary(followed: Followed) -> dict[str, object]:
    delay = followed.delay.summary()
    group_ms = 1e3 * followed.group_delay_s
    sizes = {name: getattr(delay, name) for name in ("p50", "p99", "p999", "max")}
    return {
        "turns": followed.turns, "acted": followed.acted, "stops": followed.stops, "delay_ms": sizes,
        "group_delay_ms": group_ms,
        "with_group_delay_ms": {name: value + group_ms for name, value in sizes.items()},
    }  # fmt: skip


def _tell(followed: Followed, missed: int) -> None:
    delay, group_ms = followed.delay.summary(), 1e3 * followed.group_delay_s
    messages.print(
        f"{followed.acted} drive messages acted on, {missed} missed; the command ended {followed.stops} times for want "
        "of one"
    )
    messages.print(
        f"from the sample to the hand: p50 {delay.p50:.1f} ms, p99 {delay.p99:.1f} ms; with the {group_ms:.1f} ms of "
        f"smoothing and look-ahead that the drive declares: p50 {delay.p50 + group_ms:.1f} ms, "
        f"p99 {delay.p99 + group_ms:.1f} ms"
    )


def _draw(hand: Hand, command: float, why: str) -> None:
    with contextlib.suppress(OSError):
        columns = min(COLUMNS, shutil.get_terminal_size().columns - 1)  # a full line would go on in the next
        sys.stderr.write("\r" + drawn(hand, command, why)[:columns].ljust(columns))
        sys.stderr.flush()


def _pass_over(hand: Hand, command: float, why: str) -> None:
    """Nobody watches."""
