"""How well found motor units agree with a reference: matches, totals, and what is false."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ..models.duplicates import COMMON_SHARE
from ..models.matching import Agreement, agree, assign
from ..models.quality import interval_variation
from ..stream.errors import OptionError, RecordingError
from .events import Events, read_events
from .recording_reader import read_apart

TOLERANCE_S = 0.001
MAX_SHIFT_S = 0.05
RECOVERED_ROA = 0.9
RECOVERED_F1 = 0.5
FALSE_ROA = 0.5  # a unit whose best agreement with any reference stays below counts as false
FEWEST_COMMON = 10  # spikes two trains must share to be one unit: with fewer, the search for the shift finds 30 %
RECORDINGS = (".h5", ".hdf5", ".mat", ".json", ".npz", ".bdf", ".edf")  # that may have units; else it is events
Trains = Mapping[int, NDArray[np.int64]]


@dataclass(frozen=True)
class Match:
    """One found unit and its reference.

    Parameters
    ----------
    unit, reference : int
        Their numbers in the two files.
    roa, f1 : float
        Rate of agreement and F1, 0 to 1.
    shift : int, samples
        The unit's spikes plus `shift` lie on the reference's.
    common, only_unit, only_reference : int
        Spikes in both, in one, in the other.
    """

    unit: int
    reference: int
    roa: float
    f1: float
    shift: int
    common: int
    only_unit: int
    only_reference: int


@dataclass(frozen=True)
class Best:
    """The best agreement of a unit with any reference, taken or not.

    Parameters
    ----------
    unit : int
    reference : int or None
        None where there is no reference at all.
    roa : float
    """

    unit: int
    reference: int | None
    roa: float


@dataclass(frozen=True)
class Score:
    """What scoring found.

    Parameters
    ----------
    matches : tuple of Match
        Pairs by the Hungarian method on F1, by reference.
    extra : tuple of Best
        Found units without a partner.
    missed : tuple of int
        References without a partner.
    duplicates : tuple of (int, int)
        Found units left out because they repeat another: (unit, the one kept).
    best : tuple of Best
        For every unit scored, matched or not.
    fs_hz : float
        The rate shifts are counted in.
    """

    matches: tuple[Match, ...]
    extra: tuple[Best, ...]
    missed: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    best: tuple[Best, ...]
    fs_hz: float

    @property
    def recovered_roa(self) -> int:
        """Number of references found with RoA above 0.9."""
        return sum(match.roa > RECOVERED_ROA for match in self.matches)

    @property
    def recovered_f1(self) -> int:
        """Number of references found with F1 of 0.5 and more."""
        return sum(match.f1 >= RECOVERED_F1 for match in self.matches)

    @property
    def sum_f1(self) -> float:
        """Sum of F1 over the matches."""
        return sum(match.f1 for match in self.matches)

    @property
    def false(self) -> tuple[Best, ...]:
        """Units whose best RoA with any reference is below 0.5."""
        return tuple(best for best in self.best if best.roa < FALSE_ROA)

    @property
    def between(self) -> tuple[Best, ...]:
        """Units neither false nor recovered: best RoA from 0.5 to 0.9."""
        return tuple(best for best in self.best if FALSE_ROA <= best.roa <= RECOVERED_ROA)

    def as_json(self) -> dict[str, object]:
        """The whole result as one object of JSON types."""
        return {
            "matches": [{**asdict(match), "shift_s": match.shift / self.fs_hz} for match in self.matches],
            "extra": [asdict(best) for best in self.extra],
            "missed": list(self.missed),
            "duplicates": [{"unit": unit, "of": kept} for unit, kept in self.duplicates],
            "false": [asdict(best) for best in self.false],
            "between": [asdict(best) for best in self.between],
            "totals": {
                "units": len(self.best),
                "references": len(self.matches) + len(self.missed),
                "matched": len(self.matches),
                "recovered_roa": self.recovered_roa,
                "recovered_f1": self.recovered_f1,
                "sum_f1": self.sum_f1,
                "extra": len(self.extra),
                "missed": len(self.missed),
                "duplicates": len(self.duplicates),
                "false": len(self.false),
                "between": len(self.between),
            },
        }

    def as_table(self) -> Table:
        """The result for a console: matches, then what has no partner, the totals below."""
        references = len(self.matches) + len(self.missed)
        table = Table(
            title="Agreement with the reference",
            caption=(
                f"{self.recovered_roa} of {references} recovered at RoA > {RECOVERED_ROA:g}, "
                f"{self.recovered_f1} at F1 >= {RECOVERED_F1:g}; sum of F1 {self.sum_f1:.2f}; "
                f"{len(self.false)} with no match here (best RoA < {FALSE_ROA:g}), {len(self.between)} between"
            ),
        )
        for name in ("unit", "reference", "RoA", "F1", "shift (ms)", "common", "only unit", "only reference"):
            table.add_column(name, justify="right")
        for match in self.matches:
            counts = (match.common, match.only_unit, match.only_reference)
            shift_ms = f"{1000 * match.shift / self.fs_hz:.1f}"
            cells = (match.unit, match.reference, f"{match.roa:.3f}", f"{match.f1:.3f}", shift_ms, *counts)
            table.add_row(*map(str, cells))
        for best in self.extra:
            table.add_row(str(best.unit), "-", f"(best {best.roa:.3f})", *[""] * 5, style="yellow")
        for reference in self.missed:
            table.add_row("-", str(reference), *[""] * 6, style="yellow")
        for unit, kept in self.duplicates:
            table.add_row(str(unit), f"repeats unit {kept}", *[""] * 6, style="dim")
        return table


def score_trains(found: Trains, truth: Trains, fs_hz: float) -> Score:
    """Score spike trains against reference trains.

    Parameters
    ----------
    found, truth : mapping of int to ndarray of int64, shape (discharges,)
        Ascending sample numbers by unit.
    fs_hz : float
        Samples per second of both.

    Returns
    -------
    Score
    """
    kept, duplicates = _without_duplicates(found, fs_hz)
    units, references = list(kept), list(truth)
    trains, reference_trains = list(kept.values()), list(truth.values())
    assigned = assign(trains, reference_trains, fs_hz=fs_hz, tolerance_s=TOLERANCE_S, max_shift_s=MAX_SHIFT_S)
    best = []
    for unit, train in kept.items():
        roa = [_agree(train, reference, fs_hz).roa for reference in reference_trains]
        nearest = int(np.argmax(roa)) if roa else None
        best.append(Best(unit, None if nearest is None else references[nearest], max(roa, default=0.0)))
    return Score(
        matches=tuple(
            Match(units[a], references[b], x.roa, x.f1, x.shift, x.common, x.only_found, x.only_truth)
            for a, b, x in assigned.pairs
        ),
        extra=tuple(best[a] for a in assigned.extra),
        missed=tuple(references[b] for b in assigned.missed),
        duplicates=duplicates,
        best=tuple(best),
        fs_hz=fs_hz,
    )


def _agree(first: NDArray[np.int64], second: NDArray[np.int64], fs_hz: float) -> Agreement:
    return agree(first, second, tolerance=max(1, round(TOLERANCE_S * fs_hz)), max_shift=round(MAX_SHIFT_S * fs_hz))


def _without_duplicates(found: Trains, fs_hz: float) -> tuple[dict[int, NDArray[np.int64]], tuple]:
    """Keep one of the trains that share 30 % of their spikes: the most regular, judged without the reference."""
    kept: dict[int, NDArray[np.int64]] = {}
    duplicates = []
    for unit in sorted(found, key=lambda u: interval_variation(found[u], fs_hz)):
        for other, train in kept.items():
            common = _agree(found[unit], train, fs_hz).common
            if common >= max(FEWEST_COMMON, COMMON_SHARE * min(len(found[unit]), len(train))):
                duplicates.append((unit, other))
                break
        else:
            kept[unit] = found[unit]
    return dict(sorted(kept.items())), tuple(sorted(duplicates))


def score(
    events: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    *,
    fs_hz: float | None = None,
    start_s: float = 0.0,
    end_s: float = float("inf"),
) -> Score:
    """Score an events file against a recording with units, or against another events file.

    Parameters
    ----------
    events : path
        events.tsv with what was found.
    reference : path
        A recording that has units, or an events.tsv.
    fs_hz : float, optional
        Samples per second, where neither file tells.
    start_s, end_s : float, s
        The part of the recording to score.

    Returns
    -------
    Score

    Raises
    ------
    RecordingError
        A file cannot be read, has no units, or the two were sampled at different rates.
    OptionError
        No time is left between start and end.
    """
    found, truth = read_events(events), _reference(reference)
    if not truth.units:
        raise RecordingError(f'"{reference}" has no reference units: give a recording or an events.tsv that has some.')
    rates = [rate for rate in (fs_hz, truth.fs_hz, found.fs_hz) if rate is not None]
    if not rates:
        raise RecordingError(f'neither "{events}" nor "{reference}" tells the sampling rate: give it as an option.')
    if max(rates) > min(rates) * 1.0005:
        raise RecordingError(
            f'"{events}" and "{reference}" do not share a sampling rate ({min(rates):g} and {max(rates):g} Hz): '
            "compare files of one recording."
        )
    rate = rates[0]
    if not start_s < end_s:
        raise OptionError(f"nothing lies between {start_s:g} s and {end_s:g} s: give a start before the end.")
    return score_trains(_between(found.units, rate, start_s, end_s), _between(truth.units, rate, start_s, end_s), rate)


def _between(trains: Trains, fs_hz: float, start_s: float, end_s: float) -> dict[int, NDArray[np.int64]]:
    return {unit: train[(train >= start_s * fs_hz) & (train < end_s * fs_hz)] for unit, train in trains.items()}


def _reference(path: str | os.PathLike[str]) -> Events:
    if Path(path).is_dir() or Path(path).suffix.lower() in RECORDINGS:
        recording = read_apart(path, allow_nan=True, need_places=False)
        return Events(recording.units, recording.fs_hz)
    return read_events(path)
