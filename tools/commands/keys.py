"""``myodrive keys``: keys for messages and control off this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...stream.curve import ALLOWED
from ..console import add_json, messages, print_json
from ..keys import make_client, make_server

EXAMPLE = "myodrive keys keys\n  myodrive keys keys --client wrist"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("folder", metavar="DIR", help="where the pipeline's keys are; made when it is not there")
    parser.add_argument("--client", metavar="NAME", help="make the keys of a client, and put it on the list")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Make keys and say what to do with them."""
    folder = Path(args.folder)
    made = make_server(folder) if args.client is None else make_client(folder, args.client)
    if args.json:
        print_json({"folder": str(folder), "client": args.client, "client_folder": str(made)})
    elif args.client is None:
        messages.print(f"keys of the pipeline in {folder}: `myodrive run --curve {folder}`")
        messages.print(f"programs of this machine: `myodrive listen --curve {folder}`")
        messages.print(f"another machine: `myodrive keys {folder} --client NAME`")
    else:
        messages.print(f"copy the folder {made} to the client by a safe way, it holds a secret")
        messages.print("there: `myodrive listen --connect tcp://HOST:5570 --curve FOLDER`")
        messages.print(
            f"to shut it out again, remove {folder / ALLOWED / (args.client + '.key')}; "
            "a connection that is open stays until the pipeline or the client ends"
        )
    return 0
