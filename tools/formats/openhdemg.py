"""openhdemg's JSON, mostly gzip-compressed: an object whose values are JSON themselves, tables split into columns,
index and data.

RAW_SIGNAL is taken as uV, channels in the amplifier's order. Its places are not in the file; ours stand in EXTRAS, of
which openhdemg says that it may hold anything. IPTS, the sources, are 1 at each discharge and 0 elsewhere, for a
recording has none.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...stream.errors import RecordingError
from ...stream.geometry import Geometry
from ..positions import lie_on
from ..recording import Recording
from ..whole_file import written_whole
from .bounded import damaged, gunzipped
from .held import microvolts, rate, recording_held
from .wanted import Wanted

SOURCE = "CUSTOMCSV"  # of those that openhdemg reads, the one for files of other programs
COMPRESSION = 4  # openhdemg's own
MOST_COLUMNS = 65_536
MOST_MUS = 10_000
PLACES = "channel row column"
GRID = "ied_mm grid_rows grid_cols"


class _Table(msgspec.Struct):
    """A pandas DataFrame as `to_json(orient="split")` writes it."""

    columns: list[int | float | str] = []
    index: list[int | float | str] = []
    data: list[list[float | None]] = []


class _AnyTable(msgspec.Struct):
    """The same, of whatever."""

    columns: list[Any] = []
    index: list[Any] = []
    data: list[list[Any]] = []


class _File(msgspec.Struct):
    """What is read of a file; each value is JSON again."""

    RAW_SIGNAL: str = ""
    FSAMP: str = ""
    IED: str = "null"
    REF_SIGNAL: str = "{}"
    MUPULSES: str = "[]"
    EXTRAS: str = "{}"
    FILENAME: str = '""'
    SOURCE: str = '""'


def read_openhdemg(path: Path, wanted: Wanted) -> Recording:
    """The EMG, force and discharges of an openhdemg file.

    Raises
    ------
    RecordingError
    """
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    text = gunzipped(path) if packed else path.read_bytes()
    try:
        held = msgspec.json.decode(text, type=_File)
        del text
        if not held.RAW_SIGNAL:
            raise RecordingError(
                f'"{path}" is JSON without RAW_SIGNAL, no openhdemg file with EMG: choose another file.'
            )
        emg = _array(msgspec.json.decode(held.RAW_SIGNAL, type=_Table), path, "RAW_SIGNAL")
        reference = msgspec.json.decode(held.REF_SIGNAL, type=_AnyTable)
        pulses = msgspec.json.decode(held.MUPULSES, type=list[list[float]])
        extras = msgspec.json.decode(held.EXTRAS, type=_AnyTable)
        fs_hz = rate(msgspec.json.decode(held.FSAMP), path)
        ied_mm = msgspec.json.decode(held.IED)
        name = msgspec.json.decode(held.FILENAME)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    if len(pulses) > MOST_MUS:
        raise damaged(path, f"{len(pulses)} motor units")
    factor = microvolts(wanted.unit or "uV", path, "RAW_SIGNAL")
    geometry, rest = _from_extras(extras, emg.shape[1])
    if geometry is None and wanted.grid is None and wanted.need_places and isinstance(ied_mm, (int, float)):
        raise RecordingError(
            f'"{path}" says that its electrodes are {ied_mm:g} mm apart and not where each is: name the grid, such as '
            "`myodrive convert --grid GR08MM1305`."
        )
    force = _force(reference, emg.shape[0])
    return recording_held(
        path,
        wanted,
        emg * factor,
        fs_hz,
        geometry,
        units=_units(pulses, path),
        force=force,
        force_unit=rest.get("force_unit", "%MVC") if force is not None else "",
        muscle=rest.get("muscle", ""),
        source=rest.get("source", "") or str(name),
        license=rest.get("license", ""),
        montage=rest.get("montage", "monopolar"),
        notes=() if wanted.unit or geometry is not None else ("the file names no unit: its numbers are taken as uV",),
    )


def _array(table: _Table, path: Path, what: str) -> NDArray[np.float64]:
    """A table's numbers, shape (rows, columns), in the order of its index and columns."""
    columns = len(table.columns)
    if not 0 < columns <= MOST_COLUMNS or any(len(row) != columns for row in table.data):
        raise damaged(path, f"{what} has rows of another length than its columns")
    values = np.array(table.data, dtype=np.float64).reshape(len(table.data), columns)  # None becomes NaN
    try:
        places = np.argsort(np.array([float(place) for place in table.index]), kind="stable")
        order = np.argsort(np.array([float(column) for column in table.columns]), kind="stable")
    except ValueError as error:
        raise damaged(path, f"{what} has names for numbers") from error
    if len(places) != len(values):
        raise damaged(path, f"{what} has an index of another length")
    in_order = (np.diff(places) == 1).all() and (np.diff(order) == 1).all()
    return values if in_order else values[places][:, order]


