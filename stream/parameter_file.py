"""The parameter model's file: an ONNX graph that turns a waveform into parameters, and what it was trained for.

The graph is anybody's network, so its operators are not listed here as a decoder's are; what could reach beyond the
file (data in other files, operators that are not ONNX's own) or run without end (graphs within the graph) is refused
before ONNX Runtime sees it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from .average_window import window_samples
from .decoder_file import FilterSettings
from .errors import ParameterModelError
from .geometry import Geometry
from .onnx_contents import Harmful, metadata_of_plain_graph
from .protobuf import Damaged

SCHEMA = 1
KEY = "myodrive.parameters"
LARGEST_MODEL_BYTES = 64 * 2**20
FEWEST_COLUMNS = 3  # across the fibres, for what only a grid can tell
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_TAKEN = {  # by the message
    "v", "seq", "session", "sample", "t", "t_pub", "unit", "reason", "spikes_used", "snr_db", "more",
}  # fmt: skip


class Band(msgspec.Struct, frozen=True):
    """Pass-band of the filter that waveforms have been through, Hz."""

    low_hz: float
    high_hz: float


class Trained(msgspec.Struct, frozen=True):
    """What the model has seen: outside of it there is no number. Pairs are least and most.

    ``rows`` are neighbouring electrodes in one column; ``ranges`` are of the parameters, by name.
    """

    ied_mm: tuple[float, float]
    rows: tuple[int, int]
    channels: tuple[int, int]
    snr_db: tuple[float, float]
    fs_hz_least: float
    ranges: dict[str, tuple[float, float]]


class ParameterInfo(msgspec.Struct, frozen=True):
    """The metadata of a parameter model.

    ``names`` are the columns of its outputs, ``reported`` those that are told to users, and ``grids_only`` those that
    only an array of `FEWEST_COLUMNS` columns can tell. ``window_s`` is the time before and after the discharge.
    """

    schema: int
    names: list[str]
    reported: list[str]
    grids_only: list[str]
    frequencies_hz: list[float]
    window_s: tuple[float, float]
    filter: Band
    montage: str
    trained: Trained
    created_by: dict[str, Any] = {}


@dataclass(frozen=True)
class ParameterFile:
    """A parameter model read from a file and found whole; `ParameterModel` runs it."""

    info: ParameterInfo
    raw: bytes = field(repr=False)
    sha256: str
    path: str


def read_parameter_file(path: str | Path) -> ParameterFile:
    """Read a parameter model.

    Raises
    ------
    ParameterModelError
        The file is missing, damaged, of another program or of another schema, or its parts do not agree.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ParameterModelError(f'no parameter model at "{path}": give an .onnx file, or none')
        size = path.stat().st_size
        if size > LARGEST_MODEL_BYTES:
            raise ParameterModelError(f'"{path}" has {size >> 20} MiB, more than any parameter model: choose another')
        raw = path.read_bytes()
    except OSError as error:
        raise ParameterModelError(f'"{path}" cannot be read ({error.strerror}): check its permissions') from error
    return parameter_file_from_bytes(raw, str(path))


def parameter_file_from_bytes(raw: bytes, path: str = "parameters") -> ParameterFile:
    """The parameter model in `raw`; raises ParameterModelError as `read_parameter_file` does."""
    try:
        metadata = metadata_of_plain_graph(raw)
    except Damaged as error:
        raise ParameterModelError(f'"{path}" is damaged or no ONNX file ({error}): choose another') from None
    except Harmful as error:
        raise ParameterModelError(f'"{path}" {error}, as no parameter model does: choose another') from None
    if KEY not in metadata:
        raise ParameterModelError(f'"{path}" is an ONNX file, but no parameter model: choose another')
    return ParameterFile(_info_of(metadata[KEY], path), raw, hashlib.sha256(raw).hexdigest(), path)


def _info_of(text: str, path: str) -> ParameterInfo:
    try:
        fields = msgspec.json.decode(text)
        schema = fields.get("schema") if isinstance(fields, dict) else None
        if schema != SCHEMA:
            found = ascii(str(schema))[1:-1][:40]
            raise ParameterModelError(
                f'"{path}" has parameter schema {found}, this version reads {SCHEMA}: train or choose another'
            )
        info = msgspec.convert(fields, ParameterInfo)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        shown = ascii(str(error))[1:-1][:120]
        raise ParameterModelError(f'"{path}" has metadata that does not fit ({shown}): choose another') from error
    fault = _fault(info)
    if fault:
        raise ParameterModelError(f'"{path}" has {fault}: choose another')
    return info


