"""A signal over LSL from a stream of its own: a thread finds it, collects, and finds it again when it has gone.

Its time stamps are mapped to our clock where they are of another machine. Where they are good to half a period they
are taken as they are; worse ones, as of a program that stamps what a serial port hands it in bursts, are put on the
line that they lie on, as those of the EMG are (`timeline.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from .beside import SignalState, Wanted
from .errors import StreamError
from .finder import RESOLVE_S, SILENT_S, Found, open_stream, resolve
from .signal_ring import SignalRing
from .source_info import DTYPES
from .stamp_line import LARGEST_RATE_ERROR
from .timeline import Timeline

PULL_S = 0.01  # so long values are gathered before the loop can see them
MOST_PULLED = 4096
AGAIN_S = 0.2  # between two looks for the stream
RATE_PULLS = 400  # whose stamps tell the rate: over 4 s a burst of 16 ms hardly counts
ODD_VALUES, MOST_ODD = 400, 0.02  # gaps are rarer, bursts come more often
SILENT_PERIODS = 5.0
CLOSING_S = 2.0


class SignalTimes:
    """Times of values that come at a regular rate.

    Parameters
    ----------
    fs_hz : float
        Nominal rate.
    """

    def __init__(self, fs_hz: float) -> None:
        self._timeline = Timeline(fs_hz)
        self._fs = fs_hz
        self._ends: deque[tuple[int, float]] = deque(maxlen=RATE_PULLS)  # values so far and stamp, after each pull
        self._values = 0
        self._odd = 0.0  # share of steps of late that are off by more than half a period
        self._newest = np.nan

    def settle(self, stamps: NDArray[np.float64], now: float) -> None:
        """Put finite `stamps`, received at `now`, on their line where they are worse than half a period."""
        timeline, first = self._timeline, 0
        self._values += len(stamps)
        self._ends.append((self._values, float(stamps[-1])))
        self._follow_steps(stamps)
        on_line = self._odd > MOST_ODD and self._rate_is_nominal()
        while first < len(stamps):
            stretch = timeline.account(stamps[first:], now)
            first += stretch.repeats
            if stretch.samples and on_line and not timeline.exact:
                behind = np.arange(stretch.samples - 1, -1, -1)
                stamps[first : first + stretch.samples] = timeline.newest - timeline.period * behind
            first += stretch.samples

    def _follow_steps(self, stamps: NDArray[np.float64]) -> None:
        steps = np.diff(stamps, prepend=self._newest) * self._fs
        odd = float(np.mean(np.abs(steps - 1.0) > 0.5))
        self._odd += min(1.0, len(stamps) / ODD_VALUES) * (odd - self._odd)
        self._newest = float(stamps[-1])

    def _rate_is_nominal(self) -> bool:
        """Whether the line can follow the rate of the last seconds: one far from the nominal rate it cannot."""
        (values, begin), (more, end) = self._ends[0], self._ends[-1]
        seconds = end - begin
        return seconds > 0 and abs((more - values) / seconds - self._fs) < 0.9 * LARGEST_RATE_ERROR * self._fs


class SignalStream:
    """One channel of a named LSL stream.

    Parameters
    ----------
    wanted : Wanted

    Attributes
    ----------
    told : SignalState
        How it is doing.
    ring : SignalRing
        What the loop has not taken, at times in s on the LSL clock.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.told = SignalState(wanted.name)
        self.ring = SignalRing()
        self._wanted = wanted
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="myodrive signal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; it ends within a look for the stream."""
        self._closing.set()
        self._thread.join(CLOSING_S)

    def _work(self) -> None:
        while not self._closing.is_set():
            found = self._find()
            if found is None:
                self._closing.wait(AGAIN_S)
                continue
            self.told = SignalState(
                self._wanted.name, "on", found.source.unit_said(self._wanted.channel), found.source.fs_hz
            )
            try:
                self._collect(found)
            except RuntimeError:  # the base of all that pylsl raises: the stream is gone
                pass
            finally:
                found.inlet.close_stream()
            self.told = self.told._replace(state="lost", reason="")

    def _find(self) -> Found | None:
        infos = resolve(self._wanted.stream, None, RESOLVE_S)
        fit = [info for info in infos if not self._unfit(info)]
        if not fit:
            self._say(self._unfit(infos[0]) if infos else f'no stream named "{self._wanted.stream}" is on: start it')
            return None
        try:
            return open_stream(max(fit, key=lambda info: info.created_at()), lambda source: None)
        except StreamError as error:
            self._say(str(error))
            return None

    def _unfit(self, info: pylsl.StreamInfo) -> str:
        """Why a stream cannot be the signal's; "" where it can."""
        name, channel = self._wanted.stream, self._wanted.channel
        if info.channel_format() not in DTYPES:
            return f'stream "{name}" has samples that are not numbers: give --signal another stream'
        if not info.nominal_srate() > 0:
            return (
                f'stream "{name}" has no regular rate, as a signal has: give --signal another, or take it as --events'
            )
        if channel >= info.channel_count():
            return (
                f'stream "{name}" has {info.channel_count()} channel(s), counted from 0, and no channel {channel}: '
                "give --signal another"
            )
        return ""

    def _say(self, reason: str) -> None:
        if self.told.reason != reason:
            self.told = self.told._replace(reason=reason)

    def _collect(self, found: Found) -> None:
        """Pull until it is closed, gone, or silent while another stream of its name is there."""
        channel, times = self._wanted.channel, SignalTimes(found.source.fs_hz)
        raw: NDArray[Any] = np.zeros((MOST_PULLED, found.source.channels), found.source.dtype)
        silent_s = max(SILENT_S, SILENT_PERIODS / found.source.fs_hz)
        heard = time.monotonic()
        while not self._closing.is_set():
            rows, stamps = found.inlet.pull_chunk(
                timeout=PULL_S, max_samples=MOST_PULLED, dest_obj=raw, as_numpy=True
            )  # fmt: skip
            now = time.monotonic()
            if len(stamps):
                heard = now
                self._say("")
                self._put(rows[:, channel].astype(np.float64), stamps, times)
            elif now - heard > silent_s:
                self._say(f'stream "{self._wanted.stream}" is there but sends no samples: start it')
                if any(info.uid() != found.source.uid for info in resolve(self._wanted.stream, None, AGAIN_S, 2)):
                    return
                heard = time.monotonic() - silent_s + AGAIN_S

    def _put(self, values: NDArray[np.float64], stamps: NDArray[np.float64], times: SignalTimes) -> None:
        good = np.isfinite(stamps)
        if not good.all():
            self.ring.missed += len(stamps) - int(good.sum())
            values, stamps = values[good], stamps[good]
        if len(stamps):
            times.settle(stamps, pylsl.local_clock())
        self.ring.put(stamps, values)
