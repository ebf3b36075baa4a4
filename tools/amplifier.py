"""A simulated amplifier: a recording played as a live LSL stream, each sample at its time.

Sample n is stamped t0 + n / fs and leaves, with the rest of its chunk, when the chunk's last sample is due: never
earlier, as from a real amplifier, so that what is measured behind it is real. What goes wrong is in `faults.py`; what
was sent and what was not is told at the end by the amplifier's own count, the truth behind every fault.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from ..stream.errors import OptionError, StreamError
from .amplifier_outlet import Outlet, scaled
from .faults import Fault, FaultPlan
from .force_outlet import ForceOutlet, wanted_stream
from .recording import Recording
from .recording_reader import read_apart
from .signals import stopped_by_signals

LEAD_S = 0.01  # from opening to the first sample
SLEEP_UNTIL_S = 1e-3  # before the instant: the operating system may wake us that late
SPIN_S = 0.15e-3  # the last stretch is waited for actively; at 256 chunks/s that is 4 % of a core
MEASURED_CHUNKS = 1 << 16


@dataclass(frozen=True)
class Played:
    """What was sent, and how punctually.

    Parameters
    ----------
    samples : int
        Samples pushed, each once.
    first_stamp : float, s
        Time stamp of sample 0, on the LSL clock.
    late_ms : ndarray of float64, shape (chunks,), ms
        From when a chunk was due to when it was pushed, of the newest 65,536 chunks; never negative.
    counted : int
        Sample periods by the amplifier's own count, sent or not.
    gaps : list of (int, int)
        Samples never sent: the first, and how many.
    repeated : int
        Samples sent once more.
    deaths : list of (int, int)
        First sample of each absence, and the first after it.
    clock_jumps : list of int
        Samples at which the time stamps jumped.
    """

    samples: int
    first_stamp: float
    late_ms: NDArray[np.float64]
    counted: int = 0
    gaps: Sequence[tuple[int, int]] = ()
    repeated: int = 0
    deaths: Sequence[tuple[int, int]] = ()
    clock_jumps: Sequence[int] = ()

    def summary(self) -> dict[str, object]:
        """All but the lateness, for JSON."""
        return {
            "samples": self.samples, "first_stamp": self.first_stamp, "counted": self.counted,
            "never_sent": sum(count for _, count in self.gaps), "gaps": [list(gap) for gap in self.gaps],
            "repeated": self.repeated, "deaths": [list(death) for death in self.deaths],
            "clock_jumps": list(self.clock_jumps),
        }  # fmt: skip

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
    fault_seed: int = 0,
    counter: bool = False,
    force_stream: str | None = None,
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
    fault_seed : int
        What is random about the faults is drawn from it.
    counter : bool
        Send one channel more, the last, that counts samples; it wraps where the format ends.
    force_stream : str, optional
        NAME or NAME:HZ of a second stream that carries the recording's force.
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
    if force_stream is not None and wanted_stream(force_stream)[0] == name:
        raise OptionError(f'"{name}" is the stream of the EMG: give --force-stream a name of its own.')
    fs_hz = recording.fs_hz
    values = scaled(recording.emg, dtype, unit, step_uv)
    if dtype.startswith("int") and any(fault.kind == "nan" for fault in faults):
        raise OptionError(f"{dtype} has no NaN: play this fault as float32 or double64.")
    plan = FaultPlan(faults, fs_hz, recording.channels, chunk, fault_seed)
    emg = recording.emg
    begins = emg[[fault.first(fs_hz) % len(emg) for fault in faults]]  # (faults, channels) uV
    end = math.inf if loop else recording.samples
    if seconds is not None:
        end = min(end, round(seconds * fs_hz))
    stop = stop or threading.Event()

    outlet = Outlet(recording, name, source_id, dtype, unit, counter)
    force = None if force_stream is None else ForceOutlet(recording, force_stream, f"{source_id}-force", loop)
    if ready is not None:
        ready()
    if wait_for_consumers_s > 0 and not outlet.wait_for_consumers(wait_for_consumers_s, stop):
        raise StreamError(f'nobody subscribed to "{name}" in {wait_for_consumers_s:g} s: start the reader earlier.')
    late = np.zeros(MEASURED_CHUNKS)
    pushes = sent = repeated = first = 0
    gaps: list[tuple[int, int]] = []
    changes = deque(
        change for death in plan.deaths for change in ((death.first(fs_hz), None), (int(death.end(fs_hz)), death))
    )
    t0 = pylsl.local_clock() + LEAD_S
    if force is not None:
        force.begin(t0)

    def change_until(sample: int) -> None:
        while changes and changes[0][0] <= sample:
            place, death = changes.popleft()
            if _wait_until(t0 + plan.time(place), stop):
                outlet.change(death)

    while first < end and not stop.is_set():
        count = int(min(chunk, end - first))
        runs = plan.runs(first, count) if faults else [(first, count)]
        for begin, length in runs:
            change_until(begin)
            stamp, equal = plan.stamps(begin, length, first) if faults else ((begin + length - 1) / fs_hz, False)
            due = t0 + (plan.due(begin, length) if faults else stamp)
            rows = np.arange(begin, begin + length) % len(emg)
            block = scaled(plan.spoil(begin, emg[rows], begins), dtype, unit, step_uv) if plan.spoils else values[rows]
            if not _wait_until(due, stop):
                break
            late[pushes % MEASURED_CHUNKS] = pylsl.local_clock() - due
            copies = plan.copies(first) if faults else 1
            for _ in range(copies):
                outlet.push(begin, block, t0 + stamp, equal)
            pushes += 1
            sent += length
            repeated += length * (copies - 1)
        change_until(first + count - 1)
        if stop.is_set():
            break
        _add_unsent(gaps, first, count, runs)
        first += count
    outlet.close()
    if force is not None:
        force.close()
    deaths = [(death.first(fs_hz), int(death.end(fs_hz))) for death in plan.deaths if death.first(fs_hz) < first]
    jumps = [place for place in plan.clock_jumps if place < first]
    return Played(sent, t0, late[: min(pushes, MEASURED_CHUNKS)] * 1e3, first, gaps, repeated, deaths, jumps)


def _add_unsent(gaps: list[tuple[int, int]], first: int, count: int, runs: Sequence[tuple[int, int]]) -> None:
    """Note the samples of a chunk that are in none of its `runs`."""
    at = first
    for begin, length in [*runs, (first + count, 0)]:
        if begin > at:
            if gaps and sum(gaps[-1]) == at:
                gaps[-1] = (gaps[-1][0], begin - gaps[-1][0])
            else:
                gaps.append((at, begin - at))
        at = begin + length


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
    part: str | None = None,
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
    part : str or None
        Which stream, array or recording of a file that holds several.
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
    recording = read_apart(path, part=part)
    with stopped_by_signals() as stop:
        what = f"{recording.duration_s:.1f} s, {recording.channels} channels, {recording.fs_hz:g} Hz"
        if (force := options.get("force_stream")) is not None:
            force_name, rate_hz = wanted_stream(force)
            what += f'; its force is stream "{force_name}", {rate_hz:g} Hz'
        options.setdefault("ready", lambda: say(f'stream "{name}" is on: {what}; Ctrl-C ends it'))
        played = play(recording, name, source_id, faults=parsed, stop=stop, **options)
    say(str(played))
    return played
