"""Reads a recording in a process of its own, for a file may come from anybody.

HDF5 is a large library in C. A damaged file can send it into an endless loop, an invented one could do worse, and an
archive may unpack to anything. The other process may take so much memory and time; what it hands over are numbers and
text, checked here once more.

python -m myodrive.tools.recording_reader PATH OPTIONS, the recording on standard output
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..stream.errors import RecordingError
from ..stream.geometry import Geometry
from .events import Mark
from .formats.reading import kind_of, read_any
from .formats.wanted import Wanted
from .processes import python_command, run_deaf
from .recording import LARGEST_BYTES, InStream, Recording

MEMORY = 1 << 30  # bytes, beyond a multiple of the file
MEMORY_OF_FILE = 200  # a recording packs to a third, and is held as float64 and float32 for a moment
TIME_S = 30.0
BYTES_A_SECOND = 2 << 20  # of the file, on a slow disk
LARGEST_HEAD = 256 << 20
MOST_FILES = 10_000
NOT_HANDED_OVER = 3
_ARRAYS = {"<f4": np.float32, "<i8": np.int64}


class _Head(msgspec.Struct):
    """What goes over: a refusal, or everything of a recording that is no large array, and the shapes of those."""

    refusal: str = ""
    fs_hz: float = 0.0
    row: list[int] = []
    col: list[int] = []
    ied_mm: float = 1.0
    grid_rows: int = 1
    grid_cols: int = 1
    muscle: str = ""
    source: str = ""
    license: str = ""
    montage: str = ""
    force_unit: str = ""
    places_known: bool = True
    notes: list[str] = []
    labels: list[str] | None = None
    in_stream: InStream | None = None
    marks: list[Mark] = []
    unit_attributes: dict[int, dict[str, Any]] = {}
    units: dict[int, int] = {}  # number of discharges
    emg: list[int] = []
    force: list[int] | None = None
    muaps: list[int] | None = None


def read_apart(
    path: str | os.PathLike[str],
    allow_nan: bool = False,
    need_places: bool = True,
    wanted: Wanted | None = None,
    part: str | None = None,
) -> Recording:
    """A recording of any known format, as `formats.reading.read_any`, in a process of its own with bounds.

    Parameters
    ----------
    path : path
    allow_nan, need_places : bool
        As of `Wanted`.
    wanted : Wanted, optional
        In place of the rest.
    part : str, optional
        As of `Wanted`.

    Raises
    ------
    RecordingError
        As `read_any` does, and for a file on which reading crashes, never ends or needs too much memory.
    """
    path, wanted = Path(path), wanted or Wanted(allow_nan, need_places, part)
    if "\0" in str(path) or not path.exists() or (path.is_dir() and kind_of(path) == "session"):
        return read_any(path, wanted)  # nothing that a library would read
    with tempfile.TemporaryFile() as out:
        try:
            limit = TIME_S + _bytes_of(path) / BYTES_A_SECOND
            code = _hand_over(path, wanted, out, limit)
        except subprocess.TimeoutExpired:
            raise RecordingError(
                f'"{path}" keeps its reader busy for more than {limit:.0f} s, it is damaged: choose another file.'
            ) from None
        out.seek(0)
        if code == NOT_HANDED_OVER:
            raise RecordingError(f'"{path}" cannot be handed over: make room in "{tempfile.gettempdir()}".')
        if code:
            raise RecordingError(f'"{path}" makes its reader crash, it is damaged: choose another file.')
        return _take(out, path)


def _hand_over(path: Path, wanted: Wanted, out: BinaryIO, limit_s: float) -> int:
    """Let the other process write what it reads into a file; how it ended."""
    options = msgspec.json.encode(wanted).decode()
    command = python_command(__name__, str(path), options)
    return run_deaf(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, timeout=limit_s
    ).returncode  # fmt: skip


def _take(out: BinaryIO, path: Path) -> Recording:
    size = struct.unpack("<Q", out.read(8))[0]
    if size > LARGEST_HEAD:
        raise RecordingError(
            f'"{path}" holds {size >> 20} MiB beside its EMG, more than any recording: choose another.'
        )
    head = msgspec.msgpack.decode(out.read(size), type=_Head)
    if head.refusal:
        raise RecordingError(head.refusal)
    geometry = Geometry(np.array(head.row), np.array(head.col), head.ied_mm, head.grid_rows, head.grid_cols)
    return Recording(
        emg=_array(out, head.emg, "<f4"),
        force=None if head.force is None else _array(out, head.force, "<f4"),
        muaps=None if head.muaps is None else _array(out, head.muaps, "<f4"),
        units={unit: _array(out, [size], "<i8") for unit, size in head.units.items()},
        fs_hz=head.fs_hz,
        geometry=geometry,
        muscle=head.muscle,
        source=head.source,
        license=head.license,
        montage=head.montage,
        force_unit=head.force_unit,
        labels=None if head.labels is None else tuple(head.labels),
        unit_attributes=head.unit_attributes,
        path=path,
        places_known=head.places_known,
        notes=tuple(head.notes),
        in_stream=head.in_stream,
        marks=tuple(head.marks),
    )


def _array(out: BinaryIO, shape: list[int], kind: str) -> NDArray[Any]:
    array = np.empty(shape, _ARRAYS[kind])
    if out.readinto(memoryview(array.reshape(-1)).cast("B")) != array.nbytes:  # type: ignore[attr-defined]
        raise RecordingError("a recording was handed over in part only: is the disk full?")
    return array


def _give(recording: Recording, out: BinaryIO) -> None:
    geometry = recording.geometry
    attributes = {
        unit: {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
        for unit, values in recording.unit_attributes.items()
    }
    head = _Head(
        fs_hz=recording.fs_hz,
        row=geometry.row.tolist(),
        col=geometry.col.tolist(),
        ied_mm=geometry.ied_mm,
        grid_rows=geometry.grid_rows,
        grid_cols=geometry.grid_cols,
        muscle=recording.muscle,
        source=recording.source,
        license=recording.license,
        montage=recording.montage,
        force_unit=recording.force_unit,
        places_known=recording.places_known,
        notes=list(recording.notes),
        in_stream=recording.in_stream,
        marks=list(recording.marks),
        labels=None if recording.labels is None else list(recording.labels),
        unit_attributes=attributes,
        units={unit: len(samples) for unit, samples in recording.units.items()},
        emg=list(recording.emg.shape),
        force=None if recording.force is None else list(recording.force.shape),
        muaps=None if recording.muaps is None else list(recording.muaps.shape),
    )
    _write_head(head, out)
    for array in (recording.emg, recording.force, recording.muaps, *recording.units.values()):
        if array is not None:
            out.write(memoryview(np.ascontiguousarray(array)).cast("B"))


def _write_head(head: _Head, out: BinaryIO) -> None:
    body = msgspec.msgpack.encode(head, enc_hook=str)  # what an attribute may be beside numbers and text: its name
    out.write(struct.pack("<Q", len(body)))
    out.write(body)


def _bytes_of(path: Path) -> int:
    """Size of a file, or of a folder's as far as the readers would look."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in islice(path.rglob("*"), MOST_FILES) if file.is_file())


def _bound_memory(path: Path) -> None:
    """Where the system can; elsewhere only the readers' own checks do."""
    try:
        import resource
    except ImportError:
        return
    most = MEMORY + min(MEMORY_OF_FILE * _bytes_of(path), 4 * LARGEST_BYTES)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def main(arguments: list[str]) -> int:
    """Read the file named and write what it holds."""
    path = Path(arguments[0])
    wanted = msgspec.json.decode(arguments[1], type=Wanted)
    _bound_memory(path)
    return write_what_is_read(path, wanted, sys.stdout.buffer)


def write_what_is_read(path: Path, wanted: Wanted, out: BinaryIO) -> int:
    """Write the recording, or why it is refused, as `read_apart` takes it; what the process ends with."""
    try:
        try:
            _give(read_any(path, wanted), out)
        except RecordingError as error:
            _write_head(_Head(refusal=str(error)), out)
        out.flush()
    except OSError:
        return NOT_HANDED_OVER
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
