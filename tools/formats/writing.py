"""One function for every format that a recording is written in: by the suffix of the name, none is a BIDS folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...stream.errors import OptionError
from ..events import write_events
from ..hdf5_writing import write_recording
from ..recording import Recording

WRITTEN = (
    ".h5, .json (openhdemg), .mat (MUedit), .npz, .tsv (discharges and markers), or a folder without suffix (BIDS-EMG)"
)


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    kind : str
        The format, in words.
    rounding_uv : float
        The largest error of a sample by rounding; 0 where every bit is kept.
    left_out : tuple of str
        What the recording has and the format does not.
    """

    kind: str
    rounding_uv: float = 0.0
    left_out: tuple[str, ...] = ()


def writer_for(path: str | os.PathLike[str], subject: str, task: str) -> Callable[[Recording], Written]:
    """What writes to `path`.

    Raises
    ------
    OptionError
        Nothing is written under such a name.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".h5", ".hdf5"):
        return lambda recording: _ours(path, recording)
    if suffix == ".json":
        return lambda recording: _openhdemg(path, recording)
    if suffix == ".mat":
        return lambda recording: _muedit(path, recording)
    if suffix == ".npz":
        return lambda recording: _npz(path, recording)
    if suffix == ".tsv":
        return lambda recording: _events(path, recording)
    if suffix == "":
        return lambda recording: _bids(path, recording, subject, task)
    if suffix in (".bdf", ".edf"):
        raise OptionError(f'"{path}" would hold no places of electrodes: give a folder, for BIDS-EMG with its sidecars')
    raise OptionError(f'"{path}" ends in nothing that is written: choose of {WRITTEN}')


def _ours(path: Path, recording: Recording) -> Written:
    write_recording(path, recording)
    return Written("HDF5 recording")


def _bids(path: Path, recording: Recording, subject: str, task: str) -> Written:
    from .bids import write_bids

    return Written("BIDS-EMG folder", write_bids(path, recording, subject, task), _left_out(recording))


def _openhdemg(path: Path, recording: Recording) -> Written:
    from .openhdemg import write_openhdemg

    write_openhdemg(path, recording)
    return Written("openhdemg", left_out=_left_out(recording) + _markers(recording))


def _muedit(path: Path, recording: Recording) -> Written:
    from .muedit import write_muedit

    write_muedit(path, recording)
    return Written("MUedit", left_out=_left_out(recording) + _markers(recording))


def _npz(path: Path, recording: Recording) -> Written:
    from .table import write_npz

    write_npz(path, recording)
    return Written("NumPy arrays", left_out=_left_out(recording) + _markers(recording))


def _events(path: Path, recording: Recording) -> Written:
    if not recording.units and not recording.marks:
        raise OptionError(f'"{recording.path}" has no motor units and no markers, so there is nothing to write')
    write_events(path, recording.units, recording.fs_hz, marks=recording.marks)
    return Written("BIDS events", left_out=("emg", *_left_out(recording)))


def _left_out(recording: Recording) -> tuple[str, ...]:
    """What only our own file keeps."""
    has = {
        "muaps": recording.muaps is not None, "unit_attributes": bool(recording.unit_attributes),
        "stream_channel": recording.in_stream is not None,
    }  # fmt: skip
    return tuple(name for name, there in has.items() if there)


def _markers(recording: Recording) -> tuple[str, ...]:
    """What only our own file and events.tsv keep."""
    return (f"{len(recording.marks)} markers",) if recording.marks else ()
