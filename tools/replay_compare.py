"""Holds the messages of a replay to the recorded ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..stream.messages import kind_of
from .replay import Replayed
from .replay_signals import finite_number
from .session_file import Session

SAME_KINDS = ("spikes", "drive", "params", "units", "event", "signal")
COUNTERS = (
    "state", "samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "bad_channels", "bad_reasons",
    "messages_dropped", "repeats_dropped", "clock_jumps", "timing", "rate_hz", "masked_channels", "masked_since",
    "masks_late", "sound", "held_back", "events_in", "events_late", "blanked", "signals_in",
)  # fmt: skip
UNCOMPARED = ("t_pub", "session")
ROUNDING = 1e-4  # another processor rounds otherwise


@dataclass
class Compared:
    """How the messages of a replay stand against the recorded ones.

    Attributes
    ----------
    counts : dict of str to int
        Messages compared, by kind.
    difference : str
        The first one, in words; empty where there is none.
    rounding : float
        Largest relative difference between numbers that counts as rounding.
    until : int or None
        Sample period up to which was compared, where the recording has a hole.
    missed : int
        Recorded numbers that the recorder had missed.
    beyond : int
        Recorded messages later than the last recorded turn: the pipeline was ended in between.
    """

    counts: dict[str, int] = field(default_factory=dict)
    difference: str = ""
    rounding: float = 0.0
    until: int | None = None
    missed: int = 0
    beyond: int = 0

    @property
    def same(self) -> bool:
        """Whether no message differs."""
        return not self.difference


def compare(session: Session, replayed: Replayed) -> Compared:
    """Compare the recorded messages with the replayed ones, by kind and number.

    Every field of `spikes`, `drive`, `params`, `units`, `event` and `signal` but `t_pub` and `session`, and the
    counters of `status`. Beyond a hole in the recording nothing can be the same, so nothing is compared: from the last
    sample before it on, which messages of a lost turn may name as well.
    """
    found = Compared()
    if replayed.hole is not None:
        found.until = replayed.hole[0]
    numbers: dict[str, int] = {}
    for topic, body in session.messages():
        kind = kind_of(topic)
        if kind not in (*SAME_KINDS, "status"):
            continue
        message = _map_of(body)
        seq = message.get("seq") if message is not None else None
        if message is None or not isinstance(seq, int):
            continue
        if found.until is not None and finite_number(message.get("sample")) >= found.until - 1:
            continue
        found.missed += max(0, seq - numbers.get(kind, seq))
        numbers[kind] = seq + 1
        again = replayed.bodies.get(kind, [])
        if not 0 <= seq < len(again):
            found.beyond += 1
            continue
        found.counts[kind] = found.counts.get(kind, 0) + 1
        other = _map_of(again[seq]) or {}
        names = set(message) | set(other) if kind != "status" else {n for n in COUNTERS if n in message}
        for name in sorted(names - set(UNCOMPARED)):
            gap = _gap(message.get(name), other.get(name))
            if gap > ROUNDING:
                found.difference = (
                    f"{kind} {seq} at sample {_short(message.get('sample'))}: {_short(name)} was "
                    f"{_short(message.get(name))}, replayed {_short(other.get(name))}"
                )
                return found
            found.rounding = max(found.rounding, gap)
    return found


def _gap(one: object, other: object) -> float:
    """How far two values are apart: 0 the same, else the relative difference of numbers, infinite for others."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return 0.0 if one is other else math.inf
    if isinstance(one, int) and isinstance(other, int):
        return 0.0 if one == other else math.inf
    if isinstance(one, int | float) and isinstance(other, int | float):
        if one == other or (math.isnan(one) and math.isnan(other)):
            return 0.0
        size = max(abs(one), abs(other), 1e-3)
        return abs(one - other) / size if math.isfinite(one) and math.isfinite(other) else math.inf
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((_gap(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other):
        return max((_gap(one[name], other[name]) for name in one), default=0.0)
    return 0.0 if type(one) is type(other) and one == other else math.inf


def _short(value: object) -> str:
    try:
        text = str(value)[:61]
    except RecursionError:
        text = "..."
    return "".join(c if c.isprintable() else "?" for c in (text if len(text) <= 60 else text[:57] + "..."))


def _map_of(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.msgpack.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(isinstance(name, str) for name in found) else None
