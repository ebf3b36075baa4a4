"""MUedit's MATLAB file: a struct `signal` with the EMG of one or more grids, force, and discharges once decomposed.

`data` [channels, samples] is in mV where MUedit itself read it from an OT amplifier; a field `unit` of ours says it.
`Dischargetimes` {grid, unit} count samples from 1. `Pulsetrain`, the sources, are 1 at each discharge where we write.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import RecordingError
from ...stream.geometry import Geometry
from ..grids import grid, grid_within, name_of
from ..positions import lie_on
from ..recording import MONTAGES, Recording
from ..whole_file import written_whole
from .bounded import damaged
from .held import chosen, microvolts, rate, recording_held
from .matlab import read_struct
from .wanted import Wanted

UNIT = "mV"
UV_PER_MV = 1000.0
LARGEST_V5 = (1 << 31) - (1 << 20)  # bytes of one variable


def read_muedit(path: Path, wanted: Wanted) -> Recording:
    """One grid of a MUedit file.

    Raises
    ------
    RecordingError
    """
    signal = read_struct(path, "signal")
    data = signal.get("data")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or not data.size:
        raise RecordingError(f'"{path}" has no signal.data of channels and samples: choose another file.')
    names = _words(signal.get("gridname")) or ["EMG"]
    sizes = _sizes(names, signal, data.shape[0])
    if sum(sizes) != data.shape[0]:
        raise RecordingError(
            f'"{path}" has {data.shape[0]} channels for grids of {", ".join(map(str, sizes))}: '
            "its grids are not known here, export it again."
        )
    at = chosen(names, wanted.part, path, "grids")
    channels = slice(sum(sizes[:at]), sum(sizes[: at + 1]))
    unit = wanted.unit or _word(signal.get("unit"))
    factor = microvolts(unit or UNIT, path, "its EMG")
    force, force_unit = _force(signal, data.shape[1], wanted, path)
    montage = _word(signal.get("montage")) or MONTAGES[0]
    muscles = _words(signal.get("muscle"))
    return recording_held(
        path,
        wanted,
        data[channels].T.astype(np.float64) * factor,
        rate(signal.get("fsamp"), path),
        None if wanted.grid is not None else _geometry(names[at], signal, at, sizes[at]),
        units=_units(signal.get("Dischargetimes"), at, path),
        force=force,
        force_unit=force_unit,
        labels=_words(signal.get("label")) or None,
        muscle=muscles[at] if at < len(muscles) else "",
        source=_word(signal.get("source")) or f"MUedit, {names[at]}, {path.name}",
        license=_word(signal.get("license")),
        montage=montage if montage in MONTAGES else MONTAGES[0],
        notes=() if unit else (f"the file names no unit: its numbers are taken as {UNIT}, as MUedit has them",),
    )


def _word(value: Any) -> str:
    found = _words(value)
    return found[0] if found else ""


def _words(value: Any) -> list[str]:
    """Text or a cell array of text as a list; where a cell is none the list has "" for it."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, list):
        return [cell if isinstance(cell, str) else "" for row in value for cell in row]
    return []


def _cell(value: Any, at: int) -> Any:
    """A cell of a row or column of cells, or the thing itself where there is but one."""
    if isinstance(value, list):
        flat = [cell for row in value for cell in row]
        return flat[at] if at < len(flat) else None
    return value if at == 0 else None


def _sizes(names: list[str], signal: dict[str, Any], channels: int) -> list[int]:
    """Channels of each grid: by its places, else by its name; of a single one, all."""
    if len(names) == 1:
        return [channels]
    sizes = []
    for at, name in enumerate(names):
        places, known = _cell(signal.get("coordinates"), at), grid_within(name)
        if isinstance(places, np.ndarray) and places.ndim == 2 and len(places):
            sizes.append(len(places))
        else:
            sizes.append(0 if known is None else len(grid(known)))
    return sizes


def _geometry(name: str, signal: dict[str, Any], at: int, channels: int) -> Geometry | None:
    """Places by the grid's name, else by its coordinates (row and column from 1) and spacing."""
    known = grid_within(name)
    if known is not None and len(grid(known)) == channels:
        return grid(known)
    places, spacing = _cell(signal.get("coordinates"), at), signal.get("IED")
    size = _cell(signal.get("gridsize"), at)
    if not isinstance(places, np.ndarray) or places.shape != (channels, 2) or not isinstance(spacing, np.ndarray):
        return None
    each = spacing.reshape(-1)
    row, col = np.rint(places).astype(np.int64).T - 1
    ied_mm = float(each[at]) if at < len(each) else 0.0
    rows, cols = int(row.max()) + 1, int(col.max()) + 1
    if not (lie_on(row, col, rows, cols) and 0 < ied_mm < 1e3):
        return None
    if isinstance(size, np.ndarray) and size.size == 2:
        rows, cols = max(rows, int(size.reshape(-1)[0])), max(cols, int(size.reshape(-1)[1]))
    return Geometry(row, col, ied_mm, rows, cols)


