"""A force stream beside the EMG, or a channel of the EMG's own stream, put on the EMG's samples by its time stamps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...stream.beside import wanted_channel
from ...stream.errors import OptionError, StreamError
from ...stream.finder import MISSING_S, missing, open_stream, resolve
from ..force import force_at
from ..stream_blocks import FIND_S

PULL_S = 0.05
LATE_S = 1.0  # that the force may come after the EMG
CLOSING_S = 2.0
MOST_AT_ONCE = 1024


class ForceStream:
    """Collects one channel of a stream from the moment it is made.

    Parameters
    ----------
    wanted : str
        NAME, NAME:CHANNEL, or CHANNEL of the stream of EMG; channels count from 0.
    emg_stream : str
    say : callable

    Attributes
    ----------
    unit : str
    fs_hz : float

    Raises
    ------
    StreamError
        There is no such stream.
    OptionError
        It has no such channel.
    """

    def __init__(self, wanted: str, emg_stream: str, say: Callable[[str], None]) -> None:
        name, channel = wanted_channel(wanted, emg_stream)
        infos = resolve(name, None, MISSING_S)
        if not infos:
            say(f"{missing(name)}; still waiting")
            infos = resolve(name, None, FIND_S - MISSING_S)
        if not infos:
            raise missing(name, FIND_S)
        found = open_stream(max(infos, key=lambda info: info.created_at()), lambda source: None)
        self._inlet = found.inlet
        source = found.source
        if channel >= source.channels:
            self._inlet.close_stream()
            raise OptionError(
                f'stream "{name}" has {source.channels} channel(s), counted from 0, and no channel {channel} of a '
                "force: correct --force"
            )
        self.unit, self.fs_hz = source.unit_said(channel), source.fs_hz
        self._name, self._channel = name, channel
        self._lock = threading.Lock()
        self._stamps: list[float] = []
        self._values: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="myodrive force", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float = FIND_S) -> None:
        """Until the first sample is there.

        Raises
        ------
        StreamError
        """
        deadline = time.monotonic() + timeout_s
        while not self._stamps:
            if time.monotonic() > deadline or self._ended.is_set():
                raise StreamError(f'the force stream "{self._name}" is there but sends no samples: start it')
            time.sleep(PULL_S)

    def lately(self, stamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The force at the times of samples that have just come; its last value beyond that.

        Raises
        ------
        StreamError
            It has stopped meanwhile: nobody should contract in vain.
        """
        with self._lock:
            count = min(len(self._stamps), 8 + round((LATE_S + stamps[-1] - stamps[0]) * self.fs_hz))
            times, values = self._stamps[-count:], self._values[-count:]
        self._refuse_end(times[-1], stamps[-1])
        return np.interp(stamps, times, values)

    def at(self, stamps: NDArray[np.float64]) -> NDArray[np.float32]:
        """The force at the times of EMG samples, all of which have come, as `force_at` has it.

        Raises
        ------
        StreamError
            It has stopped meanwhile.
        """
        deadline = time.monotonic() + LATE_S
        while self._stamps[-1] < stamps[-1] - 1.5 / self.fs_hz and time.monotonic() < deadline:
            time.sleep(PULL_S)
        times, values = self.all()
        self._refuse_end(times[-1], stamps[-1])
        return force_at(times, values, stamps, self.fs_hz)

    def all(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Time stamps and values as they came."""
        with self._lock:
            return np.array(self._stamps), np.array(self._values)

    def close(self) -> None:
        """Let go of the stream."""
        self._ended.set()
        self._thread.join(CLOSING_S)

    def _refuse_end(self, newest: float, stamp: float) -> None:
        if newest < stamp - LATE_S:
            raise StreamError(f'the force stream "{self._name}" stopped meanwhile: start it again and record once more')

    def _collect(self) -> None:
        try:
            while not self._ended.is_set():
                rows, stamps = self._inlet.pull_chunk(timeout=PULL_S, max_samples=MOST_AT_ONCE)
                if stamps:
                    with self._lock:
                        self._stamps += stamps
                        self._values += [float(row[self._channel]) for row in rows]
        except RuntimeError:  # the base of all that pylsl raises; whoever reads sees that nothing comes any more
            pass
        finally:
            self._ended.set()
            self._inlet.close_stream()
