"""MATLAB files, of version 5 and of version 7.3, which is HDF5: structs as dictionaries, nothing else of MATLAB."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...stream.errors import RecordingError
from ..hdf5_fields import bounded
from ..recording import LARGEST_BYTES, shown
from .bounded import damaged, refuse_bomb

COMPRESSED = 15
DEEPEST = 5
MOST_CELLS = 100_000
PIECE = 1 << 20
HEADER = 128


def read_struct(path: Path, name: str) -> dict[str, Any]:
    """One struct of a file: its fields, numbers in MATLAB's shape, text as str, cells as rows of cells.

    Raises
    ------
    RecordingError
    """
    with open(path, "rb") as file:
        old = file.read(10) == b"MATLAB 5.0"
    found = _of_version_5(path, name) if old else _of_version_7(path, name)
    if not isinstance(found, dict):
        raise RecordingError(f'"{path}" has no struct "{name}": it is no MUedit file, choose another.')
    return found


# --- version 5 --------------------------------------------------------------------------------------------------------


def _of_version_5(path: Path, name: str) -> Any:
    import scipy.io

    _refuse_bombs(path)
    try:
        held = scipy.io.loadmat(path, variable_names=[name], chars_as_strings=True, struct_as_record=True)
    except Exception as error:  # scipy hands on whatever it stumbles over, as any type
        raise damaged(path, error) from error
    return _plain(held.get(name), DEEPEST)


def _refuse_bombs(path: Path) -> None:
    """Look how much every compressed variable unpacks to, holding none of it."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(HEADER - 2)
        order = "big" if file.read(2) == b"MI" else "little"
        while len(tag := file.read(8)) == 8:
            kind, stored = int.from_bytes(tag[:4], order), int.from_bytes(tag[4:], order)  # type: ignore[arg-type]
            end = file.tell() + stored
            if end > size:
                raise damaged(path, "its last variable is not whole")
            if kind == COMPRESSED:
                _unpack_and_forget(file.read(stored), path)
            file.seek(end)


def _unpack_and_forget(packed: bytes, path: Path) -> None:
    unpacker, unpacked = zlib.decompressobj(), 0
    try:
        while packed and not unpacker.eof:
            unpacked += len(unpacker.decompress(packed, PIECE))
            refuse_bomb(path, len(packed) + 1, min(unpacked, LARGEST_BYTES + 1), "compressed data")
            packed = unpacker.unconsumed_tail
    except zlib.error as error:
        raise damaged(path, error) from error


def _plain(value: Any, depth: int) -> Any:
    """Arrays of numbers as they are, text as str, cells as lists, the first struct of several as dict."""
    if depth < 0 or value is None:
        return None
    if isinstance(value, (np.ndarray, np.void)) and value.dtype.names:
        first = value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size else value
        return {name: _plain(first[name], depth - 1) for name in value.dtype.names} if np.size(value) else {}
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        table = np.atleast_2d(value)
        if table.size > MOST_CELLS:
            return None
        return [[_plain(cell, depth - 1) for cell in row] for row in table]
    if isinstance(value, np.ndarray) and value.dtype.kind in "US":
        return str(value.reshape(-1)[0]) if value.size else ""
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" else None


# --- version 7.3 ------------------------------------------------------------------------------------------------------


def _of_version_7(path: Path, name: str) -> Any:
    try:
        with h5py.File(path, "r") as file:
            link = file.get(name, getlink=True)
            return _value(file, file[name], path, DEEPEST, [MOST_CELLS]) if isinstance(link, h5py.HardLink) else None
    except RecordingError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # h5py hands on whatever HDF5 stumbles over, as any type
        raise damaged(path, error) from error


def _value(file: h5py.File, found: Any, path: Path, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        return None
    if isinstance(found, h5py.Group):
        inside = {}
        for name in found:
            if not isinstance(found.get(name, getlink=True), h5py.HardLink):
                raise RecordingError(f'"{path}" has {shown(name)} as a link to elsewhere: write the data in its place.')
            inside[name] = _value(file, found[name], path, depth - 1, left)
        return inside
    if not isinstance(found, h5py.Dataset):
        return None
    values = bounded(found, shown(found.name), path)[()]
    if h5py.check_ref_dtype(found.dtype) is not None:
        cells = np.atleast_2d(np.asarray(values, object)).T
        return [[_value(file, file[cell], path, depth - 1, left) if cell else None for cell in row] for row in cells]
    if found.attrs.get("MATLAB_empty", 0):
        return np.zeros((0, 0))
    kind = found.attrs.get("MATLAB_class", b"")
    if (kind.decode() if isinstance(kind, bytes) else str(kind)) == "char":
        return "".join(chr(int(code)) for code in np.asarray(values).T.reshape(-1)[:10_000])
    return np.asarray(values).T if np.asarray(values).dtype.kind in "fiub" else None
