"""Plain tables: NumPy arrays (.npz, .npy) and text (.csv, .tsv, .txt). What they do not say, options do.

An .npz may hold, beside `emg` [channels, samples]: fs_hz, unit, row, col, ied_mm, grid_rows, grid_cols, force,
force_unit, label, montage, muscle, source, license, and units_<id>. Text may begin with lines such as "# fs_hz = 2048",
"# unit = mV" and "# grid = GR08MM1305", then a line of channel names.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import RecordingError
from ...stream.geometry import Geometry
from ..grids import grid
from ..positions import lie_on
from ..recording import LARGEST_BYTES, MONTAGES, Recording, shown
from ..whole_file import written_whole
from .bounded import damaged, refuse_bomb
from .held import microvolts, rate, recording_held
from .wanted import Wanted

MOST_ARRAYS = 20_000
LARGEST_TABLE = 2 << 30  # bytes of text
SETTING = re.compile(r"\s*#\s*(fs_hz|unit|grid)\s*[=:]\s*(\S+)\s*$")
DELIMITERS = ("\t", ";", ",", None)  # None: white space


def read_table(path: Path, wanted: Wanted) -> Recording:
    """A recording of plain numbers.

    Raises
    ------
    RecordingError
    """
    with open(path, "rb") as file:
        head = file.read(6)
    if head.startswith(b"PK"):
        return _read_npz(path, wanted)
    if head.startswith(b"\x93NUMPY"):
        with open(path, "rb") as file:
            return _from_arrays({"emg": _array(file, path.stat().st_size, path, "it")}, path, wanted)
    return _read_text(path, wanted)


# --- NumPy ------------------------------------------------------------------------------------------------------------


def _read_npz(path: Path, wanted: Wanted) -> Recording:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if not members or len(members) > MOST_ARRAYS:
                raise RecordingError(f'"{path}" is a zip archive of no NumPy arrays: choose another file.')
            refuse_bomb(path, path.stat().st_size, sum(member.file_size for member in members), "compressed arrays")
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    name = member.filename.removesuffix(".npy")
                    arrays[name] = _array(file, member.file_size, path, f'"{name}"')
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise damaged(path, error) from error
    return _from_arrays(arrays, path, wanted)


def _array(file: IO[bytes], size: int, path: Path, what: str) -> NDArray[Any]:
    """One array, whose head must fit the bytes that follow; objects are never unpickled."""
    try:
        version = np.lib.format.read_magic(file)
        read_head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read_head(file)
    except (ValueError, EOFError, SyntaxError, TypeError) as error:
        raise damaged(path, error) from error
    count = int(np.prod([int(length) for length in shape], dtype=object)) if shape else 1
    if dtype.kind not in "fiubUS" or count * dtype.itemsize > size:
        raise RecordingError(f'"{path}" has {what} as {shown(dtype)} of shape {list(shape)[:4]}: write plain numbers.')
    raw = file.read(count * dtype.itemsize)
    if len(raw) != count * dtype.itemsize:
        raise damaged(path, f"{what} is not whole")
    flat = np.frombuffer(raw, dtype) if dtype.itemsize else np.zeros(count, dtype)
    return flat.reshape(shape[::-1]).T if by_column else flat.reshape(shape)


def _from_arrays(arrays: dict[str, NDArray[Any]], path: Path, wanted: Wanted) -> Recording:
    two_dimensional = [name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "fiu"]
    name = wanted.part or ("emg" if "emg" in arrays else None)
    if name is None and len(two_dimensional) == 1:
        name = two_dimensional[0]
    if name not in two_dimensional:
        listed = ", ".join(map(shown, two_dimensional[:20])) or "none"
        raise RecordingError(f'"{path}" has the tables {listed} and no "{name or "emg"}": name the EMG with --part.')
    table = arrays[str(name)]
    emg = table.T if wanted.channels_first is not False else table
    units = {}
    for key, train in arrays.items():
        if match := re.fullmatch(r"units_(\d{1,9})", key):
            if train.ndim != 1 or train.dtype.kind not in "iu":
                raise RecordingError(
                    f'"{path}" has {key} as {shown(train.dtype)}, expected sample numbers: correct it.'
                )
            units[int(match[1])] = np.sort(train.astype(np.int64))
    force = arrays.get("force")
    if force is not None and (force.shape != (len(emg),) or force.dtype.kind not in "fiu"):
        raise RecordingError(f'"{path}" has force of shape {list(force.shape)} for {len(emg)} samples: correct it.')
    montage = _word(arrays, "montage") or MONTAGES[0]
    if montage not in MONTAGES:
        raise RecordingError(f'"{path}" has the montage "{shown(montage)}", known are {" and ".join(MONTAGES)}.')
    labels = arrays.get("label")
    return recording_held(
        path,
        wanted,
        emg * _factor(_word(arrays, "unit"), path, wanted),
        _fs_hz(arrays.get("fs_hz"), path, wanted),
        _geometry(arrays, emg.shape[1], path),
        labels=None if labels is None or labels.shape != (emg.shape[1],) else [str(label) for label in labels],
        units=dict(sorted(units.items())),
        force=force,
        force_unit=_word(arrays, "force_unit"),
        muscle=_word(arrays, "muscle"),
        source=_word(arrays, "source"),
        license=_word(arrays, "license"),
        montage=montage,
    )


def _word(arrays: dict[str, NDArray[Any]], name: str) -> str:
    found = arrays.get(name)
    return str(found.reshape(-1)[0]) if found is not None and found.size == 1 and found.dtype.kind in "US" else ""


def _fs_hz(stated: object, path: Path, wanted: Wanted) -> float:
    if wanted.fs_hz is not None:
        return wanted.fs_hz
    if stated is None:
        raise RecordingError(
            f'"{path}" does not say its sampling rate: `myodrive convert --fs 2048 --unit mV`, with yours.'
        )
    return rate(stated, path)


def _factor(stated: str, path: Path, wanted: Wanted) -> np.float64:
    unit = wanted.unit or stated
    if not unit:
        raise RecordingError(f'"{path}" does not say its unit: `myodrive convert --unit mV`, or uV or V.')
    return np.float64(microvolts(unit, path, "its numbers"))


def _geometry(arrays: dict[str, NDArray[Any]], channels: int, path: Path) -> Geometry | None:
    names = ("row", "col", "ied_mm")
    if any(name not in arrays for name in names):
        return None
    row, col, ied_mm = (arrays[name] for name in names)
    try:
        row, col = (np.asarray(place).astype(np.int64).reshape(channels) for place in (row, col))
        rows = int(arrays["grid_rows"].reshape(-1)[0]) if "grid_rows" in arrays else int(row.max()) + 1
        cols = int(arrays["grid_cols"].reshape(-1)[0]) if "grid_cols" in arrays else int(col.max()) + 1
        found = Geometry(row, col, float(ied_mm.reshape(-1)[0]), rows, cols)
    except (ValueError, IndexError, TypeError) as error:
        raise RecordingError(
            f'"{path}" has row, col or ied_mm that do not fit {channels} channels: correct them.'
        ) from error
    if not (lie_on(row, col, rows, cols) and found.ied_mm > 0):
        raise RecordingError(
            f'"{path}" places its electrodes on no grid: correct row, col, ied_mm and the grid\'s size.'
        )
    return found


def write_npz(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a recording as arrays, whole or not at all."""
    geometry = recording.geometry
    arrays: dict[str, Any] = {
        "emg": recording.emg.T,
        "fs_hz": recording.fs_hz,
        "unit": "uV",
        "row": geometry.row,
        "col": geometry.col,
        "ied_mm": geometry.ied_mm,
        "grid_rows": geometry.grid_rows,
        "grid_cols": geometry.grid_cols,
        "montage": recording.montage,
        "muscle": recording.muscle,
        "source": recording.source,
        "license": recording.license,
    }
    if recording.force is not None:
        arrays |= {"force": recording.force, "force_unit": recording.force_unit}
    if recording.labels is not None:
        arrays["label"] = np.array(recording.labels, dtype=np.str_)
    arrays |= {f"units_{unit}": np.asarray(train, np.int64) for unit, train in recording.units.items()}
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