def _units(cells: Any, at: int, path: Path) -> dict[int, NDArray[np.int64]]:
    """The discharges of a grid's units, from 0."""
    if not isinstance(cells, list) or at >= len(cells):
        return {}
    units = {}
    for unit, train in enumerate(cells[at]):
        if not isinstance(train, np.ndarray) or not train.size:
            continue
        instants = np.asarray(train, np.float64).reshape(-1)
        if not np.isfinite(instants).all() or (instants != np.rint(instants)).any() or (np.abs(instants) > 2**53).any():
            raise damaged(path, f"discharges of unit {unit} that are no sample numbers")
        units[unit] = np.sort(instants.astype(np.int64)) - 1
    return units


def _force(signal: dict[str, Any], samples: int, wanted: Wanted, path: Path) -> tuple[NDArray[np.float64] | None, str]:
    """The auxiliary channel asked for, or called force; else the path that the person performed."""
    names, auxiliary = _words(signal.get("auxiliaryname")), signal.get("auxiliary")
    unit = _word(signal.get("force_unit"))
    if isinstance(auxiliary, np.ndarray) and auxiliary.ndim == 2 and auxiliary.shape == (len(names), samples):
        if wanted.force is not None:
            return auxiliary[chosen(names, wanted.force, path, "auxiliary channels")].astype(np.float64), unit
        forces = [n for n, name in enumerate(names) if "force" in name.lower() or "load" in name.lower()]
        if len(forces) == 1:
            return auxiliary[forces[0]].astype(np.float64), unit
    performed = signal.get("path")
    if isinstance(performed, np.ndarray) and performed.size == samples and np.any(performed):
        return performed.reshape(-1).astype(np.float64), unit
    return None, ""


def write_muedit(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a recording as MUedit takes it, MATLAB version 5, whole or not at all; units become 1, 2, ... in order.

    Parameters
    ----------
    path : path
    recording : Recording
    """
    import scipy.io

    if recording.emg.size * 8 > LARGEST_V5:
        raise RecordingError(f'"{path}" would be larger than a MATLAB file of version 5 can be: cut the recording.')
    geometry, samples = recording.geometry, recording.samples
    trains = list(recording.units.values())
    pulses = np.zeros((len(trains), samples))
    for unit, train in enumerate(trains):
        pulses[unit, train] = 1.0
    force = np.zeros((1, samples)) if recording.force is None else recording.force.astype(np.float64)[None]
    signal: dict[str, Any] = {
        "data": recording.emg.T.astype(np.float64) / UV_PER_MV,
        "unit": UNIT,
        "fsamp": float(recording.fs_hz),
        "nChan": float(recording.channels),
        "ngrid": 1.0,
        "gridname": _cells([name_of(geometry) or "custom"]),
        "muscle": _cells([recording.muscle]),
        "IED": float(geometry.ied_mm),
        "coordinates": _cells([np.column_stack([geometry.row, geometry.col]).astype(np.float64) + 1]),
        "gridsize": _cells([np.array([[float(geometry.grid_rows), float(geometry.grid_cols)]])]),
        "EMGmask": _cells([np.zeros((recording.channels, 1))]),
        "emgtype": 1.0,
        "auxiliary": force,
        "auxiliaryname": _cells(["force" if recording.force is not None else "none"]),
        "path": force,
        "target": force,
        "force_unit": recording.force_unit,
        "montage": recording.montage,
        "source": recording.source,
        "license": recording.license,
    }
    if recording.labels is not None:
        signal["label"] = _cells(list(recording.labels))
    if trains:
        signal |= {"Pulsetrain": _cells([pulses]), "Dischargetimes": _cells([train[None] + 1.0 for train in trains])}
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        scipy.io.savemat(file, {"signal": signal}, do_compression=True)


def _cells(values: list[Any]) -> NDArray[np.object_]:
    """A row of cells."""
    found = np.empty((1, len(values)), dtype=object)
    for at, value in enumerate(values):
        found[0, at] = value
    return found
