"""Datasets and attributes of an HDF5 file that may come from anybody: each in its place, bounded, of the kind meant."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np

from ..stream.errors import RecordingError
from .recording import LARGEST_BYTES, LARGEST_UNPACKED, SMALLEST_BOMB, shown


def needed_dataset(file: h5py.File, name: str, path: Path, what: str) -> h5py.Dataset:
    """The dataset `name`, without which the file is no recording; `what` it would hold.

    Raises
    ------
    RecordingError
    """
    found = dataset(file, name, path)
    if found is None:
        raise RecordingError(f'"{path}" has no "{name}" ({what}): it is no recording file, convert it to one.')
    return found


def dataset(holder: h5py.File | h5py.Group, name: str, path: Path) -> h5py.Dataset | None:
    """The dataset `name`, which must lie in this very file and not unpack without bound; None where there is none.

    Raises
    ------
    RecordingError
    """
    link = holder.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise RecordingError(f'"{path}" has {name} as a link to elsewhere: write the data in its place.')
    found = holder[name]
    return bounded(found, name, path) if isinstance(found, h5py.Dataset) else None


def bounded(found: h5py.Dataset, name: str, path: Path) -> h5py.Dataset:
    """The dataset, which must keep its values in this file and not unpack without bound.

    Raises
    ------
    RecordingError
    """
    if found.is_virtual or found.external:
        raise RecordingError(f'"{path}" keeps {name} in another file: write the data into this one.')
    if found.shape is None:
        raise RecordingError(f'"{path}" has {name} without any values: correct or remove it.')
    size = math.prod(found.shape) * found.dtype.itemsize
    chunk = math.prod(found.chunks or ()) * found.dtype.itemsize
    stored = found.id.get_storage_size()
    if size > LARGEST_BYTES:
        raise RecordingError(
            f'"{path}" declares {size / 1e9:.0f} GB of {name}, more than the {LARGEST_BYTES >> 30} GiB read at once: '
            "cut it into parts."
        )
    if max(size, chunk) > max(SMALLEST_BOMB, LARGEST_UNPACKED * stored):
        raise RecordingError(
            f'"{path}" declares {max(size, chunk) / 1e6:.0f} MB of {name} and holds {stored / 1e6:.3f} MB: '
            "it is damaged or made to fill memory, choose another file."
        )
    return found


def positive(file: h5py.File, name: str, path: Path) -> float:
    """The attribute `name`, which must be there and be a positive number.

    Raises
    ------
    RecordingError
    """
    if name not in file.attrs:
        raise RecordingError(f'"{path}" has no attribute "{name}": add it.')
    try:
        value = float(file.attrs[name])
    except (TypeError, ValueError):
        value = float("nan")
    if not (np.isfinite(value) and value > 0):
        raise RecordingError(
            f'"{path}" has {name} = {shown(file.attrs[name])}, expected a positive number: correct it.'
        )
    return value


def text(holder: h5py.File | h5py.Dataset, name: str) -> str:
    """The attribute `name`, empty where there is none."""
    value = holder.attrs.get(name, "")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts(data: h5py.Dataset, name: str, path: Path, count: int, what: str) -> tuple[str, ...]:
    """The texts of a dataset, which must be as many as there are of what they name.

    Raises
    ------
    RecordingError
    """
    if h5py.check_string_dtype(data.dtype) is None:
        raise RecordingError(f'"{path}" has {name} of type {shown(data.dtype)}, expected text: convert or remove it.')
    if data.shape != (count,):
        raise RecordingError(
            f'"{path}" has {name} of shape {list(data.shape)}, expected one for each of the {count} {what}: '
            "correct or remove it."
        )
    return tuple(x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in data[()])
