"""``myodrive dashboard``: a local web page that shows what a pipeline publishes."""

from __future__ import annotations

import argparse
import asyncio
import os
import threading
import time
import webbrowser
from collections.abc import Callable

from ...stream.curve import read_client_keys
from ...stream.errors import AddressError
from ..console import LONGEST_S, add_json, messages, number, print_json, whole_number
from ..dashboard.beside import PORT, has_screen
from ..dashboard.board import Board
from ..dashboard.reader import Readers
from ..dashboard.server import Dashboard
from ..signals import stopped_by_signals

NICENESS = 10
EXAMPLE = "myodrive dashboard --connect tcp://127.0.0.1:5570"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--connect", default="tcp://127.0.0.1:5570", help="address of the pipeline (%(default)s)")
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=PORT,
        help="of the page, on this machine; 0: a free one (%(default)s)",
    )
    parser.add_argument("--curve", metavar="DIR", help="keys of this client, as `myodrive keys` made them")
    parser.add_argument(
        "--open", action=argparse.BooleanOptionalAction, help="open the page in a browser (where there is a screen)"
    )
    parser.add_argument("--seconds", type=number(0, LONGEST_S), help="stop after this long")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Serve the page until told to stop."""
    keys = None if args.curve is None else read_client_keys(args.curve)
    board = Board(args.connect, encrypted=keys is not None)
    readers = Readers(board, keys)
    try:
        step_back()
        with stopped_by_signals() as stop:
            asyncio.run(_serve(args, Dashboard(board, readers, args.port), stop.is_set))
    finally:
        readers.close()
    if board.refusal:
        raise AddressError(board.refusal)
    return 0


def step_back() -> None:
    """Leave the processor to the pipeline, where both want it."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)


async def _serve(args: argparse.Namespace, dashboard: Dashboard, stop: Callable[[], bool]) -> None:
    end = None if args.seconds is None else time.monotonic() + args.seconds
    await dashboard.open()
    try:
        if args.json:
            print_json({"url": dashboard.url, "connect": args.connect})
        else:
            messages.print(f"the page is at {dashboard.url} (on this machine only); Ctrl-C ends it")
        if args.open or (args.open is None and has_screen() and not args.json):
            threading.Thread(target=webbrowser.open, args=(dashboard.url,), daemon=True).start()
        await dashboard.run(lambda: stop() or (end is not None and time.monotonic() > end))
    finally:
        await dashboard.close()
