"""Recordings: one HDF5 file each, read completely and checked, written whole or not at all."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..stream.errors import RecordingError
from ..stream.geometry import Geometry
from .events import Mark
from .whole_file import written_whole

BUNDLED = Path(__file__).parent / "data" / "vl_excerpt.h5"  # what the demo plays
SHORTEST_S = 1.0
LARGEST_BYTES = 8 << 30  # a declared shape costs nothing in the file, so it is refused before memory is taken
LARGEST_UNPACKED = 64  # times what lies in the file; EMG packs to a third, and only a bomb to a thousandth
SMALLEST_BOMB = 64 << 20  # bytes; what is smaller may unpack as it likes
MOST_UNITS = 10_000
MOST_MARKS = 1_000_000
LARGEST_STREAM = 65_536  # channels
LARGEST_GRID = 4096  # rows or columns, as a decoder takes
MONTAGES = ("monopolar", "single-differential")


@dataclass(frozen=True)
class InStream:
    """Where the channels of a recording stood in the stream that they were taken from.

    Parameters
    ----------
    index : tuple of int
        Of each channel, its number in the stream.
    channels : int
        How many the stream had.
    """

    index: tuple[int, ...]
    channels: int


@dataclass(frozen=True)
class Recording:
    """Surface EMG with the places of its electrodes and, where known, its motor units.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        C-contiguous: one sample of all channels lies together, as a stream delivers it.
    fs_hz : float
        Samples per second.
    geometry : Geometry
        Place of each channel.
    muscle, source, license : str
        What was recorded, where it is from, under which terms; empty where unknown.
    montage : str
        "monopolar", or "single-differential" along the columns.
    force : ndarray of float32, shape (samples,), or None
        Force beside the EMG, in the unit `force_unit`.
    force_unit : str
        Unit of `force`, for instance "%MVC".
    labels : tuple of str or None
        Names of the channels, where the recording brought its own.
    units : dict of int to ndarray of int64, shape (discharges,)
        Reference discharges by unit, sample numbers from 0.
    unit_attributes : dict of int to dict
        What else is known of a unit; of simulated files every true parameter.
    muaps : ndarray of float32, shape (units, channels, time), uV, or None
        True waveforms of simulated files.
    path : Path or None
        The file it was read from.
    places_known : bool
        False where nobody said where the electrodes are, and `geometry` is one row of them, to be replaced.
    notes : tuple of str
        What reading it from another format took for granted or left out, a sentence each.
    in_stream : InStream or None
        Where it holds some channels of a stream: their numbers there, by which decoders and options then name them.
    marks : tuple of Mark
        Cues, trials and pulses that were recorded beside it.
    """

    emg: NDArray[np.float32]
    fs_hz: float
    geometry: Geometry
    muscle: str = ""
    source: str = ""
    license: str = ""
    montage: str = "monopolar"
    force: NDArray[np.float32] | None = None
    force_unit: str = ""
    labels: tuple[str, ...] | None = None
    units: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    unit_attributes: dict[int, dict[str, object]] = field(default_factory=dict)
    muaps: NDArray[np.float32] | None = None
    path: Path | None = None
    places_known: bool = True
    notes: tuple[str, ...] = ()
    in_stream: InStream | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number by which each channel is named."""
        return tuple(range(self.channels)) if self.in_stream is None else self.in_stream.index

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.emg.shape[0]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.emg.shape[1]

    @property
    def duration_s(self) -> float:
        """Length, s."""
        return self.samples / self.fs_hz


