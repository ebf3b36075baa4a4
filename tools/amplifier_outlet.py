"""The simulated amplifier's stream on the network: its description, and samples in its format and unit."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from ..stream.errors import OptionError
from .faults import Fault
from .recording import Recording

FORMATS = {"float32": np.float32, "double64": np.float64, "int16": np.int16, "int32": np.int32}
UNITS = {"uV": ("microvolts", 1.0), "mV": ("millivolts", 1e-3), "V": ("volts", 1e-6), "none": ("", 1.0)}
DYING_S = 0.02  # before it goes away: what was sent arrives
LINGER_S = 0.25  # after the last sample: an outlet that goes away takes what it has not sent with it


class Outlet:
    """The stream on the network; it may go away and come back as another.

    Parameters
    ----------
    recording : Recording
    name, source_id, dtype, unit : str
    counter : bool
        Whether one channel more counts samples.
    """

    def __init__(self, recording: Recording, name: str, source_id: str, dtype: str, unit: str, counter: bool) -> None:
        self._recording = recording
        self._named = (name, source_id, dtype, unit)
        self._counter = counter
        self._dtype = FORMATS[dtype]
        self._channels = recording.channels
        self._counted_from = 0
        self._lsl: pylsl.StreamOutlet | None = _open(recording, *self._named, counter)

    def wait_for_consumers(self, seconds: float, stop: threading.Event) -> bool:
        """Whether somebody subscribed in time, or `stop` was set."""
        deadline = pylsl.local_clock() + seconds
        while not stop.is_set() and pylsl.local_clock() < deadline:
            assert self._lsl is not None
            if self._lsl.wait_for_consumers(0.2):
                return True
        return stop.is_set()

    def change(self, death: Fault | None) -> None:
        """Go away (None), or come back after `death` as it says."""
        if death is None:
            time.sleep(DYING_S)
            self._lsl = None
            return
        recording = self._recording
        self._channels = int(death["channels"]) or recording.channels
        place = np.arange(self._channels) % recording.channels
        geometry = recording.geometry
        labels = recording.labels and tuple(recording.labels[p] for p in place)
        if death["labels"] == "new":
            labels = tuple(f"new-{p + 1}" for p in range(self._channels))
        returned = replace(
            recording,
            emg=np.zeros((1, self._channels), np.float32),
            fs_hz=death["rate"] or recording.fs_hz,
            geometry=replace(geometry, row=geometry.row[place], col=geometry.col[place]),
            labels=labels,
            force=None,
            units={},
            unit_attributes={},
            muaps=None,
        )
        if death["count"] == "anew":
            self._counted_from = int(death.end(recording.fs_hz))
        self._lsl = _open(returned, *self._named, self._counter)

    def push(self, first: int, block: NDArray[Any], stamp: float, equal: bool) -> None:
        """Send samples from `first` on; `stamp` is of the last, or of all."""
        if self._lsl is None:
            return
        if self._channels != block.shape[1]:
            block = block[:, np.arange(self._channels) % block.shape[1]]
        if self._counter:
            column = counted(np.arange(first, first + len(block)) - self._counted_from, self._dtype)
            block = np.column_stack([block, column])
        stamps = [stamp] * len(block) if equal else stamp  # LSL takes the time of the chunk's last sample
        self._lsl.push_chunk(np.ascontiguousarray(block), stamps)

    def close(self) -> None:
        """Let what was sent leave."""
        if self._lsl is not None and self._lsl.have_consumers():
            time.sleep(LINGER_S)


def counted(number: NDArray[np.int64], dtype: type) -> NDArray[Any]:
    """Sample numbers in a stream's format: they wrap where it holds no further whole number."""
    if dtype is np.float32:
        return (number % 2**24).astype(dtype)
    if dtype is np.float64:
        return number.astype(dtype)
    return number.astype(np.int64).astype(dtype)  # whole numbers wrap to the least


def scaled(emg: NDArray[np.float32], dtype: str, unit: str, step_uv: float | None = None) -> NDArray:
    """The EMG in a stream's format and unit.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    dtype, unit : str
        Keys of `FORMATS` and `UNITS`.
    step_uv : float, optional
        With unit "none": microvolts of one count.

    Returns
    -------
    ndarray, shape (samples, channels)
        Whole numbers are rounded and clipped to their format's range.
    """
    if dtype not in FORMATS:
        raise OptionError(f'"{dtype}" is no channel format this amplifier has: choose one of {", ".join(FORMATS)}.')
    if unit not in UNITS:
        raise OptionError(f'"{unit}" is no unit this amplifier has: choose one of {", ".join(UNITS)}.')
    if step_uv is not None and (unit != "none" or not 0 < step_uv < math.inf):
        raise OptionError(f'a step of {step_uv:g} uV goes with unit "none" and must be positive: correct one of them.')
    factor = UNITS[unit][1] / (step_uv or 1.0)
    whole = np.issubdtype(FORMATS[dtype], np.integer)
    if whole and factor < 1e-2:
        raise OptionError(f"{dtype} in {unit} would round the EMG away: choose uV, or a format with fractions.")
    if not whole:
        return np.ascontiguousarray(emg * factor, dtype=FORMATS[dtype])
    limits = np.iinfo(FORMATS[dtype])
    counts = np.round(np.nan_to_num(emg.astype(np.float64)) * factor)
    return np.ascontiguousarray(np.clip(counts, limits.min, limits.max), dtype=FORMATS[dtype])


def _open(recording: Recording, name: str, source_id: str, dtype: str, unit: str, counter: bool) -> pylsl.StreamOutlet:
    if not name or not source_id:
        raise OptionError("a stream needs a name and a source id: give both.")
    formats = {"float32": pylsl.cf_float32, "double64": pylsl.cf_double64}
    formats |= {"int16": pylsl.cf_int16, "int32": pylsl.cf_int32}
    info = pylsl.StreamInfo(name, "EMG", recording.channels + counter, recording.fs_hz, formats[dtype], source_id)
    desc = info.desc()
    for key, value in (("manufacturer", "myodrive"), ("model", "simulated amplifier"), ("serial_number", source_id)):
        desc.append_child_value(key, value)
    channels = desc.append_child("channels")
    geometry = recording.geometry
    for index, (along, across) in enumerate(zip(geometry.along_mm(), geometry.across_mm(), strict=True)):
        channel = channels.append_child("channel")
        label = recording.labels[index] if recording.labels else str(index + 1)  # plain numbers claim nothing
        channel.append_child_value("label", label)
        if UNITS[unit][0]:
            channel.append_child_value("unit", UNITS[unit][0])
        channel.append_child_value("type", "EMG")
        channel.append_child_value("target_muscle", recording.muscle)
        channel.append_child_value("interelectrode_distance", f"{geometry.ied_mm:g}")
        channel.append_child_value("reference", recording.montage)
        location = channel.append_child("location")
        for axis, millimetres in (("X", across), ("Y", 0.0), ("Z", along)):
            location.append_child_value(axis, f"{millimetres:g}")
    if counter:
        channel = channels.append_child("channel")
        channel.append_child_value("label", "counter" if recording.labels else str(recording.channels + 1))
        channel.append_child_value("type", "AUX")
    return pylsl.StreamOutlet(info, max_buffered=60)
