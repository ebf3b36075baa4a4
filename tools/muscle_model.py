"""Tables of a person's own muscle, from imaging and finite elements, as `calibrate --method bmiss --model` takes them.

Lead fields (HDF5)

    attribute  schema        "myodrive.leadfield/1"
    attribute  unit          "V/A" (optional; no other is taken)
    attribute  ied_mm        distance of the electrodes (optional; compared with the recording's where it is there)
    attribute  montage       "monopolar" (default) or "single-differential": what the channels are
    attribute  source        where it is from (optional)
    lateral_mm [x]           places across the fibres from the centre of the electrode array, rising
    depth_mm   [y]           places below the muscle's surface, rising, from 0
    along_mm   [z]           places along the fibres from the array's centre, towards higher rows, in even steps
    potential  [x, y, channels, z]  float32, V/A: potential of each channel per ampere let out at that place
    row, col   [channels]    place of each channel on the electrode grid, as in a recording

By reciprocity one solution a channel is enough: feed 1 A in at its electrode, take it out at the reference, and read
the potential in the muscle along the fibres. Fibres may be curved: along_mm then counts along them, and lateral_mm and
depth_mm name them. At least 4 places across and in depth; 1 mm in depth near the surface, 2 mm elsewhere and along the
fibres are enough for 1 %. Places outside the muscle take the value of their nearest inside. along_mm reaches past the
ends of every fibre that is to be found. Channels that the recording does not have may be there as well.

`python -m myodrive.tools.lead_fields` makes such a table of one of our conductors, to try.

Waveforms (HDF5), where only these can be computed

    attribute  schema        "myodrive.waveforms/1"
    attribute  fs_hz         samples per second; any, they are brought to the recording's
    attribute  fires_at      sample at which the action potentials leave the innervation zone (optional, 0)
    attribute  ied_mm, montage, source   as above
    names      [p]           text: names of the parameters, such as "depth_mm"
    parameters [n, p]        of every unit
    waveforms  [n, channels, samples]  float32, uV, of one discharge, unfiltered
    row, col   [channels]    as above

What lies between units is taken from planes through the nearest: they must be as close together in every parameter as
waveforms are to be told apart.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..models.bmiss.muscle_model import MuscleModelError
from ..models.bmiss.table import LeadFields
from ..models.bmiss.waveform_table import WaveformTable
from .whole_file import written_whole

LEAD_FIELDS, WAVEFORMS = "myodrive.leadfield/1", "myodrive.waveforms/1"
UNIT = "V/A"
AXES = ("lateral_mm", "depth_mm", "along_mm")
PLACES = ("row", "col")
MONTAGES = ("monopolar", "single-differential")
LARGEST_BYTES = 8 << 30  # a declared shape costs nothing in the file, so it is refused before memory is taken


def read_muscle_model(path: str | os.PathLike[str]) -> LeadFields | WaveformTable:
    """Read a table and check it.

    Parameters
    ----------
    path : path
        An HDF5 file as this module describes.

    Returns
    -------
    LeadFields or WaveformTable

    Raises
    ------
    MuscleModelError
        The file is missing, is no such table, or holds what cannot be used.
    """
    path = Path(path)
    if path.is_dir():
        raise MuscleModelError(f'"{path}" is a folder: give the path of a muscle model (.h5).')
    if not path.exists():
        raise MuscleModelError(f'no muscle model at "{path}": check the path.')
    try:
        with h5py.File(path, "r") as file:
            schema = _text(file, "schema")
            if schema == LEAD_FIELDS:
                return _lead_fields(file)
            if schema == WAVEFORMS:
                return _waveforms(file)
    except OSError as error:
        raise MuscleModelError(
            f'"{path}" cannot be read as HDF5 (damaged, of another format, or not permitted): choose another file.'
        ) from error
    except MuscleModelError as error:
        raise MuscleModelError(f'"{path}": {error}') from error
    found = f'has the schema "{schema}"' if schema else "has no schema"
    raise MuscleModelError(
        f'"{path}" {found}, expected the attribute schema = "{LEAD_FIELDS}" or "{WAVEFORMS}": choose a muscle model.'
    )


def _lead_fields(file: h5py.File) -> LeadFields:
    unit = _text(file, "unit") or UNIT
    if unit != UNIT:
        raise MuscleModelError(f'its unit is "{unit}", expected {UNIT}: convert the potential to volts per ampere.')
    lateral, depth, along = (_numbers(file, name, "fiu", 1).astype(np.float64) for name in AXES)
    row, col = (_numbers(file, name, "iu", 1).astype(np.int64) for name in PLACES)
    potential = np.ascontiguousarray(_numbers(file, "potential", "f", 4), np.float32)
    return LeadFields(lateral, depth, along, potential, row, col, _positive(file, "ied_mm"), _montage(file))


def _waveforms(file: h5py.File) -> WaveformTable:
    names = file.get("names")
    if not isinstance(names, h5py.Dataset) or names.ndim != 1 or h5py.check_string_dtype(names.dtype) is None:
        raise MuscleModelError('it has no dataset "names" that is a list of texts: add one.')
    fs_hz = _positive(file, "fs_hz")
    if fs_hz is None:
        raise MuscleModelError('it has no attribute "fs_hz": add it.')
    parameters = _numbers(file, "parameters", "fiu", 2).astype(np.float64)
    row, col = (_numbers(file, name, "iu", 1).astype(np.int64) for name in PLACES)
    return WaveformTable(
        names=tuple(names.asstr()[()].tolist()),
        parameters=parameters,
        waveforms=np.ascontiguousarray(_numbers(file, "waveforms", "f", 3), np.float32),
        fs_hz=fs_hz,
        fires_at=_number(file, "fires_at") or 0.0,
        row=row,
        col=col,
        ied_mm=_positive(file, "ied_mm"),
        montage=_montage(file),
    )


def _montage(file: h5py.File) -> str:
    montage = _text(file, "montage") or MONTAGES[0]
    if montage not in MONTAGES:
        raise MuscleModelError(f'its montage is "{montage}", known are {" and ".join(MONTAGES)}: correct it.')
    return montage


def _numbers(file: h5py.File, name: str, kinds: str, dimensions: int) -> NDArray[np.generic]:
    data = file.get(name)
    if not isinstance(data, h5py.Dataset):
        raise MuscleModelError(f'it has no dataset "{name}": add it.')
    if data.dtype.kind not in kinds or data.ndim != dimensions or data.size == 0:
        what = "whole numbers" if kinds == "iu" else "numbers"
        raise MuscleModelError(
            f"{name} is {data.dtype} of shape {list(data.shape)}, expected {what} in {dimensions} dimension(s): "
            "write it so."
        )
    if data.size * 4 > LARGEST_BYTES:
        raise MuscleModelError(
            f"{name} declares {data.size * 4 / 1e9:.0f} GB, more than the {LARGEST_BYTES >> 30} GiB read at once: "
            "write fewer places."
        )
    values: NDArray[np.generic] = data[()]
    return values


def _number(file: h5py.File, name: str) -> float | None:
    if name not in file.attrs:
        return None
    try:
        value = float(file.attrs[name])
    except (TypeError, ValueError):
        value = float("nan")
    if not np.isfinite(value):
        raise MuscleModelError(f"its {name} is {file.attrs[name]}, expected a number: correct it.")
    return value


def _positive(file: h5py.File, name: str) -> float | None:
    value = _number(file, name)
    if value is not None and value <= 0.0:
        raise MuscleModelError(f"its {name} is {value:g}, expected a positive number: correct it.")
    return value


def _text(file: h5py.File, name: str) -> str:
    value = file.attrs.get(name, "")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def write_lead_fields(path: str | os.PathLike[str], fields: LeadFields, source: str = "") -> None:
    """Write a table of lead fields, whole or not at all.

    Parameters
    ----------
    path : path
        Where to; an existing file is replaced at the end.
    fields : LeadFields
    source : str
        Where it is from.
    """
    with written_whole(path) as temporary, h5py.File(temporary, "w", libver=("earliest", "v110")) as file:
        for name in (*AXES, *PLACES, "potential"):
            file.create_dataset(name, data=getattr(fields, name))
        file.attrs.update(schema=LEAD_FIELDS, unit=UNIT)
        _write_channels(file, fields, source)


def write_waveform_table(path: str | os.PathLike[str], table: WaveformTable, source: str = "") -> None:
    """Write a table of waveforms, whole or not at all; see `write_lead_fields`."""
    with written_whole(path) as temporary, h5py.File(temporary, "w", libver=("earliest", "v110")) as file:
        for name in ("parameters", "waveforms", *PLACES):
            file.create_dataset(name, data=getattr(table, name))
        file.create_dataset("names", data=list(table.names), dtype=h5py.string_dtype())
        file.attrs.update(schema=WAVEFORMS, fs_hz=float(table.fs_hz), fires_at=float(table.fires_at))
        _write_channels(file, table, source)


def _write_channels(file: h5py.File, table: LeadFields | WaveformTable, source: str) -> None:
    file.attrs.update(montage=table.montage, source=source)
    if table.ied_mm is not None:
        file.attrs["ied_mm"] = float(table.ied_mm)
