"""Recordings read from our HDF5 files, completely and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..stream.errors import RecordingError
from ..stream.geometry import Geometry
from .events import Mark
from .hdf5_fields import dataset, needed_dataset, positive, text, texts
from .recording import (
    LARGEST_GRID,
    MONTAGES,
    MOST_MARKS,
    InStream,
    Recording,
    check_size,
    in_a_row,
    refuse_not_finite,
    shown,
)

MOST_UNITS = 10_000
LARGEST_STREAM = 65_536  # channels


def read_recording(
    path: str | os.PathLike[str], allow_nan: bool = False, need_places: bool = True, force_name: str | None = None
) -> Recording:
    """Read a recording file and check everything a later step relies on.

    Parameters
    ----------
    path : path
        An HDF5 file laid out as a recording.
    allow_nan : bool
        Take samples that are not finite as they are (a lost packet, a channel that was off).
    need_places : bool
        Refuse a file that does not say where its electrodes are; else they are put in one row, to be replaced.
    force_name : str, optional
        Which signal of a session is the force.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        The file is missing, is no recording, or holds what cannot be used.
    """
    path = Path(path)
    if "\0" in str(path):
        raise RecordingError("a path with a zero byte in it names no recording: check the path.")
    if path.is_dir():
        from .session_file import is_session
        from .session_recording import recording_of  # decoders and messages, which a file does not need

        if is_session(path):
            return recording_of(path, need_places, force_name)
        raise RecordingError(f'"{path}" is a folder: give the path of a recording file (.h5).')
    if not path.exists():
        raise RecordingError(f'no recording at "{path}": check the path.')
    try:
        with h5py.File(path, "r") as file:
            return _read_open_file(file, path, allow_nan, need_places)
    except OSError as error:
        reason = "it is cut off or damaged" if "truncated" in str(error) else "it is damaged or of another format"
        if isinstance(error, PermissionError) or not os.access(path, os.R_OK):
            reason = "it may not be read by this user"
        raise RecordingError(f'"{path}" cannot be read as an HDF5 recording, {reason}: choose another file.') from error
    except RecordingError:
        raise
    except MemoryError as error:
        raise RecordingError(f'"{path}" unpacks to more than fits in memory: choose another file.') from error
    except Exception as error:  # h5py hands on whatever HDF5 stumbles over, as any type
        raise RecordingError(f'"{path}" is damaged ({shown(error)}): choose another file.') from error


def _read_open_file(file: h5py.File, path: Path, allow_nan: bool, need_places: bool) -> Recording:
    emg_data = needed_dataset(file, "emg", path, "the EMG")
    fs_hz = positive(file, "fs_hz", path)
    shape = emg_data.shape
    if len(shape) != 2:
        raise RecordingError(
            f'"{path}" has emg with {len(shape)} dimension(s), expected two, [channels, samples]: write it so.'
        )
    channels, samples = shape
    check_size(path, channels, samples, fs_hz)
    if emg_data.dtype.kind not in "fiu":
        raise RecordingError(
            f'"{path}" has emg of type {shown(emg_data.dtype)}, expected float32 in microvolts: convert it.'
        )
    emg = np.ascontiguousarray(emg_data[()].T, dtype=np.float32)  # (samples, channels)
    if not allow_nan:
        refuse_not_finite(emg, path)
    montage = text(file, "montage") or "monopolar"
    if montage not in MONTAGES:
        raise RecordingError(
            f'"{path}" has the montage "{shown(montage)}", known are {" and ".join(MONTAGES)}: correct it.'
        )
    force = _force(file, path, samples)
    placed = need_places or "row" in file
    return Recording(
        emg=emg,
        fs_hz=fs_hz,
        geometry=_geometry(file, path, channels) if placed else in_a_row(channels),
        muscle=text(file, "muscle"),
        source=text(file, "source"),
        license=text(file, "license"),
        montage=montage,
        force=force,
        force_unit=text(file["force"], "unit") if force is not None else "",
        labels=_labels(file, path, channels),
        units=_units(file, path, samples),
        unit_attributes=_unit_attributes(file, path),
        muaps=_muaps(file, path),
        path=path,
        places_known=placed,
        in_stream=_in_stream(file, path, channels),
        marks=_marks(file, path),
    )


def _geometry(file: h5py.File, path: Path, channels: int) -> Geometry:
    places = []
    for name in ("row", "col"):
        data = dataset(file, name, path)
        if data is None:
            raise RecordingError(
                f'"{path}" has no "{name}", so the places of its electrodes are unknown: add row and col, '
                "or name the grid with --grid."
            )
        if data.shape != (channels,) or data.dtype.kind not in "iu":
            raise RecordingError(
                f'"{path}" has {name} as {shown(data.dtype)} of shape {list(data.shape)}, expected one whole '
                f"number for each of the {channels} channels: correct it."
            )
        places.append(data[()].astype(np.int64))
    row, col = places
    if min(row.min(), col.min()) < 0:
        raise RecordingError(f'"{path}" has a negative row or col: count both from 0.')
    sizes = []
    for name, place in (("grid_rows", row), ("grid_cols", col)):
        size = positive(file, name, path) if name in file.attrs else int(place.max()) + 1
        if size > LARGEST_GRID:
            raise RecordingError(f'"{path}" has {name} = {size:g}, {LARGEST_GRID} at most are possible: correct it.')
        if size != int(size) or size <= place.max():
            raise RecordingError(
                f'"{path}" has {name} = {size:g} and a channel at {int(place.max())} (from 0): correct one of them.'
            )
        sizes.append(int(size))
    if len(set(zip(row.tolist(), col.tolist(), strict=True))) != channels:
        raise RecordingError(f'"{path}" puts two channels on one electrode: correct row and col.')
    return Geometry(row, col, positive(file, "ied_mm", path), *sizes)


def _force(file: h5py.File, path: Path, samples: int) -> NDArray[np.float32] | None:
    data = dataset(file, "force", path)
    if data is None:
        return None
    if data.dtype.kind not in "fiu":
        raise RecordingError(f'"{path}" has force of type {shown(data.dtype)}, expected numbers: convert or remove it.')
    if data.shape != (samples,):
        raise RecordingError(
            f'"{path}" has force of shape {list(data.shape)}, expected one value for each of the {samples} samples: '
            "correct or remove it."
        )
    return data[()].astype(np.float32)


def _labels(file: h5py.File, path: Path, channels: int) -> tuple[str, ...] | None:
    data = dataset(file, "label", path)
    return None if data is None else texts(data, "label", path, channels, "channels")


def _in_stream(file: h5py.File, path: Path, channels: int) -> InStream | None:
    found = dataset(file, "stream_channel", path)
    if found is None:
        return None
    of = file.attrs.get("stream_channels")
    count = int(of) if isinstance(of, int | np.integer) else -1
    usable = found.shape == (channels,) and found.dtype.kind in "iu" and count <= LARGEST_STREAM
    index = found[()].tolist() if usable else []
    if not usable or len(set(index)) != channels or min(index) < 0 or max(index) >= count:
        raise RecordingError(
            f'"{path}" has a stream_channel that does not number its {channels} channels among the stream_channels of '
            "its stream: correct or remove it."
        )
    return InStream(tuple(index), count)


def _marks(file: h5py.File, path: Path) -> tuple[Mark, ...]:
    sample, label = dataset(file, "mark_sample", path), dataset(file, "mark_label", path)
    if sample is None or label is None:
        return ()
    if sample.ndim != 1 or sample.dtype.kind not in "iu" or len(sample) > MOST_MARKS:
        raise RecordingError(
            f'"{path}" has mark_sample as {shown(sample.dtype)} of shape {list(sample.shape)}, expected a list of '
            f"{MOST_MARKS} sample numbers at most: correct or remove it."
        )
    labels = texts(label, "mark_label", path, len(sample), "markers")
    return tuple(map(Mark, sample[()].astype(np.int64).tolist(), labels))


def _muaps(file: h5py.File, path: Path) -> NDArray[np.float32] | None:
    data = dataset(file, "muaps", path)
    if data is None:
        return None
    if data.ndim != 3 or data.dtype.kind not in "fiu":
        raise RecordingError(
            f'"{path}" has muaps as {shown(data.dtype)} of shape {list(data.shape)}, expected numbers as '
            "[units, channels, time]: correct or remove them."
        )
    return data[()].astype(np.float32)


def _unit_groups(file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Group, h5py.Dataset]]:
    """Name, group and discharges of every unit; what is linked from elsewhere is refused."""
    if not isinstance(file.get("units", getlink=True), h5py.HardLink) or not isinstance(file["units"], h5py.Group):
        return
    units = file["units"]
    if len(units) > MOST_UNITS:
        raise RecordingError(f'"{path}" has {len(units)} units, {MOST_UNITS} at most are read: remove some.')
    for name in units:
        if not isinstance(units.get(name, getlink=True), h5py.HardLink):
            raise RecordingError(f'"{path}" has the unit {shown(name)} as a link to elsewhere: write it in its place.')
        group = units[name]
        discharges = dataset(group, "samples", path) if isinstance(group, h5py.Group) else None
        if discharges is not None:
            yield name, group, discharges


def _units(file: h5py.File, path: Path, samples: int) -> dict[int, NDArray[np.int64]]:
    units = {}
    for name, _, discharges in _unit_groups(file, path):
        if not name.isdecimal() or len(name) > 9:
            raise RecordingError(f'"{path}" has a unit named "{shown(name)}", expected a whole number: rename it.')
        if discharges.ndim != 1 or (discharges.size and discharges.dtype.kind not in "iu"):
            raise RecordingError(
                f'"{path}" has discharges of unit {name} as {shown(discharges.dtype)} of shape '
                f"{list(discharges.shape)}, expected a list of sample numbers: correct it."
            )
        instants = np.sort(discharges[()].astype(np.int64))
        if instants.size and (instants[0] < 0 or instants[-1] >= samples):
            raise RecordingError(
                f'"{path}" has discharges of unit {name} outside its {samples} samples: correct or remove them.'
            )
        units[int(name)] = instants
    return dict(sorted(units.items()))


def _unit_attributes(file: h5py.File, path: Path) -> dict[int, dict[str, object]]:
    found = {}
    for name, group, _ in _unit_groups(file, path):
        values = {key: value.item() if isinstance(value, np.generic) else value for key, value in group.attrs.items()}
        if values:
            found[int(name)] = values
    return dict(sorted(found.items()))
