"""From what a file held to a `Recording`: units, selection, places, and every check a later step relies on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import RecordingError
from ...stream.geometry import Geometry
from ...stream.source_info import MICROVOLTS
from ..grids import grid
from ..recording import LARGEST_GRID, Recording, check_size, in_a_row, refuse_not_finite, shown
from .wanted import Wanted

HIGHEST_FS_HZ = 1e6


def microvolts(unit: str, path: Path, what: str) -> float:
    """UV in one of `unit`.

    Raises
    ------
    RecordingError
        It is no voltage.
    """
    factor = MICROVOLTS.get(unit.strip().lower())
    if factor is None:
        raise RecordingError(
            f'"{path}" gives {what} in "{shown(unit)}", not in uV, mV or V: say which it is, `myodrive convert` has '
            "--unit and --channels for it."
        )
    return factor


def rate(value: object, path: Path) -> float:
    """Samples per second that a file states.

    Raises
    ------
    RecordingError
    """
    try:
        fs_hz = float(np.asarray(value).reshape(-1)[0])  # type: ignore[arg-type]
    except (TypeError, ValueError, IndexError):
        fs_hz = math.nan
    if not 0 < fs_hz <= HIGHEST_FS_HZ:
        raise RecordingError(f'"{path}" gives {shown(value)} as its sampling rate, expected Hz: choose another file.')
    return fs_hz


def chosen(names: Sequence[str], wanted: str | None, path: Path, what: str) -> int:
    """Which of several parts of a file is meant: by name, by a part of it, or by number from 0.

    Raises
    ------
    RecordingError
        None is named although there are several, or none is so called.
    """
    listed = "; ".join(f"{number}: {shown(name)}" for number, name in enumerate(names[:20]))
    if wanted is None:
        if len(names) == 1:
            return 0
        raise RecordingError(f'"{path}" holds {len(names)} {what} ({listed}): name one with --part.')
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    found = [n for n, name in enumerate(names) if name == wanted]
    found = found or [n for n, name in enumerate(names) if wanted.lower() in name.lower()]
    if len(found) != 1:
        why = "none of them" if not found else f"{len(found)} of them"
        raise RecordingError(f'"{path}" holds {len(names)} {what} ({listed}), "{wanted}" names {why}: name one.')
    return found[0]


def recording_held(
    path: Path,
    wanted: Wanted,
    signal: NDArray[Any],
    fs_hz: float,
    geometry: Geometry | None,
    *,
    labels: Sequence[str] | None = None,
    units: dict[int, NDArray[np.int64]] | None = None,
    force: NDArray[Any] | None = None,
    **rest: Any,
) -> Recording:
    """Check what was found in a file and make it a recording.

    Parameters
    ----------
    path : Path
        The file.
    wanted : Wanted
        What is asked of it.
    signal : ndarray, shape (samples, channels), uV
        The EMG.
    fs_hz : float
        Samples per second.
    geometry : Geometry or None
        Places of these channels, where the file says.
    labels : sequence of str, optional
        Names of these channels.
    units : dict of int to ndarray, optional
        Discharges from 0.
    force : ndarray, shape (samples,), optional
        Beside the EMG.
    **rest
        Further fields of `Recording`.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
    """
    if wanted.channels is not None:
        index = np.array(wanted.channels, np.int64)
        if index.size == 0 or index.max() >= signal.shape[1]:
            raise RecordingError(
                f'"{path}" has {signal.shape[1]} EMG channels, channel {index.max(initial=0)} (from 0) is not among '
                "them: correct --channels."
            )
        signal = signal[:, index]
        geometry = geometry.select(index) if geometry is not None and len(geometry) > index.max() else None
        labels = None if labels is None else [labels[c] for c in index]
    samples, channels = signal.shape
    check_size(path, channels, samples, fs_hz)
    if wanted.grid is not None:
        geometry = grid(wanted.grid)
    if geometry is not None and len(geometry) != channels:
        raise RecordingError(
            f'"{path}" has {channels} EMG channels for {len(geometry)} places on the grid: choose the channels with '
            "--channels, or another --grid."
        )
    if geometry is not None and max(geometry.grid_rows, geometry.grid_cols) > LARGEST_GRID:
        raise RecordingError(f'"{path}" places its electrodes on no grid that exists: name it with --grid.')
    if geometry is None and wanted.need_places:
        raise RecordingError(
            f'"{path}" does not say where its electrodes are: name the grid, such as --grid GR08MM1305.'
        )
    emg = np.ascontiguousarray(signal, dtype=np.float32)
    if not wanted.allow_nan:
        refuse_not_finite(emg, path)
    if force is not None and np.shape(force) != (samples,):
        raise RecordingError(f'"{path}" has force of shape {list(np.shape(force))} for {samples} samples: correct it.')
    for unit, train in (units or {}).items():
        if len(train) and (train[0] < 0 or train[-1] >= samples):
            raise RecordingError(
                f'"{path}" has discharges of unit {unit} outside its {samples} samples: correct or remove them.'
            )
    return Recording(
        emg=emg,
        fs_hz=fs_hz,
        geometry=in_a_row(channels) if geometry is None else geometry,
        labels=tuple(labels) if labels is not None and len(labels) == channels else None,
        units=units or {},
        force=None if force is None else np.ascontiguousarray(force, np.float32),
        path=path,
        places_known=geometry is not None,
        **rest,
    )