def read_recording(path: str | os.PathLike[str], allow_nan: bool = False, need_places: bool = True) -> Recording:
    """Read a recording file and check everything a later step relies on.

    Parameters
    ----------
    path : path
        An HDF5 file laid out as a recording.
    allow_nan : bool
        Take samples that are not finite as they are (a lost packet, a channel that was off).
    need_places : bool
        Refuse a file that does not say where its electrodes are; else they are put in one row, to be replaced.

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
        from .session_recording import recording_of  # which needs this module

        if is_session(path):
            return recording_of(path, need_places)
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
    emg_data = _dataset(file, "emg", path, "the EMG")
    fs_hz = _positive(file, "fs_hz", path)
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
    montage = _text(file, "montage") or "monopolar"
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
        muscle=_text(file, "muscle"),
        source=_text(file, "source"),
        license=_text(file, "license"),
        montage=montage,
        force=force,
        force_unit=_text(file["force"], "unit") if force is not None else "",
        labels=_labels(file, path, channels),
        units=_units(file, path, samples),
        unit_attributes=_unit_attributes(file, path),
        muaps=_muaps(file, path),
        path=path,
        places_known=placed,
        in_stream=_in_stream(file, path, channels),
        marks=_marks(file, path),
    )


def check_size(path: Path, channels: int, samples: int, fs_hz: float) -> None:
    """Refuse EMG that holds nothing, lies on its side, is too short for anything, or too long for memory.

    Raises
    ------
    RecordingError
    """
    if channels == 0 or samples == 0:
        raise RecordingError(f'"{path}" has emg of shape [{channels}, {samples}], which holds nothing: record again.')
    if channels * samples * 4 > LARGEST_BYTES:
        size = channels * samples * 4 / 1e9
        raise RecordingError(
            f'"{path}" declares {size:.0f} GB of EMG, more than the {LARGEST_BYTES >> 30} GiB read at once: '
            "cut it into parts."
        )
    if channels > samples:
        raise RecordingError(
            f'"{path}" has more channels ({channels}) than samples ({samples}), it is probably transposed: '
            "write emg as [channels, samples]."
        )
    if samples < SHORTEST_S * fs_hz:
        raise RecordingError(
            f'"{path}" lasts {samples / fs_hz:.2f} s, at least {SHORTEST_S:g} s is needed: choose a longer recording.'
        )


def _dataset(file: h5py.File, name: str, path: Path, what: str) -> h5py.Dataset:
    found = _found(file, name, path)
    if found is None:
        raise RecordingError(f'"{path}" has no "{name}" ({what}): it is no recording file, convert it to one.')
    return found


def _found(holder: h5py.File | h5py.Group, name: str, path: Path) -> h5py.Dataset | None:
    """The dataset `name`, which must lie in this very file and not unpack without bound; None where there is none."""
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


def shown(what: object) -> str:
    """What a file says, as it may stand in a message: short, on one line, and without control characters."""
    return ascii(" ".join(str(what).split()))[1:-1][:120]


def _in_stream(file: h5py.File, path: Path, channels: int) -> InStream | None:
    found = _found(file, "stream_channel", path)
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


def _muaps(file: h5py.File, path: Path) -> NDArray[np.float32] | None:
    data = _found(file, "muaps", path)
    if data is None:
        return None
    if data.ndim != 3 or data.dtype.kind not in "fiu":
        raise RecordingError(
            f'"{path}" has muaps as {shown(data.dtype)} of shape {list(data.shape)}, expected numbers as '
            "[units, channels, time]: correct or remove them."
        )
    return data[()].astype(np.float32)


def _positive(file: h5py.File, name: str, path: Path) -> float:
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


def _text(holder: h5py.File | h5py.Dataset, name: str) -> str:
    value = holder.attrs.get(name, "")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def refuse_not_finite(emg: NDArray[np.float32], path: Path) -> None:
    """Refuse EMG, shape (samples, channels), that holds what is no number.

    Raises
    ------
    RecordingError
    """
    bad = ~np.isfinite(emg)
    if not bad.any():
        return
    channels = np.flatnonzero(bad.any(axis=0))
    named = ", ".join(map(str, channels[:8])) + (f" and {len(channels) - 8} more" if len(channels) > 8 else "")
    raise RecordingError(
        f'"{path}" has {int(bad.sum())} values that are not finite (NaN or inf), in channel(s) {named}: '
        "repair the recording or leave these channels out."
    )


def _geometry(file: h5py.File, path: Path, channels: int) -> Geometry:
    places = []
    for name in ("row", "col"):
        data = _found(file, name, path)
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
        size = _positive(file, name, path) if name in file.attrs else int(place.max()) + 1
        if size > LARGEST_GRID:
            raise RecordingError(f'"{path}" has {name} = {size:g}, {LARGEST_GRID} at most are possible: correct it.')
        if size != int(size) or size <= place.max():
            raise RecordingError(
                f'"{path}" has {name} = {size:g} and a channel at {int(place.max())} (from 0): correct one of them.'
            )
        sizes.append(int(size))
    if len(set(zip(row.tolist(), col.tolist(), strict=True))) != channels:
        raise RecordingError(f'"{path}" puts two channels on one electrode: correct row and col.')
    return Geometry(row, col, _positive(file, "ied_mm", path), *sizes)


def in_a_row(channels: int) -> Geometry:
    """Places of electrodes that nothing is known of."""
    return Geometry(np.arange(channels), np.zeros(channels, np.int64), 1.0, channels, 1)


def _force(file: h5py.File, path: Path, samples: int) -> NDArray[np.float32] | None:
    data = _found(file, "force", path)
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
    data = _found(file, "label", path)
    return None if data is None else _texts(data, "label", path, channels, "channels")


def _texts(data: h5py.Dataset, name: str, path: Path, count: int, what: str) -> tuple[str, ...]:
    """The texts of a dataset, which must be as many as there are of what they name."""
    if h5py.check_string_dtype(data.dtype) is None:
        raise RecordingError(f'"{path}" has {name} of type {shown(data.dtype)}, expected text: convert or remove it.')
    if data.shape != (count,):
        raise RecordingError(
            f'"{path}" has {name} of shape {list(data.shape)}, expected one for each of the {count} {what}: '
            "correct or remove it."
        )
    return tuple(x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in data[()])


def _marks(file: h5py.File, path: Path) -> tuple[Mark, ...]:
    sample, label = _found(file, "mark_sample", path), _found(file, "mark_label", path)
    if sample is None or label is None:
        return ()
    if sample.ndim != 1 or sample.dtype.kind not in "iu" or len(sample) > MOST_MARKS:
        raise RecordingError(
            f'"{path}" has mark_sample as {shown(sample.dtype)} of shape {list(sample.shape)}, expected a list of '
            f"{MOST_MARKS} sample numbers at most: correct or remove it."
        )
    labels = _texts(label, "mark_label", path, len(sample), "markers")
    return tuple(map(Mark, sample[()].astype(np.int64).tolist(), labels))


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
        discharges = _found(group, "samples", path) if isinstance(group, h5py.Group) else None
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


def write_recording(
    path: str | os.PathLike[str],
    recording: Recording,
    *,
    compression_level: int = 4,
    step_uv: float | None = None,
) -> None:
    """Write a recording file, whole or not at all.

    Parameters
    ----------
    path : path
        Where to; an existing file is replaced at the end.
    recording : Recording
        What to write.
    compression_level : int
        Of gzip, 0 to 9.
    step_uv : float, optional
        Round to multiples of this step, uV. Of a recording that came as whole numbers, a power of two just below the
        converter's step keeps every value apart and halves the file: its last bits are zeros instead of noise.
    """
    emg = recording.emg.T  # (channels, samples)
    geometry = recording.geometry
    if len(geometry) != emg.shape[0]:
        raise RecordingError(
            f"{emg.shape[0]} channels of EMG and {len(geometry)} places do not fit: give each channel one place."
        )
    if step_uv is not None:
        emg = np.round(emg / np.float32(step_uv)) * np.float32(step_uv)
    with written_whole(path) as temporary, h5py.File(temporary, "w", libver=("earliest", "v110")) as file:
        options = {"compression": "gzip", "compression_opts": compression_level, "shuffle": True}
        chunks = (1, min(emg.shape[1], 1 << 16))
        file.create_dataset("emg", data=emg, dtype=np.float32, chunks=chunks, **options)
        file.create_dataset("row", data=geometry.row.astype(np.int64))
        file.create_dataset("col", data=geometry.col.astype(np.int64))
        file.attrs.update(
            fs_hz=float(recording.fs_hz),
            ied_mm=float(geometry.ied_mm),
            grid_rows=int(geometry.grid_rows),
            grid_cols=int(geometry.grid_cols),
            muscle=recording.muscle,
            source=recording.source,
            license=recording.license,
            montage=recording.montage,
        )
        if recording.force is not None:
            force = file.create_dataset("force", data=recording.force, dtype=np.float32, **options)
            if recording.force_unit:
                force.attrs["unit"] = recording.force_unit
        if recording.labels is not None:
            file.create_dataset("label", data=list(recording.labels), dtype=h5py.string_dtype())
        if recording.in_stream is not None:
            file.create_dataset("stream_channel", data=np.array(recording.in_stream.index, np.int64))
            file.attrs["stream_channels"] = recording.in_stream.channels
        if recording.marks:
            sample, label = zip(*recording.marks, strict=True)
            file.create_dataset("mark_sample", data=np.array(sample, np.int64), **options)
            file.create_dataset("mark_label", data=list(label), dtype=h5py.string_dtype())
        for unit, discharges in recording.units.items():
            file.create_dataset(f"units/{unit}/samples", data=np.asarray(discharges, dtype=np.int64))
        for unit, values in recording.unit_attributes.items():
            file.require_group(f"units/{unit}").attrs.update(values)
        if recording.muaps is not None:
            file.create_dataset("muaps", data=recording.muaps, dtype=np.float32, **options)
