"""A simulated amplifier: a recording played as a live LSL stream, each sample at its time.

Sample n is stamped t0 + n / fs and leaves, with the rest of its chunk, when the chunk's last sample is due: never
earlier, as from a real amplifier, so that what is measured behind it is real.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from ..stream.errors import OptionError, StreamError
from .recording import Recording, read_recording
from .signals import stopped_by_signals

FORMATS = {"float32": np.float32, "double64": np.float64, "int16": np.int16, "int32": np.int32}
UNITS = {"uV": ("microvolts", 1.0), "mV": ("millivolts", 1e-3), "V": ("volts", 1e-6), "none": ("", 1.0)}
FAULTS = ("gap", "stall", "nan")
LEAD_S = 0.01  # from opening to the first sample
LINGER_S = 0.25  # after the last sample: an outlet that goes away takes what it has not sent with it
SLEEP_UNTIL_S = 1e-3  # before the instant: the operating system may wake us that late
SPIN_S = 0.15e-3  # the last stretch is waited for actively; at 256 chunks/s that is 4 % of a core
MEASURED_CHUNKS = 1 << 16


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong while playing.

    Parameters
    ----------
    kind : str
        "gap": chunks are never sent and the time stamps jump; "stall": nothing for a while, then all of it at once
        with its true time stamps; "nan": values that are no numbers.
    at_s, seconds : float, s
        When, from the first sample, and for how long.
    """

    kind: str
    at_s: float
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read "gap@5:0.2", a gap of 0.2 s at second 5."""
        kind, _, when = text.partition("@")
        at, _, length = when.partition(":")
        try:
            fault = cls(kind, float(at), float(length))
        except ValueError:
            fault = cls("", -1.0, -1.0)
        if fault.kind not in FAULTS or not 0 <= fault.at_s < math.inf or not 0 < fault.seconds < math.inf:
            raise OptionError(
                f'"{text}" is no fault: write one of {", ".join(FAULTS)} as in "gap@5:0.2", for 0.2 s from second 5.'
            )
        return fault

    def covers(self, sample: int, fs_hz: float) -> bool:
        """Whether the fault lasts at a sample."""
        first = round(self.at_s * fs_hz)
        return first <= sample < first + round(self.seconds * fs_hz)


@dataclass(frozen=True)
class Played:
    """What was sent, and how punctually.

    Parameters
    ----------
    samples : int
        Samples pushed.
    first_stamp : float, s
        Time stamp of sample 0, on the LSL clock.
    late_ms : ndarray of float64, shape (chunks,), ms
        From when a chunk was due to when it was pushed, of the newest 65,536 chunks; never negative.
    """

    samples: int
    first_stamp: float
    late_ms: NDArray[np.float64]

    def __str__(self) -> str:
        if not len(self.late_ms):
            return "sent 0 samples"
        p50, p99, p100 = np.percentile(self.late_ms, [50, 99, 100])
        return f"sent {self.samples} samples; chunks late by {p50:.3f} ms (p50), {p99:.3f} (p99), {p100:.3f} (max)"


def play(
    recording: Recording,
    name: str,
    source_id: str,
    *,
    chunk: int = 8,
    loop: bool = False,
    seconds: float | None = None,
    dtype: str = "float32",
    unit: str = "uV",
    step_uv: float | None = None,
    faults: Sequence[Fault] = (),
    wait_for_consumers_s: float = 0.0,
    ready: Callable[[], object] | None = None,
    stop: threading.Event | None = None,
) -> Played:
    """Play a recording as a live stream until it ends, `seconds` are over or `stop` is set.

    Parameters
    ----------
    recording : Recording
    name, source_id : str
        Of the stream; `source_id` stands for the device's serial number and should be unique.
    chunk : int, samples
        Samples sent together.
    loop : bool
        Start over at the end; time stamps go on without a break.
    seconds : float, optional
        How long to play at most.
    dtype : str
        Channel format: "float32", "double64", "int16" or "int32".
    unit : str
        "uV", "mV", "V", or "none" for a stream that declares no unit.
    step_uv : float, optional
        With unit "none": microvolts of one count.
    faults : sequence of Fault
    wait_for_consumers_s : float, s
        Wait that long at most for somebody to subscribe before sample 0.
    ready : callable, optional
        Called once the stream can be found.
    stop : threading.Event, optional
        Ends the playing within 50 ms or a chunk.

    Returns
    -------
    Played
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise OptionError(f"{seconds:g} s cannot be played: give a positive number of seconds.")
    if not 1 <= chunk <= recording.samples:
        raise OptionError(f"a chunk of {chunk} samples cannot be sent: give 1 to {recording.samples}.")
    fs_hz = recording.fs_hz
    values = scaled(recording.emg, dtype, unit, step_uv)
    if dtype.startswith("int") and any(fault.kind == "nan" for fault in faults):
        raise OptionError(f"{dtype} has no NaN: play this fault as float32 or double64.")
    values = np.concatenate([values, values[: chunk - 1]])  # a chunk may run over the loop's end
    end = math.inf if loop else recording.samples
    if seconds is not None:
        end = min(end, round(seconds * fs_hz))
    stop = stop or threading.Event()

    outlet = _open(recording, name, source_id, dtype, unit)
    if ready is not None:
        ready()
    if wait_for_consumers_s > 0 and not _wait_for_consumers(outlet, wait_for_consumers_s, stop):
        raise StreamError(f'nobody subscribed to "{name}" in {wait_for_consumers_s:g} s: start the reader earlier.')
    late = np.zeros(MEASURED_CHUNKS)
    pushes = sent = first = 0
    t0 = pylsl.local_clock() + LEAD_S
    while first < end:
        count = int(min(chunk, end - first))
        last_stamp = t0 + (first + count - 1) / fs_hz
        due = last_stamp
        block = values[first % recording.samples :][:count]
        now = [fault for fault in faults if fault.covers(first, fs_hz)]
        for fault in now:
            if fault.kind == "stall":
                due = max(due, t0 + fault.at_s + fault.seconds)
            elif fault.kind == "nan":
                block = np.full_like(block, np.nan)
        if not _wait_until(due, stop):
            break
        if not any(fault.kind == "gap" for fault in now):
            late[pushes % MEASURED_CHUNKS] = pylsl.local_clock() - due
            outlet.push_chunk(block, last_stamp)  # LSL takes the time of the chunk's last sample
            pushes += 1
            sent += count
        first += count
    if outlet.have_consumers():
        time.sleep(LINGER_S)
    return Played(sent, t0, late[: min(pushes, MEASURED_CHUNKS)] * 1e3)


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


