"""``myodrive session``: a person guided through a measurement, or its steps one by one."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

import msgspec
from rich.console import Console

from ...stream.errors import MyodriveError, OptionError, StreamError
from ..channels import channel_list
from ..console import LONGEST_S, add_json, messages, number, print_json, progress_bar, show, whole_number
from ..interrupt import INTERRUPTED
from ..session.calibrating import calibrate_recorded, check_method
from ..session.checking import check
from ..session.contraction import record, reference
from ..session.electrodes import electrodes_of
from ..session.folder import NOT_MEDICAL, UNITS, Chosen, SessionFolder, counted_anew
from ..session.going_live import go_live, run_command, shown_command
from ..session.grid_picture import grid_table, worst_table
from ..session.guide import guide, numbers_or_none
from ..session.review import keep, look, unit_table
from ..session.streams import choose, list_streams, stream_table
from ..session.subject import subject_code
from ..session.talk import Talk
from ..session.target import SHAPES, Target
from .calibrate import BMISS, CBSS, place_table
from .calibrate import unit_table as found_table

EXAMPLE = (
    "myodrive session --stream emg --subject S01 -o S01-first\n"
    "  myodrive session find\n"
    "  myodrive session check --stream emg --subject S01 -o S01-first --json"
)
STEPS = ("find", "check", "reference", "record", "calibrate", "review", "live")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = f"{parser.description} {NOT_MEDICAL[0].upper()}{NOT_MEDICAL[1:]}."
    parser.add_argument(
        "step", nargs="?", choices=STEPS, metavar="STEP",
        help="one step alone, else a person is guided through all: find (which streams are on), check (a word on every"
        " channel), reference (a short effort as hard as one can), record (a contraction that follows a target),"
        " calibrate, review (a picture per unit, keep or drop), live",
    )  # fmt: skip
    parser.add_argument("--stream", metavar="NAME", help="name of the LSL stream")
    parser.add_argument("--subject", metavar="CODE", help="such as S01; a code, never a name")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder of the session; later steps read it")
    parser.add_argument("--channels", type=channel_list, help="EMG channels, such as 0-63 (those that have a place)")
    parser.add_argument("--grid", help="electrode grid, such as GR08MM1305, or a grid file (as the stream says)")
    parser.add_argument("--bad", type=numbers_or_none, help="channels to leave out, such as 3,17, or none (as found)")
    parser.add_argument("--gain", type=number(1e-9, 1e9), help="uV per number, for a stream that names no unit")
    parser.add_argument(
        "--counter", type=whole_number(0, 65535), metavar="CH", help="channel, from 0, that counts samples"
    )
    parser.add_argument("--mains", type=float, choices=[50.0, 60.0], help="notch the mains and its harmonics, Hz")
    parser.add_argument(
        "--force",
        metavar="NAME[:CH]",
        help="LSL stream of a force, or CH, a channel of the EMG's, to follow and record",
    )
    parser.add_argument("--check-seconds", type=number(2, 600), default=5.0, help="of the check (%(default)s)")
    parser.add_argument(
        "--reference-seconds", type=number(1, 60), default=5.0, help="of the reference contraction (%(default)s)"
    )
    parser.add_argument(
        "--full", type=number(1e-9, 1e9), help="take this as the reference, in uV of the envelope or the force's unit"
    )
    target = parser.add_argument_group("target", "what the recorded contraction follows")
    usual = Target()
    target.add_argument("--shape", choices=SHAPES, default=usual.shape, help="of the hold (%(default)s)")
    target.add_argument("--level", type=number(0.01, 2), default=usual.level, help="1: the reference (%(default)s)")
    target.add_argument("--rest", type=number(0, 600), default=usual.rest_s, metavar="S", help="each (%(default)s)")
    target.add_argument("--ramp", type=number(0, 600), default=usual.ramp_s, metavar="S", help="each (%(default)s)")
    target.add_argument("--hold", type=number(1, 3600), default=usual.hold_s, metavar="S", help="(%(default)s)")
    units = parser.add_argument_group("units")
    units.add_argument("--method", choices=[CBSS, BMISS], default=CBSS, help="how they are found (%(default)s)")
    units.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0, help="of the search (%(default)s)")
    units.add_argument("--drop", type=numbers_or_none, metavar="UNITS", help="units to drop, such as 3,7 (none)")
    live = parser.add_argument_group("live")
    live.add_argument("--bind", default="tcp://127.0.0.1:5570", help="address of the messages (%(default)s)")
    live.add_argument("--events", metavar="NAME", help="LSL stream of markers, as of `run`")
    live.add_argument("--live-seconds", type=number(0.1, LONGEST_S), metavar="S", help="stop after this long")
    live.add_argument("--print", action="store_true", help="print the command that goes live, and do not run it")
    parser.add_argument("--yes", action="store_true", help="ask nothing: the usual answer to every question")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """One step, or a person through all of them."""
    if args.step == "find":
        return _find(args)
    if args.step is None:
        return _guided(args)
    folder = _folder(args)
    try:
        found = STEP_OF[args.step](folder, args)
    except BaseException:
        folder.forget()
        raise
    if args.json:
        print_json(found | {"folder": str(folder.path)})
    return 0


def _guided(args: argparse.Namespace) -> int:
    """All steps, asking where somebody can answer."""
    talk = Talk(asks=not (args.json or args.yes) and sys.stdin.isatty())
    if not args.json:
        messages.print(f"myodrive session: {NOT_MEDICAL}")
    check_method(args.method)
    made = None
    try:
        _ask_what_is_missing(args, talk)
        made = folder = _folder(args)
        if talk.asks:
            args.grid = _ask_grid(folder, talk)
            folder = _folder(args)
        found = guide(
            folder, lambda step, **changes: STEP_OF[step](folder, argparse.Namespace(**(vars(args) | changes))), talk,
            goes_live=args.live_seconds is not None,
        )  # fmt: skip
    except KeyboardInterrupt:
        again = "" if args.output is None else f": `myodrive session -o {shlex.quote(args.output)}` takes it up here"
        messages.print(f"\nmyodrive session: interrupted{again}")
        return INTERRUPTED
    except MyodriveError:
        if made is not None:
            made.forget()
        raise
    if args.json:
        print_json({"folder": str(folder.path), "steps": found})
    talk.say(f"all is in {folder.path}; README.txt there says what is what")
    return 0


def _ask_what_is_missing(args: argparse.Namespace, talk: Talk) -> None:
    """Folder, subject and stream of a new session."""
    if not talk.asks:
        return
    if args.output is None:
        args.output = talk.until("folder of the session", "session", lambda text: str(SessionFolder(text).path))
    if SessionFolder(args.output).kept is not None:
        return
    if args.subject is None:
        args.subject = talk.until("subject, a code such as S01, never a name:", "", subject_code)
    while args.stream is None:
        with progress_bar("looking for streams"):
            listed = list_streams()
        show(stream_table(listed))
        found = talk.until("stream, by number or name; Enter looks again:", "", lambda text: text)
        if found:
            try:
                args.stream = choose(listed, found).name
            except StreamError as error:
                messages.print(str(error))


def _ask_grid(folder: SessionFolder, talk: Talk) -> str | None:
    """The grid, where neither the stream nor an option says where the electrodes are."""
    name = folder.chosen.grid
    while True:
        try:
            electrodes_of(msgspec.structs.replace(folder.chosen, grid=name), messages.print)
            return name
        except OptionError as error:
            messages.print(str(error))
            name = talk.ask("electrode grid, such as GR08MM1305, or a grid file:", "") or None


def _find(args: argparse.Namespace) -> int:
    with progress_bar("looking"):
        listed = list_streams()
    if args.json:
        print_json({"streams": [one.as_json() for one in listed]})
    elif listed:
        show(stream_table(listed))
    else:
        messages.print("no stream of numbers at a regular rate is on: start the amplifier's LSL program")
    return 0


def _check(folder: SessionFolder, args: argparse.Namespace) -> dict[str, Any]:
    with progress_bar("looking") as progress:
        found = check(folder, args.check_seconds, progress, messages.print)
    if not args.json:
        show(grid_table(found.check, found.electrodes.geometry), *filter(None, [worst_table(found.check)]))
        for line in found.check.sentences():
            messages.print(line)
    return found.as_json()


def _reference(folder: SessionFolder, args: argparse.Namespace) -> dict[str, Any]:
    found = reference(folder, args.reference_seconds, args.full, _console(args), messages.print)
    if not args.json:
        messages.print(f"reference: {found['full']:.3g} {found['unit']}, rest {found['rest']:.3g} {found['unit']}")
    return found


def _record(folder: SessionFolder, args: argparse.Namespace) -> dict[str, Any]:
    target = Target(args.shape, args.level, args.rest, args.ramp, args.hold)
    found, how = record(folder, target, _console(args), messages.print)
    if not args.json:
        messages.print(how.sentence())
    return found


def _calibrate(folder: SessionFolder, args: argparse.Namespace) -> dict[str, Any]:
    with progress_bar("calibrating") as progress:
        found, calibration = calibrate_recorded(folder, args.method, args.seed, progress, messages.print)
    if not args.json:
        show(place_table(calibration) if args.method == BMISS else found_table(calibration))
        for line in (*calibration.notes, *(f"channel {c} left out: {why}" for c, why in found["left_out"].items())):
            messages.print(line)
    return found


def _review(folder: SessionFolder, args: argparse.Namespace) -> dict[str, Any]:
    with progress_bar("looking") as progress:
        units = look(folder, progress, messages.print)
    drop = args.drop or []
    found = keep(folder, units, drop)
    if not args.json:
        show(unit_table(units, drop))
        if found["dropped"]:
            messages.print(counted_anew(found["kept"], found["dropped"]))
        messages.print(f"{len(found['kept'])} units in {found['decoder']}; pictures in {folder.path / UNITS}")
    return found


def _live(folder: SessionFolder, args: argparse.Namespace) -> dict[str, Any]:
    if args.print:
        command = shown_command(run_command(folder, args.bind, args.live_seconds, args.events)[0])
        if not args.json:
            print(command)
        return {"command": command}
    return go_live(folder, args.bind, args.live_seconds, args.events, args.json)


STEP_OF = {
    "check": _check, "reference": _reference, "record": _record, "calibrate": _calibrate, "review": _review,
    "live": _live,
}  # fmt: skip


def _console(args: argparse.Namespace) -> Console | None:
    """Where a person watches; nobody does with --json."""
    return None if args.json else Console(stderr=True)


def _folder(args: argparse.Namespace) -> SessionFolder:
    """The folder, with what is said now noted in it."""
    if args.output is None:
        raise OptionError("a session needs a folder: give one with -o")
    folder = SessionFolder(args.output)
    if folder.kept is None:
        for option, why in (("stream", "myodrive session find lists them"), ("subject", "a code such as S01")):
            if getattr(args, option) is None:
                raise OptionError(f"a new session needs --{option} ({why}): give it, or -o the folder of a session")
        before = Chosen(subject=subject_code(args.subject), stream=args.stream)
    else:
        before = folder.kept.chosen
    said: dict[str, Any] = {
        name: value for name in Chosen.__struct_fields__ if (value := getattr(args, name, None)) is not None
    }
    if "subject" in said:
        subject_code(said["subject"])
    folder.begin(msgspec.structs.replace(before, **said))
    return folder
