"""Which streams are on, and the one that is meant."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pylsl
from rich.table import Table

from ...stream.errors import MissingStreamError, StreamError
from ...stream.finder import open_stream, several
from ...stream.lsl import quieten
from ...stream.source_info import DTYPES
from ..stream_units import in_short

LOOK_S = 2.0
MOST_LABELS = 6


@dataclass(frozen=True)
class Choice:
    """A stream of numbers at a regular rate.

    Attributes
    ----------
    name, kind, source_id, hostname : str
        `kind` is what LSL calls the type, "EMG" for instance.
    channels : int
    fs_hz : float
    labels : tuple of str
        Its own; empty where it has none, or did not answer.
    units : tuple of str
        Of every channel as the stream writes it, empty where it has none; no entry where it did not answer.
    """

    name: str
    kind: str
    source_id: str
    hostname: str
    channels: int
    fs_hz: float
    labels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As `session find --json` lists it."""
        return asdict(self)


def list_streams(look_s: float = LOOK_S) -> list[Choice]:
    """Streams of numbers at a regular rate, those of the type EMG first."""
    quieten()
    found = []
    for info in pylsl.resolve_streams(look_s):
        if info.nominal_srate() > 0 and info.channel_format() in DTYPES:
            found.append(
                Choice(
                    info.name(), info.type(), info.source_id(), info.hostname(), info.channel_count(),
                    info.nominal_srate(), *_labels_and_units(info),
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.kind.upper() != "EMG", one.name, one.source_id))


def _labels_and_units(info: pylsl.StreamInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        opened = open_stream(info, lambda source: None)
    except StreamError:
        return (), ()
    opened.inlet.close_stream()
    source = opened.source
    return source.labels or (), tuple(source.unit_said(channel) for channel in range(source.channels))


def choose(listed: list[Choice], text: str) -> Choice:
    """The stream with this name, or with this number in the list, from 1.

    Raises
    ------
    MissingStreamError
        There is none.
    StreamError
        There are several.
    """
    named = [one for one in listed if one.name == text]
    if len(named) > 1:
        raise several(text, [(one.hostname, one.source_id) for one in named])
    if named:
        return named[0]
    if text.isdecimal() and 1 <= int(text) <= len(listed):
        return listed[int(text) - 1]
    raise MissingStreamError(
        f'"{text}" is neither a name nor a number of the {len(listed)} stream(s) on: start the amplifier\'s LSL '
        "program, or choose another"
    )


def stream_table(listed: list[Choice]) -> Table:
    """The list, for a person."""
    table = Table(title="Streams of numbers at a regular rate")
    for name in ("", "name", "type", "channels", "rate (Hz)", "unit", "labels", "on"):
        table.add_column(name, justify="right" if name in ("", "channels", "rate (Hz)") else "left")
    for number, one in enumerate(listed, 1):
        labels = ", ".join(one.labels[:MOST_LABELS]) + (", ..." if len(one.labels) > MOST_LABELS else "")
        table.add_row(
            str(number), one.name, one.kind, str(one.channels), f"{one.fs_hz:g}", in_short(one.units), labels or "-",
            one.hostname,
        )  # fmt: skip
    return table
