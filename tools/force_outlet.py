"""A recording's force as a second LSL stream, beside the simulated amplifier's, at a rate of its own."""

from __future__ import annotations

import math
import threading

import pylsl

from ..stream.errors import OptionError
from .recording import Recording

USUAL_HZ, MOST_HZ = 100.0, 20_000.0
LINGER_S = 0.25  # after the last value: an outlet that goes away takes what it has not sent with it
CHUNK_S = 0.01


def wanted_stream(text: str) -> tuple[str, float]:
    """Name and rate, Hz, that NAME or NAME:HZ means; a name with a colon needs its rate.

    Raises
    ------
    OptionError
    """
    name, colon, rate = text.rpartition(":")
    try:
        found = (name, float(rate)) if colon else (text, USUAL_HZ)
    except ValueError:
        found = "", 0.0
    if not found[0] or not 0.1 <= found[1] <= MOST_HZ:
        raise OptionError(f'"{text[:40]}" is no stream of a force: write it as NAME or NAME:HZ, 0.1 to {MOST_HZ:g} Hz')
    return found


class ForceOutlet:
    """Sends the force of a recording, value n at its time, in a thread of its own.

    Parameters
    ----------
    recording : Recording
        It has a force.
    text : str
        NAME or NAME:HZ.
    source_id : str
    loop : bool
        Start over at the end, as the EMG does.

    Raises
    ------
    OptionError
    """

    def __init__(self, recording: Recording, text: str, source_id: str, loop: bool) -> None:
        name, self._rate = wanted_stream(text)
        if recording.force is None:
            raise OptionError(f'"{recording.path}" holds no force: leave --force-stream out, or choose another file')
        self._force, self._fs, self._loop = recording.force, recording.fs_hz, loop
        info = pylsl.StreamInfo(name, "Force", 1, self._rate, pylsl.cf_float32, source_id)
        channel = info.desc().append_child("channels").append_child("channel")
        channel.append_child_value("label", "force")
        if recording.force_unit:
            channel.append_child_value("unit", recording.force_unit)
        self._outlet = pylsl.StreamOutlet(info, max_buffered=60)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="myodrive force", daemon=True)
        self._begun = 0.0

    def begin(self, t0: float) -> None:
        """The EMG's sample 0 is at `t0`, s on the LSL clock."""
        self._begun = t0
        self._thread.start()

    def close(self) -> None:
        """End the stream."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._stop.clear()
            self._stop.wait(LINGER_S)

    def value(self, number: int) -> float:
        """Value `number`: the force at its time, interpolated between samples."""
        force = self._force
        first, share = divmod(number * self._fs / self._rate, 1.0)
        near = [int(first), int(first) + 1]
        one, other = force[[n % len(force) if self._loop else min(n, len(force) - 1) for n in near]].tolist()
        return (1.0 - share) * one + share * other

    def _send(self) -> None:
        number = 0
        while not self._stop.is_set():
            due = math.floor((pylsl.local_clock() - self._begun) * self._rate) + 1
            for n in range(number, due):
                self._outlet.push_sample([self.value(n)], self._begun + n / self._rate)
            number = max(number, due)
            self._stop.wait(CHUNK_S)
