"""Reads a BIDS-EMG recording: EDF or BDF with the sidecars that hold for it, or such a file alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import OptionError, RecordingError
from ...stream.geometry import Geometry
from ...stream.source_info import MICROVOLTS, own_labels
from ..events import MISSING, names_units, read_events, read_marks, read_missing
from ..positions import geometry_at, lie_on
from ..recording import MONTAGES, Recording, shown
from .bids import FORCE, NA
from .bounded import json_of, text_of
from .edf import Signal, read_edf
from .held import chosen, microvolts, rate, recording_held
from .wanted import Wanted

MOST_ENTRIES = 20_000  # files and folders looked at in a data set
DEEPEST = 6
NEAR = 1e-4  # sampling rates that differ by less are one: EDF has eight characters for the length of a record
IN_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


def read_bids(path: Path, wanted: Wanted) -> Recording:
    """The recording of a BIDS folder, or of an EDF or BDF file with the sidecars beside and above it.

    Raises
    ------
    RecordingError
    """
    file = path if path.is_file() else _recording_in(path, wanted)
    signals = read_edf(file)
    told = _description(file)
    table = {row.get("name", ""): row for row in _rows(_beside(file, "channels.tsv"))}
    emg, force = _emg_and_force(signals, table, wanted, file)
    rates = {signal.fs_hz for signal in emg}
    if len(rates) > 1:
        raise RecordingError(f'"{file}" samples its EMG at several rates ({sorted(rates)}): choose with --channels.')
    fs_hz = rates.pop()
    if told.get("SamplingFrequency") is not None and table:
        said = rate(told["SamplingFrequency"], file)
        if abs(said / fs_hz - 1) > NEAR:
            raise RecordingError(
                f'"{file}" runs at {fs_hz:g} Hz and its sidecar says {said:g} Hz: correct one of them.'
            )
        fs_hz = said
    signal = np.column_stack([one.values * _factor(one, table, wanted, file) for one in emg]).astype(np.float32)
    samples = _samples(told, signal.shape[0], fs_hz)
    signal = signal[:samples]
    names = [one.label for one in emg]
    events = _beside(file, "events.tsv")
    if events is not None:
        _take_out_missing(signal, names, fs_hz, events, file)
    labels = _labels(names, table)
    first = table.get(names[0], {})
    return recording_held(
        file if path.is_file() else path,
        wanted,
        signal,
        fs_hz,
        None if wanted.grid is not None else _geometry(file, names, told, wanted),
        labels=labels,
        units=read_events(events).units if events is not None and names_units(events) else {},
        force=None if force is None or len(force.values) < samples else force.values[:samples],
        force_unit="" if force is None else _force_unit(force, told),
        muscle=_known(first.get("target_muscle", "")),
        source=str(told.get("Source") or "") or file.name,
        license=_license(file),
        montage=_montage(told),
        marks=() if events is None else tuple(read_marks(events, fs_hz)),
    )


def _recording_in(folder: Path, wanted: Wanted) -> Path:
    """The EMG file of a data set, or the one asked for."""
    left = [MOST_ENTRIES]
    found = [file for file in _files(folder, 0, left) if file.stem.endswith("_emg")]
    if left[0] < 0:
        raise RecordingError(
            f'"{folder}" is a folder with more than {MOST_ENTRIES} files, too many to look for a recording in: give a '
            "file, or a BIDS-EMG data set."
        )
    if not found:
        raise RecordingError(f'"{folder}" is a folder with no recording in it: give a file, or a BIDS-EMG data set.')
    found.sort()
    return found[chosen([str(file.relative_to(folder)) for file in found], wanted.part, folder, "recordings")]


def _files(folder: Path, depth: int, left: list[int]) -> Iterator[Path]:
    """EDF and BDF files in a folder, links not followed, so many entries at most; `left` is below 0 where more are."""
    for entry in sorted(folder.iterdir()):
        left[0] -= 1
        if left[0] < 0:
            return
        if entry.is_symlink():
            continue
        if entry.is_dir() and depth < DEEPEST:
            yield from _files(entry, depth + 1, left)
        elif entry.suffix.lower() in (".bdf", ".edf"):
            yield entry


def _entities(name: str) -> set[str]:
    return set(name.split("_")[:-1])


def _sidecars(file: Path, suffix: str) -> list[Path]:
    """Every sidecar that holds for a file: those farther up first, and in a folder the more general ones first."""
    if not file.stem.endswith("_emg"):
        return []
    own, found = _entities(file.name), []
    folders = list(file.absolute().parents)[: DEEPEST + 1]
    root = next((n for n, folder in enumerate(folders) if (folder / "dataset_description.json").is_file()), 0)
    folders = folders[: root + 1]
    for folder in reversed(folders):
        here = [
            entry
            for entry in sorted(folder.glob(f"*{suffix}"))
            if entry.is_file() and (entry.name == suffix or entry.name.endswith("_" + suffix))
        ]
        fitting = [entry for entry in here if _entities(entry.name) <= own]
        found += sorted(fitting, key=lambda entry: len(_entities(entry.name)))
    return found


def _beside(file: Path, suffix: str) -> Path | None:
    """The sidecar that holds for a file, the nearest."""
    found = _sidecars(file, suffix)
    return found[-1] if found else None


def _description(file: Path) -> dict[str, object]:
    told: dict[str, object] = {}
    for sidecar in _sidecars(file, "emg.json"):
        told |= json_of(text_of(sidecar), sidecar)
    return told


def _rows(table: Path | None) -> list[dict[str, str]]:
    """The rows of a sidecar table."""
    if table is None:
        return []
    lines = list(csv.reader(text_of(table).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    return [dict(zip(lines[0], row, strict=False)) for row in lines[1:] if row] if lines else []


def _emg_and_force(
    signals: list[Signal], table: dict[str, dict[str, str]], wanted: Wanted, file: Path
) -> tuple[list[Signal], Signal | None]:
    """Channels of EMG: by the table of channels, or all of a voltage; and the one of the force, by its name."""
    name = wanted.force or FORCE
    force = next((one for one in signals if one.label == name), None)
    force = force or next((one for one in signals if one.label.lower() == name.lower()), None)
    if wanted.force is not None and force is None:
        listed = ", ".join(shown(one.label) for one in signals[:80])
        raise RecordingError(f'"{file}" has no channel "{wanted.force}", it has {listed}: correct --force.')
    kinds = [table.get(one.label, {}).get("type", "").upper() for one in signals]
    if any(kinds):
        emg = [one for one, kind in zip(signals, kinds, strict=True) if kind == "EMG"]
    else:
        emg = [one for one in signals if one is not force and (wanted.unit or one.unit.lower() in MICROVOLTS)]
    if not emg:
        raise RecordingError(f'"{file}" has no channel of EMG, or none in volts: choose another file.')
    return emg, force


def _factor(signal: Signal, table: dict[str, dict[str, str]], wanted: Wanted, file: Path) -> float:
    unit = wanted.unit or signal.unit or _known(table.get(signal.label, {}).get("units", ""))
    return microvolts(unit, file, f'channel "{signal.label}"')


def _samples(told: dict[str, object], there: int, fs_hz: float) -> int:
    """How many samples were recorded: the last record of the file is filled up."""
    said = told.get("SampleCount")
    if isinstance(said, int) and 0 < said <= there:
        return said
    lasted = told.get("RecordingDuration")
    if isinstance(lasted, (int, float)) and 0 < round(lasted * fs_hz) <= there < lasted * fs_hz + 100 * fs_hz:
        return round(lasted * fs_hz)
    return there


def _take_out_missing(signal: NDArray[np.float32], names: list[str], fs_hz: float, events: Path, file: Path) -> None:
    """Make NaN of what the events say is missing."""
    for gap in read_missing(events, fs_hz):
        if gap.channel is not None and gap.channel not in names:
            raise RecordingError(
                f'"{events}" has {MISSING} of "{shown(gap.channel)}", no channel of "{file.name}": correct it.'
            )
        column = slice(None) if gap.channel is None else names.index(gap.channel)
        signal[gap.first : gap.first + gap.samples, column] = np.nan


def _labels(names: list[str], table: dict[str, dict[str, str]]) -> list[str] | None:
    described = [_known(table.get(name, {}).get("description", "")) for name in names]
    if all(described) and len(set(described)) == len(described):
        return described
    invented = all(name[:1] == "E" and name[1:].isdigit() for name in names)
    return names if own_labels(names) and not invented else None


def _known(text: str) -> str:
    return "" if text.strip().lower() in ("", NA) else text.strip()


def _geometry(file: Path, names: list[str], told: dict[str, object], wanted: Wanted) -> Geometry | None:
    """Places from the table of electrodes: x across the columns, y along the rows."""
    table = {row.get("name", ""): row for row in _rows(_beside(file, "electrodes.tsv"))}
    spaces = {table[name].get("coordinate_system", "") for name in names if name in table}
    if not table or not set(names) <= set(table) or len(spaces) > 1:
        return None
    try:
        places = np.array([[float(table[name][axis]) for axis in "xy"] for name in names])
        found = geometry_at(places * _scale(file, spaces.pop()), f'"{file}"')
    except (KeyError, ValueError):
        return None
    except OptionError:
        if wanted.need_places:
            raise
        return None
    return _of_whole_grid(found, places, told)


def _of_whole_grid(found: Geometry, places: NDArray[np.float64], told: dict[str, object]) -> Geometry:
    """The same places on the grid that the description tells of, which may be larger than what is recorded of it."""
    rows, cols, ied_mm = (told.get(name) for name in ("GridRows", "GridColumns", "InterelectrodeDistance"))
    if not (isinstance(rows, int) and isinstance(cols, int) and isinstance(ied_mm, (int, float)) and ied_mm > 0):
        return found
    col, row = np.round(places / ied_mm).astype(np.int64).T
    return Geometry(row, col, float(ied_mm), rows, cols) if lie_on(row, col, rows, cols) else found


def _scale(file: Path, space: str) -> float:
    """Millimetres in the unit of the coordinate system."""
    sidecars = _sidecars(file.with_name(f"{file.name[: -len('emg.bdf')]}space-{space}_emg.bdf"), "coordsystem.json")
    unit = json_of(text_of(sidecars[-1]), sidecars[-1]).get("EMGCoordinateUnits") if sidecars else "mm"
    if unit not in IN_MM:
        raise OptionError(f'"{file}" gives its electrodes in "{shown(unit)}": name the grid, such as --grid GR08MM1305')
    return IN_MM[str(unit)]


def _force_unit(force: Signal, told: dict[str, object]) -> str:
    said = told.get("ForceUnit")
    return said if isinstance(said, str) and said else _known(force.unit)


def _license(file: Path) -> str:
    for folder in list(file.parents)[: DEEPEST + 1]:
        description = folder / "dataset_description.json"
        if description.is_file():
            return str(json_of(text_of(description), description).get("License") or "")
    return ""


def _montage(told: dict[str, object]) -> str:
    said = str(told.get("EMGReference") or "").lower().replace(" ", "-")
    return MONTAGES[1] if MONTAGES[1] in said else MONTAGES[0]
