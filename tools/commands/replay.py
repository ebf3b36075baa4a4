"""``myodrive replay``: a recorded session once more, through the live code."""

from __future__ import annotations

import argparse
import time

import numpy as np

from ...stream.errors import OptionError
from ..console import add_json, add_overwrite, check_output, messages, number, print_json, progress_bar
from ..events import write_events
from ..replay import Replayed, replay
from ..replay_compare import Compared, compare
from ..session_file import Contents, Session
from ..signals import stop_on_signals

EXAMPLE = "myodrive replay session --check"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("session", help="folder, as `myodrive run --record` writes it")
    parser.add_argument("-o", "--output", help="events.tsv to write")
    parser.add_argument("--check", action="store_true", help="compare with the recorded messages; 1 if one differs")
    parser.add_argument("--bind", metavar="ADDR", help="publish the messages, live, at this address")
    parser.add_argument("--curve", metavar="DIR", help="with --bind: encrypt, let in only who `myodrive keys` lists")
    parser.add_argument("--open-network", action="store_true", help="let other machines read and control, unprotected")
    parser.add_argument(
        "--speed", type=number(0.01, 100.0), default=1.0, help="times the pace, with --bind (%(default)s)"
    )
    add_overwrite(parser)
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Replay the session; with --check, 1 is returned where a message differs."""
    if args.check and args.bind:
        raise OptionError("--check compares with what was recorded and --bind lets others in: choose one of them")
    if args.bind is None and (args.curve is not None or args.open_network):
        raise OptionError("--curve and --open-network are for messages that are published: add --bind")
    if args.output is not None:
        check_output(args.output, args.overwrite)
    session = Session(args.session)
    contents = session.look_through()
    if not args.json:
        for line in _faults(contents):
            messages.print(line)
    started = time.perf_counter()
    with progress_bar("replaying") as progress, stop_on_signals() as stop:
        done = replay(
            session, keep=args.check, bind=args.bind, curve=args.curve, open_network=args.open_network,
            speed=args.speed, stop=stop,
            progress=lambda seconds: progress(min(1.0, seconds / max(contents.seconds, 1e-9)), ""),
        )  # fmt: skip
        if stop() and args.bind is None:  # of a part there is nothing to write, and nothing to compare
            raise KeyboardInterrupt
    seconds = time.perf_counter() - started
    compared = compare(session, done) if args.check else None
    if args.output is not None:
        trains = {unit: np.array(train, np.int64) for unit, train in done.discharges.items()}
        write_events(args.output, trains, done.fs_hz, marks=done.marks)
    if args.json:
        print_json(_summary(contents, done, compared, seconds))
    else:
        spikes = sum(map(len, done.discharges.values()))
        marked = f" and {len(done.marks)} markers" if done.marks else ""
        messages.print(
            f"{spikes} discharges of {len(done.discharges)} units{marked} in {contents.seconds:.1f} s of samples"
        )
        if compared is not None:
            messages.print(_verdict(compared))
    return 0 if compared is None or compared.same else 1


def _faults(contents: Contents) -> list[str]:
    """What the recording lacks, in words."""
    lines = [str(damage) for damage in contents.damage]
    periods = sum(count for _, count in contents.holes)
    if periods:
        lines.append(
            f"the recording lacks {periods} sample periods in {len(contents.holes)} places, the first at sample "
            f"{contents.holes[0][0]}"
        )
    if contents.lacking:
        lines.append(f"the recording lacks {contents.lacking} turns of the loop or changes between them")
    if not contents.ended:
        lines.append("the session has no end: the pipeline or the recorder was killed")
    return lines


def _verdict(compared: Compared) -> str:
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(compared.counts.items()))
    told = f" up to sample {compared.until}, where the recording has a hole" if compared.until is not None else ""
    if not compared.same:
        return f"not the same{told}: {compared.difference}"
    but = f" but for rounding ({compared.rounding:.0e})" if compared.rounding else ""
    return f"the same{but}{told}: {counted}"


def _summary(contents: Contents, done: Replayed, compared: Compared | None, seconds: float) -> dict[str, object]:
    summary: dict[str, object] = {
        "recorded_s": contents.seconds, "seconds": seconds, "ended": contents.ended,
        "holes": [list(hole) for hole in contents.holes], "damage": [str(damage) for damage in contents.damage],
        "lacking": contents.lacking,
        "spikes": sum(map(len, done.discharges.values())),
        "discharges": {str(unit): len(train) for unit, train in done.discharges.items()}, "markers": len(done.marks),
        "samples_in": done.status.samples_in, "samples_lost": done.status.samples_lost, "gaps": done.status.gaps,
    }  # fmt: skip
    if compared is not None:
        summary["check"] = {
            "same": compared.same, "difference": compared.difference, "rounding": compared.rounding,
            "compared": compared.counts, "until": compared.until, "missed": compared.missed, "beyond": compared.beyond,
        }  # fmt: skip
    return summary