def _open(recording: Recording, name: str, source_id: str, dtype: str, unit: str) -> pylsl.StreamOutlet:
    if not name or not source_id:
        raise OptionError("a stream needs a name and a source id: give both.")
    formats = {"float32": pylsl.cf_float32, "double64": pylsl.cf_double64}
    formats |= {"int16": pylsl.cf_int16, "int32": pylsl.cf_int32}
    info = pylsl.StreamInfo(name, "EMG", recording.channels, recording.fs_hz, formats[dtype], source_id)
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
    return pylsl.StreamOutlet(info, max_buffered=60)


def _wait_for_consumers(outlet: pylsl.StreamOutlet, seconds: float, stop: threading.Event) -> bool:
    deadline = pylsl.local_clock() + seconds
    while not stop.is_set() and pylsl.local_clock() < deadline:
        if outlet.wait_for_consumers(0.2):
            return True
    return stop.is_set()


def _wait_until(instant: float, stop: threading.Event) -> bool:
    """Return at `instant` on the LSL clock or right after it, never before; False as soon as `stop` is set."""
    while (remaining := instant - pylsl.local_clock()) > 0:
        if remaining > 0.05:
            if stop.wait(remaining - 0.03):
                return False
        elif remaining > 1.5 * SLEEP_UNTIL_S:
            time.sleep(remaining - SLEEP_UNTIL_S)
        elif remaining > 2 * SPIN_S:
            time.sleep(SPIN_S / 2)
    return not stop.is_set()


def play_file(
    path: str | os.PathLike[str],
    name: str,
    source_id: str,
    *,
    faults: Sequence[str] = (),
    say: Callable[[str], object] = print,
    **options,
) -> Played:
    """Play a recording file until it ends or Ctrl-C or SIGTERM comes, and say how many samples were sent.

    Parameters
    ----------
    path : path
        A recording.
    name, source_id : str
        Of the stream.
    faults : sequence of str
        As `Fault.parse` reads them.
    say : callable
        Takes each line of text.
    **options
        As of `play`.

    Returns
    -------
    Played
    """
    parsed = [Fault.parse(text) for text in faults]
    recording = read_recording(path)
    with stopped_by_signals() as stop:
        what = f"{recording.duration_s:.1f} s, {recording.channels} channels, {recording.fs_hz:g} Hz"
        options.setdefault("ready", lambda: say(f'stream "{name}" is on: {what}; Ctrl-C ends it'))
        played = play(recording, name, source_id, faults=parsed, stop=stop, **options)
    say(str(played))
    return played
