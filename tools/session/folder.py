"""The folder of a guided session: what was chosen, what has been done, and what each file is."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from ...stream.errors import OptionError, RecordingError
from ..session_info import GUIDED, INFO, LARGEST_INFO, RECORDED
from ..whole_file import write_synced

VERSION = 1
KIND = GUIDED
STEPS = ("check", "reference", "record", "calibrate", "review", "live")
NEEDED_BY = {"check": (), "reference": ("record",), "record": ("calibrate",), "calibrate": ("review",), "review": ()}
ALL_DECODER, DECODER = "decoder-all.onnx", "decoder.onnx"
RECORDING, TARGET, FORCE = RECORDED, "calibration-target.csv", "calibration-force.npz"
EXPLANATION = "README.txt"
CHANNELS, UNITS = "channels.svg", "units"
NOT_MEDICAL = "for research, not a medical device"
README = f"""A measurement with myodrive, {NOT_MEDICAL}.

{INFO:24}what was chosen, which steps are done and when, what came of each, versions, seeds
{CHANNELS:24}every channel on the grid, as the check found it
{RECORDING:24}the recorded contraction: EMG in uV, force where there was one (HDF5)
{TARGET:24}the target and how it was followed: time (s), target, level (1: the reference contraction)
{FORCE:24}the force stream as it came, with its time stamps, where it was recorded
{ALL_DECODER:24}the decoder with every unit found
{UNITS + "/":24}one picture per unit, numbered as in {ALL_DECODER}
{DECODER:24}the decoder with the units that were kept; they are counted anew from 0
{"live-01/, ...":24}sessions of `myodrive run --record`; `myodrive replay` reads them

The subject is a code. Who it stands for is written nowhere here.
"""


class Done(msgspec.Struct, kw_only=True):
    """A step that was done to its end."""

    at: str
    seconds: float
    settings: dict[str, Any] = {}
    result: dict[str, Any] = {}


class Chosen(msgspec.Struct, kw_only=True):
    """What holds for every step; None where nothing was said."""

    subject: str
    stream: str
    grid: str | None = None
    channels: list[int] | None = None
    counter: int | None = None
    gain: float | None = None
    bad: list[int] | None = None
    mains: float | None = None
    force: str | None = None


class Kept(msgspec.Struct, kw_only=True):
    """What `session.json` holds; `kind` tells it from the one that a recorder writes."""

    kind: str = KIND
    version: int = VERSION
    chosen: Chosen
    steps: dict[str, Done] = {}
    created_by: dict[str, str] = {}


class SessionFolder:
    """A guided session on the disk.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    kept : Kept or None
        None before `begin`, in a new folder.

    Raises
    ------
    RecordingError, OptionError
        The folder holds something else, or a session that cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.kept: Kept | None = None
        self._was_there = self.path.exists()
        self._new = False
        info = self.path / INFO
        if info.is_file():
            self.kept = _read(info)
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise OptionError(f'"{self.path}" holds something else already: give -o a new folder, or that of a session')

    @property
    def chosen(self) -> Chosen:
        """What was chosen.

        Raises
        ------
        OptionError
        """
        return self._begun().chosen

    def begin(self, chosen: Chosen) -> None:
        """Make the folder, or note what is chosen now.

        Raises
        ------
        OptionError
            The folder is another subject's.
        RecordingError
            It cannot be written.
        """
        if self.kept is not None and self.kept.chosen.subject != chosen.subject:
            raise OptionError(
                f'"{self.path}" is the session of {self.kept.chosen.subject}, not of {chosen.subject}: give -o another '
                "folder"
            )
        versions = {"myodrive": metadata.version("myodrive"), "python": platform.python_version()}
        if self.kept is None:
            self._new = True
            self.kept = Kept(chosen=chosen, created_by=versions | {"system": platform.system()})
        else:
            self.kept = msgspec.structs.replace(self.kept, chosen=chosen)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(
                f'"{self.path}" cannot be written ({error.strerror}): give -o a folder that can be'
            ) from error
        self._write()

    def forget(self) -> None:
        """Take away again what `begin` made, if that is all there is."""
        if not self._new:
            return
        with contextlib.suppress(OSError, RecordingError):
            added = {entry.name for entry in self.path.iterdir()} - {INFO, EXPLANATION}
            if added or _read(self.path / INFO).steps:
                return
            for name in (INFO, EXPLANATION):
                (self.path / name).unlink(missing_ok=True)
            if not self._was_there:
                self.path.rmdir()

    def done(self, step: str) -> Done | None:
        """What came of a step; None where it was not done, or a later choice has undone it."""
        return None if self.kept is None else self.kept.steps.get(step)

    def finish(self, step: str, seconds: float, settings: dict[str, Any], result: dict[str, Any]) -> None:
        """Note that a step is done; what had been made of its last result is no longer."""
        kept = self._begun()
        self.undo_after(step)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        kept.steps[step] = Done(at=now, seconds=round(seconds, 3), settings=settings, result=result)
        self._write()

    def undo_after(self, step: str) -> None:
        """Forget the steps that rest on the result of this one."""
        for later in NEEDED_BY.get(step, ()):
            self._begun().steps.pop(later, None)
            self.undo_after(later)

    def needs(self, step: str, what: str) -> Done:
        """What came of an earlier step.

        Raises
        ------
        OptionError
            It has not been done.
        """
        found = self.done(step)
        if found is None:
            raise OptionError(f'"{self.path}" has no {what} yet: do `myodrive session {step} -o {self.path}` first')
        return found

    def _begun(self) -> Kept:
        if self.kept is None:
            raise OptionError(f'"{self.path}" holds no session yet: begin one with --stream and --subject')
        return self.kept

    def _write(self) -> None:
        text = msgspec.json.format(msgspec.json.encode(self.kept), indent=1)
        review = self.done("review")
        units = "" if review is None else counted_anew(review.result.get("kept", ()), review.result.get("dropped", ()))
        try:
            write_synced(self.path / INFO, text)
            write_synced(self.path / EXPLANATION, (README + (f"\n{units}\n" if units else "")).encode())
        except OSError as error:
            raise RecordingError(
                f'"{self.path / INFO}" cannot be written ({error.strerror}): make room or choose another folder'
            ) from error


def counted_anew(kept: Sequence[int], dropped: Sequence[int]) -> str:
    """Which unit is which where some were dropped, else ""; `kept` and `dropped` are numbers among all units."""
    if not dropped:
        return ""
    was = "".join(f"\n  {now:3} was {unit}" for now, unit in enumerate(kept))
    return f"Units of {DECODER}, and their numbers in {ALL_DECODER} ({_listed(dropped)} dropped):{was}"


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))


def _read(path: Path) -> Kept:
    try:
        if path.stat().st_size > LARGEST_INFO:
            raise RecordingError(f'"{path}" is larger than any of ours: give -o another folder')
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordingError(
            f'"{path}" is no guided session ({str(error)[:80]}): give -o a new folder, or that of one'
        ) from error
    if kept.kind != KIND or kept.version != VERSION:
        raise RecordingError(f'"{path}" is of another program or version: give -o a new folder')
    return kept
