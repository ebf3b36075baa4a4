"""The way through all steps, with what was done before offered to be kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from ...stream.errors import MyodriveError
from ..channels import channel_list
from .folder import STEPS, SessionFolder
from .talk import Talk

MEANT = {
    "check": "channels are looked at for some seconds; let the muscle rest or hold it lightly",
    "reference": "relax for a second, then contract as hard as is safe, and hold it",
    "record": "follow the dim line with the bright one: rest, slowly harder, hold, slowly less, rest",
    "calibrate": "the motor units are found in what was recorded",
    "review": "look at the pictures of the units, and say which to drop",
    "live": "the decoder runs on the stream and is recorded; Ctrl-C ends it",
}
AGAIN = ("check", "reference", "record")  # a person may want another try


class Do(Protocol):
    """Does a step of the session."""

    def __call__(self, step: str, **changes: Any) -> dict[str, Any]:
        """What came of it; `changes` of the options."""


def numbers_or_none(text: str) -> list[int]:
    """A list such as 3,17; "none" is an empty one."""
    return [] if text == "none" else channel_list(text)


def guide(folder: SessionFolder, do: Do, talk: Talk, goes_live: bool) -> dict[str, Any]:
    """Go through the steps; what came of each that was done now.

    Parameters
    ----------
    folder : SessionFolder
    do : callable
        Does one step, and shows what came of it.
    talk : Talk
    goes_live : bool
        Whether to go live where nobody is asked.

    Raises
    ------
    MyodriveError
        A step failed, and nobody wants another try.
    """
    found: dict[str, Any] = {}
    for number, step in enumerate(STEPS, 1):
        done = folder.done(step)
        talk.say(f"\n{number}/{len(STEPS)}  {step}: {MEANT[step]}")
        if (
            done is not None and step != "live" and talk.yes(f"{step} was done at {done.at}: keep it?")
        ):  # fmt: skip
            continue
        if step == "live":
            found[step] = _live(do, talk, goes_live)
            continue
        found[step] = _try(partial(do, step), step, talk)
        if step == "check":
            _settle_channels(folder, talk, found[step])
        elif step == "review":
            drop = talk.until("units to drop", "none", _droppable(found[step]), argparse.ArgumentTypeError)
            if drop:
                found[step] = do(step, drop=drop)
    return found


def _try(do: Callable[[], dict[str, Any]], step: str, talk: Talk) -> dict[str, Any]:
    """Do a step until the person is content with it."""
    while True:
        if step in AGAIN:
            talk.ask("Enter begins", "")
        try:
            found = do()
        except MyodriveError as error:
            if not talk.asks:
                raise
            talk.say(str(error))
            if not talk.yes("try again?"):
                raise
            continue
        if step not in AGAIN or talk.yes("keep it?", usual=not (talk.asks and found.get("hardly_above_rest"))):
            return found


def _settle_channels(folder: SessionFolder, talk: Talk, found: dict[str, Any]) -> None:
    """Which channels stay out, and whether the mains are notched."""
    chosen = folder.chosen
    listed = ",".join(map(str, chosen.bad or [])) or "none"
    bad = talk.until("channels to leave out", listed, numbers_or_none, argparse.ArgumentTypeError)
    mains = chosen.mains
    if found["notch"] and mains is None and talk.yes(f"notch {found['mains_hz']:g} Hz and its harmonics?"):
        mains = found["mains_hz"]
    folder.begin(msgspec.structs.replace(chosen, bad=bad, mains=mains))


def _droppable(found: dict[str, Any]) -> Callable[[str], list[int]]:
    units = len(found["units"])

    def read(text: str) -> list[int]:
        drop = numbers_or_none(text)
        if any(unit >= units for unit in drop) or len(drop) >= units:
            raise argparse.ArgumentTypeError(f"there are units 0 to {units - 1}, and one at least must be kept")
        return drop

    return read


def _live(do: Do, talk: Talk, goes_live: bool) -> dict[str, Any]:
    if talk.yes("go live now?", usual=goes_live or talk.asks):
        return do("live")
    return do("live", print=True)