def _fault(info: ParameterInfo) -> str | None:
    """What is wrong with metadata that has the right types, or None."""
    names, trained = info.names, info.trained
    told = {*names, *(f"{name}_sd" for name in names)}
    frequency = info.frequencies_hz
    checks = [
        (not 1 <= len(names) <= 64 or not all(_NAME.fullmatch(name) for name in names), "malformed parameter names"),
        (len(told) < 2 * len(names) or bool(told & _TAKEN), "a parameter name that is taken"),
        (not info.reported or len(set(info.reported)) < len(info.reported), "nothing to report, or a name twice"),
        (not {*info.reported, *info.grids_only, *trained.ranges} <= set(names), "a parameter that it does not name"),
        (not 1 <= len(frequency) <= 1024, f"{len(frequency)} frequencies"),
        (not 0.0 < min(frequency, default=0.0) <= max(frequency, default=0.0) < 1e6, "impossible frequencies"),
        (sorted(set(frequency)) != frequency, "frequencies that do not ascend"),
        (not all(0.0 < part <= 0.5 for part in info.window_s), "an impossible window"),
        (not 0.0 < info.filter.low_hz < info.filter.high_hz < 1e6, "an empty pass-band"),
        (not 0.1 <= trained.ied_mm[0] <= trained.ied_mm[1] <= 1000.0, "an impossible electrode spacing"),
        (not 1 <= trained.rows[0] <= trained.rows[1], "an impossible number of rows"),
        (not 1 <= trained.channels[0] <= trained.channels[1] <= 65_536, "an impossible number of channels"),
        (not trained.snr_db[0] <= trained.snr_db[1], "an empty range of noise"),
        (not 1.0 <= trained.fs_hz_least <= 1e6, f"a rate of {trained.fs_hz_least} Hz"),
        (any(not low < high for low, high in trained.ranges.values()), "an empty range of a parameter"),
    ]
    return next((found for wrong, found in checks if wrong), None)


def misfit(
    info: ParameterInfo,
    fs_hz: float,
    geometry: Geometry,
    filter_settings: FilterSettings,
    montage: str,
    window: tuple[int, int] | None = None,
) -> str | None:
    """Why the model cannot say anything on an array, or None where it can.

    Parameters
    ----------
    info : ParameterInfo
    fs_hz : float
    geometry : Geometry
        Of the channels that are decoded.
    filter_settings : FilterSettings
        Of the decoder.
    montage : str
    window : (int, int), optional
        Samples of a waveform before the discharge and from it on; by default those of the live average.
    """
    trained = info.trained
    window = window_samples(fs_hz) if window is None else window
    rows, channels = longest_column(geometry), len(geometry)
    high_hz = min(info.filter.high_hz, 0.45 * fs_hz)  # where a low rate has lowered it, as calibration does
    asked_samples = [round(part * fs_hz) for part in info.window_s]
    checks = [
        (montage != info.montage, f"the EMG is {montage}, the model was trained on {info.montage} EMG"),
        (fs_hz < trained.fs_hz_least, f"{fs_hz:g} Hz is too slow, the model needs {trained.fs_hz_least:g} Hz at least"),
        (info.frequencies_hz[-1] >= fs_hz / 2, f"the model reads frequencies that {fs_hz:g} Hz cannot hold"),
        (
            abs(filter_settings.low_hz - info.filter.low_hz) > 0.02 * info.filter.low_hz
            or abs(filter_settings.high_hz - high_hz) > 0.02 * high_hz,
            f"the decoder's filter passes {filter_settings.low_hz:g}-{filter_settings.high_hz:g} Hz, "
            f"the model was trained on {info.filter.low_hz:g}-{high_hz:g} Hz",
        ),
        (
            not trained.ied_mm[0] <= geometry.ied_mm <= trained.ied_mm[1],
            f"electrodes {geometry.ied_mm:g} mm apart, the model was trained for "
            f"{trained.ied_mm[0]:g} to {trained.ied_mm[1]:g} mm",
        ),
        (rows < trained.rows[0], f"{rows} neighbouring electrodes in a column, the model needs {trained.rows[0]}"),
        (rows > trained.rows[1], f"{rows} rows along the fibres, the model was trained for {trained.rows[1]} at most"),
        (channels < trained.channels[0], f"{channels} channels, the model needs {trained.channels[0]}"),
        (channels > trained.channels[1], f"{channels} channels, the model was trained for {trained.channels[1]}"),
        (
            any(abs(have - asked) > 1 for have, asked in zip(window, asked_samples, strict=True)),
            f"waveforms are {window[0]} + {window[1]} samples, the model was trained on "
            f"{asked_samples[0]} + {asked_samples[1]}",
        ),
    ]
    return next((found for wrong, found in checks if wrong), None)


def longest_column(geometry: Geometry) -> int:
    """The most neighbouring electrodes in one column, without a hole."""
    most = 0
    for column in np.unique(geometry.col):
        rows = np.unique(geometry.row[geometry.col == column])
        breaks = np.flatnonzero(np.diff(rows) > 1)
        most = max(most, int(np.diff(np.r_[-1, breaks, len(rows) - 1]).max()))
    return most


def fullest_column(geometry: Geometry, present: NDArray[np.bool_]) -> int:
    """The most electrodes in one column that are `present`: a bad one costs itself, not those beyond it."""
    return int(np.bincount(geometry.col[present], minlength=1).max())
