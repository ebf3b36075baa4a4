"""Spike trains and markers as BIDS events.tsv: one row a discharge, and one a marker."""

from __future__ import annotations

import csv
import heapq
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..stream.errors import RecordingError
from .whole_file import written_whole

COLUMNS = ("onset", "duration", "sample", "unit_id", "event_type")
SPIKE = "motor-unit-spike"
MISSING = "missing-samples"
MARKER = "marker"
NA = "n/a"


@dataclass(frozen=True)
class Events:
    """Discharges of motor units.

    Parameters
    ----------
    units : dict of int to ndarray of int64, shape (discharges,)
        Sample numbers from 0, ascending, by unit.
    fs_hz : float or None
        Samples per second; None where the file cannot tell (no spike after sample 0).
    """

    units: dict[int, NDArray[np.int64]]
    fs_hz: float | None


class Mark(NamedTuple):
    """What was marked, and at which sample from 0; negative before the first."""

    sample: int
    label: str


@dataclass(frozen=True)
class Missing:
    """Samples that a recording lacks.

    Parameters
    ----------
    first, samples : int
        The first of them, and how many.
    channel : int, str or None
        The channel that lacks them, by number or name; None: all channels do.
    """

    first: int
    samples: int
    channel: int | str | None


def write_events(
    path: str | os.PathLike[str],
    units: Mapping[int, NDArray[np.int64]],
    fs_hz: float,
    missing: Sequence[Missing] = (),
    marks: Sequence[Mark] = (),
) -> None:
    """Write spike trains and markers, whole or not at all.

    Parameters
    ----------
    path : path
        Where to; an existing file is replaced at the end.
    units : mapping of int to ndarray of int64, shape (discharges,)
        Sample numbers from 0 by unit.
    fs_hz : float
        Samples per second.
    missing : sequence of Missing
        Listed after the rest; a channel stands in a column of its own.
    marks : sequence of Mark
        Their labels stand in a column of their own, as `trial_type`.
    """
    more = [NA] * (bool(marks) + bool(missing))
    sample = np.concatenate([np.asarray(train, dtype=np.int64) for train in units.values()] or [np.empty(0, np.int64)])
    unit = np.repeat(np.array(list(units), dtype=np.int64), [len(train) for train in units.values()])
    order = np.lexsort((unit, sample))
    spikes = (
        (s, (f"{s / fs_hz:.6f}", NA, s, u, SPIKE, *more))
        for s, u in zip(sample[order].tolist(), unit[order].tolist(), strict=True)
    )
    marked = (
        (mark.sample, (f"{mark.sample / fs_hz:.6f}", NA, mark.sample, NA, MARKER, _cell(mark.label), *more[1:]))
        for mark in sorted(marks, key=lambda mark: mark.sample)
    )
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:

        def write(row: Iterable[object]) -> None:
            file.write("\t".join(map(str, row)) + "\n")

        write((*COLUMNS, *["trial_type"] * bool(marks), *["channel"] * bool(missing)))
        for _, row in heapq.merge(marked, spikes, key=lambda one: one[0]):
            write(row)
        for gap in missing:
            channel = NA if gap.channel is None else gap.channel
            onset, lasts = f"{gap.first / fs_hz:.6f}", f"{gap.samples / fs_hz:.6f}"
            write((onset, lasts, gap.first, NA, MISSING, *[NA] * bool(marks), channel))


def _cell(label: str) -> str:
    """A label as one cell of a table."""
    return " ".join("".join(c if c.isprintable() else " " for c in label).split()) or NA


def names_units(path: str | os.PathLike[str]) -> bool:
    """Whether an events.tsv has motor units: BIDS keeps cues and triggers in files of that name too."""
    return "unit_id" in _text(Path(path)).partition("\n")[0].split("\t")


