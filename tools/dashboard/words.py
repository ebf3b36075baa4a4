"""How things stand, in one word and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import structs

from ...stream.messages import Drive, Status, Units
from .happenings import BAD, GOOD, WARN, listed, plural

SILENT_S = 1.5  # a pipeline says how it is once a second
IDLE = "idle"
RESTART_TOLD_S = 15.0


class Headline(msgspec.Struct, frozen=True):
    """``level`` is good, warn, bad or idle."""

    level: str
    word: str
    sentence: str


@dataclass(frozen=True)
class Facts:
    """What a headline is made from.

    Parameters
    ----------
    address : str
    encrypted : bool
        Whether this viewer has keys.
    refusal : str
        Why the pipeline turns this viewer away.
    silent_s : float or None
        How long no message has come; None if none ever came.
    stalled_s : float
        How old the newest sample is.
    restarted_s : float or None
        How long ago a new session replaced another.
    """

    address: str
    encrypted: bool = False
    refusal: str = ""
    silent_s: float | None = None
    stalled_s: float = 0.0
    restarted_s: float | None = None
    status: Status | None = None
    drive: Drive | None = None
    units: Units | None = None


def headline(facts: Facts) -> Headline:
    """The state in words, the worst first."""
    said = _headline(facts)
    return structs.replace(said, sentence=said.sentence[:1].upper() + said.sentence[1:])


def _headline(facts: Facts) -> Headline:
    status = facts.status
    if facts.refusal:
        return Headline(BAD, "Turned away", facts.refusal)
    if facts.silent_s is None or status is None:
        hint = "" if facts.encrypted else " One that runs with --curve wants keys of this viewer, too."
        return Headline(
            IDLE, "No pipeline", f"No pipeline at {facts.address}. Start `myodrive run`: this page waits for it.{hint}"
        )
    if facts.silent_s > SILENT_S:
        ended = "has stopped" if status.state == "stopped" else "ended or cannot be reached"
        return Headline(
            BAD, "No pipeline", f"No pipeline at {facts.address} since {_seconds(facts.silent_s)}: it {ended}."
        )
    if facts.restarted_s is not None and facts.restarted_s < RESTART_TOLD_S and status.state == "live":
        return Headline(WARN, "Live", f"The pipeline restarted {_seconds(facts.restarted_s)} ago, new session.")
    if status.state == "stalled":
        why = f": {status.reason}" if status.reason else ". Nothing comes from the amplifier."
        return Headline(BAD, "Stalled", f"Stalled since {_seconds(facts.stalled_s)}{why}")
    if status.state != "live":
        word, sentence = {
            "warming": ("Warming up", "The pipeline is getting ready."),
            "waiting": ("Waiting", "The pipeline is ready and waits for the amplifier's first sample."),
            "paused": ("Paused", "Paused: nothing is decoded and the command is 0."),
            "stopped": ("Stopped", "The pipeline has stopped."),
        }.get(status.state, (status.state[:20], ""))
        return Headline(BAD if status.state == "stopped" else WARN, word, status.reason or sentence)
    return _live(facts, status)


def _live(facts: Facts, status: Status) -> Headline:
    if not status.sound:
        return Headline(BAD, "Live, unsound", status.reason or "The sources are too noisy to tell discharges from.")
    if facts.drive is not None and not facts.drive.valid:
        return Headline(WARN, "Live, not valid", status.reason or "The command is not valid: do not act on it.")
    if status.reason:
        return Headline(WARN, "Live", status.reason)
    if status.recording in ("behind", "failed"):
        why = f": {status.recording_reason}" if status.recording_reason else ""
        return Headline(WARN, "Live", f"The recording is {status.recording}{why}.")
    flagged = sorted({*status.bad_channels, *status.masked_channels})
    if flagged:
        left_out = "left out of the filters" if status.masked_channels else "bad"
        return Headline(WARN, "Live", f"{listed(flagged)} {left_out}.")
    parts = []
    if facts.units is not None:
        electrodes = facts.units.electrodes
        of = f" from {plural(len(electrodes.channels), 'channel')}" if electrodes is not None else ""
        parts.append(f"{plural(len(facts.units.units), 'motor unit')}{of} at {facts.units.fs_hz:.0f} Hz")
    lost = plural(status.samples_lost, "sample") if status.samples_lost else "no sample"
    parts.append(f"{lost} lost")
    if status.recording == "on":
        parts.append(f"{status.recorded_s:.0f} s recorded")
    return Headline(GOOD, "Live", ", ".join(parts) + ".")


def _seconds(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min"
