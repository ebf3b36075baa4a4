"""Recordings written as our HDF5 files, whole or not at all."""

from __future__ import annotations

import os

import h5py
import numpy as np

from ..stream.errors import RecordingError
from .recording import Recording
from .whole_file import written_whole


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
