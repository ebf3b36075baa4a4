"""What every command shares on the console: progress, one JSON object, and words to stderr."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..stream.errors import OptionError

LONGEST_S = 1e7  # that an option may ask for: four months
WIDE = 120  # columns of a table that goes to a file or a pipe

messages = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else there")


def add_part(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The option --part of what reads a recording of any format."""
    parser.add_argument(
        "--part", metavar="NAME", help="which stream, array or recording, by name or number, where a file holds several"
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """The option --overwrite of what writes files."""
    parser.add_argument("--overwrite", action="store_true", help="replace files to write that exist already")


def show(*tables: Table) -> None:
    """Print tables on stdout, as wide as the terminal; where there is none, wide enough for ours."""
    Console(width=None if sys.stdout.isatty() else WIDE).print(*tables)


def number(least: float, most: float) -> Callable[[str], float]:
    """For argparse: a number from `least` to `most`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f'"{text}" is out of range: choose a number from {least:g} to {most:g}')
        return value

    return read


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """For argparse: a whole number from `least` to `most`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f'"{text}" is out of range: choose a whole number from {least} to {most}')
        return value

    return read


def check_output(path: str, overwrite: bool = False) -> None:
    """Refuse a place that no file can be written to, and a file that would be lost, before the work is done.

    Raises
    ------
    OptionError
    """
    if not path or Path(path).is_dir():
        raise OptionError(f'"{path}" is a folder and cannot be written as a file: give a file name')
    folder = Path(path).parent
    if not folder.is_dir():
        raise OptionError(f'"{path}" cannot be written, there is no folder "{folder}": make it or choose another')
    if not os.access(folder, os.W_OK):
        raise OptionError(f'"{path}" cannot be written, the folder "{folder}" is not yours to write to: choose another')
    if not overwrite and Path(path).is_file():  # a device is none
        raise OptionError(f'"{path}" exists: choose another name, or add --overwrite')


def late(hops: int, of: int) -> str:
    """Such as "337 of 7697 hops late (4.4 %)"."""
    share = f" ({100 * hops / of:.1f} %)" if hops and of else ""
    return f"{hops} of {of} hops late{share}"


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    json.dump(value, sys.stdout, allow_nan=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on stderr; call what it gives with the share done and a word on how it goes."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        task = progress.add_task(what, total=1.0, note="")
        yield lambda share, note="": progress.update(task, completed=share, note=note)
