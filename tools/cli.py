"""The command line: ``myodrive COMMAND``; each command is a module that is imported only when it is called."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..stream.errors import MyodriveError
from .interrupt import INTERRUPTED, Guard

if TYPE_CHECKING:  # until `Guard` is set, Ctrl-C is a traceback: as little as can be is imported before
    import argparse

COMMANDS = {
    "Try it": {
        "demo": "the whole chain on a bundled recording, no hardware needed",
        "play": "play a recording as a live LSL amplifier",
    },
    "Measure": {
        "session": "be guided through a measurement: check, record, calibrate, review, go live",
    },
    "Decode": {
        "calibrate": "find the motor units of a recording or stream, write a decoder",
        "run": "decode a live stream and publish spikes and drive",
        "listen": "print what a running pipeline publishes",
        "dashboard": "show it in a browser, on this machine",
        "follow": "a virtual hand that follows a running pipeline, and how late it is",
        "outlet": "send what a pipeline publishes to LabRecorder, as LSL streams",
        "keys": "make keys, so that other machines may connect encrypted",
        "decode": "decode a recording with the live code",
        "replay": "run a recorded session again, and compare",
        "estimate": "innervation zone and conduction velocity of every unit of a recording",
    },
    "Files": {
        "convert": "a recording from one file format to another",
    },
    "Model": {
        "simulate": "make a synthetic recording of which everything is known",
        "train": "train a model that reads innervation zone, conduction velocity and more from waveforms",
    },
    "Check": {
        "score": "compare discharges with a reference",
        "bench": "measure latency, throughput and calibration on this machine",
        "doctor": "what is installed here and whether live work will go well",
    },
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    guard = Guard() if argv is None else None  # only of a process that is all ours
    argv = sys.argv[1:] if argv is None else argv
    try:
        code = _command(argv, guard)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads: no complaint at exit either
        return 1


def _command(argv: list[str], guard: Guard | None) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        from importlib import metadata

        print(f"myodrive {metadata.version('myodrive')}")
        return 0
    name = argv[0]
    if not any(name in group for group in COMMANDS.values()):
        print(f'myodrive: there is no command "{name}": `myodrive --help` lists them', file=sys.stderr)
        return 2
    if guard is not None:
        guard.who = f"myodrive {name}"
    parser, run = command_of(name)
    try:
        args = parser.parse_args(argv[1:])
        with contextlib.nullcontext() if guard is None else guard.lifted():
            return int(run(args))
    except MyodriveError as error:
        print(f"myodrive {name}: {error}", file=sys.stderr)
        return 1
    except SystemExit as stop:  # argparse, on wrong usage and on --help
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        print(f"myodrive {name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except MemoryError:
        print(f"myodrive {name}: not enough memory: use a shorter recording or fewer channels", file=sys.stderr)
        return 1
    except OSError as error:
        where = f' "{error.filename}"' if error.filename else ""
        print(f"myodrive {name}: the system refused{where} ({error.strerror or error})", file=sys.stderr)
        return 1


def command_of(name: str) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], int]]:
    """What reads the options of a command, and what then runs it."""
    import argparse

    from .command_parser import CommandParser

    what = next(group[name] for group in COMMANDS.values() if name in group)
    module = importlib.import_module(f".commands.{name}", __package__)
    parser = CommandParser(
        prog=f"myodrive {name}",
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=f"Example:\n  {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser, module.main


def overview() -> str:
    """What `myodrive --help` prints."""
    lines = ["usage: myodrive COMMAND [options]", "", "Live surface EMG to motor-unit spikes and neural drive.", ""]
    for group, commands in COMMANDS.items():
        lines.append(f"{group}:")
        lines += [f"  {name:<10} {what}" for name, what in commands.items()]
        lines.append("")
    lines.append("`myodrive COMMAND --help` shows the options of a command, with an example.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