def _force(table: _AnyTable, samples: int) -> NDArray[np.float64] | None:
    """The first reference signal; None where there is none."""
    if not table.columns or len(table.data) != samples or not samples:
        return None
    try:
        force = np.array([row[0] for row in table.data], dtype=np.float64)
    except (IndexError, TypeError, ValueError):
        return None
    return force if np.isfinite(force).any() else None


def _units(pulses: list[list[float]], path: Path) -> dict[int, NDArray[np.int64]]:
    units = {}
    for unit, train in enumerate(pulses):
        instants = np.array(train, dtype=np.float64)
        if not np.isfinite(instants).all() or (np.abs(instants) > 2**53).any() or (instants != np.rint(instants)).any():
            raise damaged(path, f"discharges of unit {unit} that are no sample numbers")
        units[unit] = np.sort(instants.astype(np.int64))
    return units


def _from_extras(table: _AnyTable, channels: int) -> tuple[Geometry | None, dict[str, str]]:
    """What `write_openhdemg` put there: one row a channel, and in the last a few words."""
    rows = [row for row in table.data if row and isinstance(row[0], str)]
    places = next((row for row in rows if row[0] == PLACES and len(row) > 1), None)
    size = next((row for row in rows if row[0] == GRID and len(row) > 1), None)
    words = {row[0]: str(row[1]) for row in rows if row[0] not in (PLACES, GRID) and len(row) > 1}
    if places is None or size is None:
        return None, {}
    try:
        row, col = np.array(msgspec.json.decode(places[1]), np.int64).reshape(channels, 2).T
        ied_mm, grid_rows, grid_cols = msgspec.json.decode(size[1], type=tuple[float, int, int])
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError):
        return None, {}
    fits = lie_on(row, col, grid_rows, grid_cols) and 0 < ied_mm < 1e3
    return (Geometry(row, col, ied_mm, grid_rows, grid_cols), words) if fits else (None, {})


def write_openhdemg(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a recording as openhdemg saves one, whole or not at all; units become 0, 1, ... in their order.

    Parameters
    ----------
    path : path
    recording : Recording
    """
    samples, trains = recording.samples, list(recording.units.values())
    firing = np.zeros((samples, len(trains)), np.int64)
    for unit, train in enumerate(trains):
        firing[train, unit] = 1
    force = recording.force.astype(np.float64)[:, None] if recording.force is not None else np.empty((0, 1))
    tables = {
        "RAW_SIGNAL": _split(recording.emg.astype(np.float64)),
        "REF_SIGNAL": _split(force),
        "ACCURACY": _split(np.full((len(trains), 1), np.nan)),
        "IPTS": _split(firing),
        "BINARY_MUS_FIRING": _split(firing),
    }
    values = {
        "SOURCE": SOURCE,
        "FILENAME": Path(path).name,
        "MUPULSES": [train.tolist() for train in trains],
        "FSAMP": float(recording.fs_hz),
        "IED": float(recording.geometry.ied_mm),
        "EMG_LENGTH": samples,
        "NUMBER_OF_MUS": len(trains),
        "EXTRAS": _extras(recording),
    }
    found = tables | {name: msgspec.json.encode(value).decode() for name, value in values.items()}
    with written_whole(path) as temporary, gzip.open(temporary, "wb", compresslevel=COMPRESSION) as file:
        file.write(msgspec.json.encode(found))


def _split(values: NDArray[Any]) -> str:
    """A table in pandas' words; what is no number becomes null."""
    rows, columns = values.shape
    return msgspec.json.encode(
        {"columns": list(range(columns)), "index": list(range(rows)), "data": values.tolist()}
    ).decode()


def _extras(recording: Recording) -> dict[str, Any]:
    geometry = recording.geometry
    rows = [
        [PLACES, msgspec.json.encode(np.column_stack([geometry.row, geometry.col]).tolist()).decode()],
        [GRID, msgspec.json.encode([float(geometry.ied_mm), geometry.grid_rows, geometry.grid_cols]).decode()],
        ["montage", recording.montage],
        ["muscle", recording.muscle],
        ["source", recording.source],
        ["license", recording.license],
        ["force_unit", recording.force_unit],
    ]
    return {"columns": ["name", "value"], "index": list(range(len(rows))), "data": rows}