# --- text -------------------------------------------------------------------------------------------------------------


def _read_text(path: Path, wanted: Wanted) -> Recording:
    if path.stat().st_size > LARGEST_TABLE:
        raise RecordingError(f'"{path}" is larger than a table of text that is read: save it as .npz.')
    settings: dict[str, str] = {}
    with open(path, encoding="utf-8-sig") as file:
        heading, first = "", ""
        for line in file:
            if match := SETTING.match(line):
                settings[match[1]] = match[2]
            elif line.strip() and not line.lstrip().startswith("#"):
                heading, first = (line, file.readline()) if not _numbers(line) else ("", line)
                break
    delimiter = next((mark for mark in DELIMITERS if mark is None or mark in first), None)
    names = [cell.strip().strip('"') for cell in heading.split(delimiter)] if heading else None
    skipped = _lines_before(path, heading)
    try:
        table = np.loadtxt(
            path, delimiter=delimiter, comments="#", skiprows=skipped, ndmin=2, encoding="utf-8-sig", dtype=np.float64
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise RecordingError(
            f'"{path}" is text that is no table of numbers ({shown(error)}): correct it, with points for decimals.'
        ) from error
    if table.size * 4 > LARGEST_BYTES:
        raise RecordingError(f'"{path}" holds more than the {LARGEST_BYTES >> 30} GiB read at once: cut it into parts.')
    emg = table.T if wanted.channels_first else table
    return recording_held(
        path,
        wanted,
        emg * _factor(settings.get("unit", ""), path, wanted),
        _fs_hz(settings.get("fs_hz"), path, wanted),
        grid(settings["grid"]) if "grid" in settings and wanted.grid is None and wanted.channels is None else None,
        labels=names if names is not None and len(names) == emg.shape[1] else None,
    )


def _numbers(line: str) -> bool:
    """Whether every cell of a line is a number."""
    cells = re.split(r"[,;\t ]+", line.strip())
    try:
        return bool([float(cell) for cell in cells if cell])
    except ValueError:
        return False


def _lines_before(path: Path, heading: str) -> int:
    """Lines up to the heading and with it, which are none where there is none."""
    if not heading:
        return 0
    with open(path, encoding="utf-8-sig") as file:
        return next(number for number, line in enumerate(file, start=1) if line == heading)