def read_missing(path: str | os.PathLike[str], fs_hz: float) -> list[Missing]:
    """What an events.tsv says is missing of its recording.

    Raises
    ------
    RecordingError
    """
    lines = list(csv.reader(_text(Path(path)).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    heading, found = lines[0] if lines else [], []
    for number, line in enumerate(lines[1:], start=2):
        row = dict(zip(heading, line, strict=False))
        if row.get("event_type") != MISSING:
            continue
        try:
            first, samples = int(row["sample"]), round(float(row["duration"]) * fs_hz)
        except (KeyError, ValueError, OverflowError):
            first, samples = -1, 0
        if first < 0 or samples < 1:
            raise RecordingError(
                f'"{path}" has {MISSING} in line {number} without a sample and duration: correct the line.'
            )
        channel = row.get("channel", NA)
        found.append(Missing(first, samples, None if channel == NA else channel))
    return found


def read_marks(path: str | os.PathLike[str], fs_hz: float) -> list[Mark]:
    """Markers of an events.tsv: rows that are no discharges and name a `trial_type`, as other programs write cues.

    A row without a sample gets that of its onset; one without either is left out.

    Raises
    ------
    RecordingError
    """
    lines = list(csv.reader(_text(Path(path)).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    heading, found = lines[0] if lines else [], []
    for line in lines[1:]:
        row = dict(zip(heading, line, strict=False))
        if row.get("event_type") in (SPIKE, MISSING) or row.get("trial_type", NA) in ("", NA):
            continue
        if "event_type" not in row and row.get("unit_id", NA) != NA:
            continue
        try:
            sample = int(row["sample"]) if row.get("sample", NA) != NA else round(float(row["onset"]) * fs_hz)
        except (KeyError, ValueError, OverflowError):
            continue
        if abs(sample) < 1 << 62:
            found.append(Mark(sample, row["trial_type"]))
    return found


def read_events(path: str | os.PathLike[str]) -> Events:
    """Read spike trains; rows of other event types, or that name no unit, are left out.

    Parameters
    ----------
    path : path
        A BIDS events.tsv with the columns onset, sample and unit_id at least, in any order.

    Returns
    -------
    Events

    Raises
    ------
    RecordingError
        The file is missing, is no such table, or contradicts itself.
    """
    path = Path(path)
    text = _text(path)
    lines = list(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    heading = lines[0] if lines else []
    missing = [name for name in ("onset", "sample", "unit_id") if name not in heading]
    if missing:
        raise RecordingError(
            f'"{path}" has no column {" and no column ".join(missing)}: '
            f"give an events.tsv with the columns {', '.join(COLUMNS)}."
        )
    onset, sample, unit = _spike_rows(lines[1:], heading, path)
    fs_hz = _sampling_rate(onset, sample, path)
    trains = {}
    for number in np.unique(unit).tolist():
        train = np.sort(sample[unit == number])
        if (np.diff(train) == 0).any():
            twice = int(train[1:][np.diff(train) == 0][0])
            raise RecordingError(f'"{path}" lists sample {twice} twice for unit {number}: remove one of the rows.')
        trains[number] = train
    return Events(trains, fs_hz)


def _text(path: Path) -> str:
    if path.is_dir():
        raise RecordingError(f'"{path}" is a folder: give the path of an events.tsv file.')
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RecordingError(f'no events file at "{path}": check the path.') from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f'"{path}" cannot be read as text: give an events.tsv file.') from error


def _spike_rows(
    rows: list[list[str]], heading: list[str], path: Path
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    place = {name: heading.index(name) for name in COLUMNS if name in heading}
    found = []
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(heading):
            raise RecordingError(
                f'"{path}" has {len(row)} values in line {number}, its heading has {len(heading)}: correct the line.'
            )
        if row[place["event_type"]] != SPIKE if "event_type" in place else row[place["unit_id"]] == NA:
            continue
        try:
            values = float(row[place["onset"]]), int(row[place["sample"]]), int(row[place["unit_id"]])
            usable = np.isfinite(values[0]) and 0 <= values[1] < 1 << 62 and 0 <= values[2] < 1 << 31
        except ValueError:
            usable = False
        if not usable:
            raise RecordingError(
                f'"{path}" has a spike in line {number} whose onset is no number of seconds, or whose sample or '
                "unit_id is no whole number from 0: correct the line."
            )
        found.append(values)
    onset, sample, unit = zip(*found, strict=True) if found else ((), (), ())
    return np.array(onset, dtype=np.float64), np.array(sample, dtype=np.int64), np.array(unit, dtype=np.int64)


def _sampling_rate(onset: NDArray[np.float64], sample: NDArray[np.int64], path: Path) -> float | None:
    """Samples per second by the latest spike, which knows it best; every other row must agree to a sample."""
    if not sample.size or sample.max() == 0:
        return None
    last = int(np.argmax(sample))
    if onset[last] <= 0:
        raise RecordingError(f'"{path}" has sample {sample[last]} at onset {onset[last]:g} s: correct one of them.')
    fs_hz = float(sample[last] / onset[last])
    rounded = round(fs_hz, 3)  # 2047.99998 is 2048 written with six digits
    if abs(rounded - fs_hz) * onset[last] < 0.01:
        fs_hz = rounded
    worst = int(np.argmax(np.abs(onset * fs_hz - sample)))
    if abs(onset[worst] * fs_hz - sample[worst]) > 1.0:
        raise RecordingError(
            f'"{path}" has sample {sample[worst]} at onset {onset[worst]:g} s, which does not fit the {fs_hz:g} Hz of '
            "its last row: correct onset or sample."
        )
    return fs_hz
