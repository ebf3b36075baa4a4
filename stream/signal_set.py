"""All signals that were asked for: channels that come with the hops of the EMG, and other streams."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .beside import SignalState, Taken, Wanted
from .hop import Hop
from .signal_ring import MOST_AT_ONCE, SignalRing, finite
from .source_info import SourceInfo

KEPT_S = 1.0  # of what came before the first sample: the EMG may be the later one of the two


class DescribedSource(Protocol):
    """What a channel of the EMG's stream needs of it."""

    samples_in: int

    @property
    def source(self) -> SourceInfo | None:
        """The stream, once it is there."""

    @property
    def stalled(self) -> bool:
        """Whether samples have come and now none has for a while."""


class Collected(Protocol):
    """A signal of another stream, collected by a thread of its own."""

    told: SignalState
    ring: SignalRing

    def close(self) -> None:
        """End the thread."""


class EmgChannels:
    """Channels of the EMG's own stream, from one time that they are taken to the next.

    Parameters
    ----------
    source : DescribedSource
    wanted : sequence of Wanted
        In the order of the columns of `Hop.beside`.
    hop : int
        Samples a hop at most.

    Attributes
    ----------
    missed : int
        Values that are not finite, or that were never taken.
    """

    def __init__(self, source: DescribedSource, wanted: Sequence[Wanted], hop: int) -> None:
        self.missed = 0
        self._source = source
        self._wanted = wanted
        self._described: SourceInfo | None = None
        self._told = [SignalState(one.name) for one in wanted]
        self._held = 0
        self._runs: list[tuple[int, int]] = []  # row and sample where samples begin that follow each other
        self._next = -1
        self._steps = np.arange(MOST_AT_ONCE + hop, dtype=np.float64)
        self._samples = np.zeros(MOST_AT_ONCE + hop)
        self._values = np.zeros((MOST_AT_ONCE + hop, len(wanted)))

    def __len__(self) -> int:
        return self._held

    def states(self) -> list[SignalState]:
        """How each is doing: as the EMG is."""
        source = self._source
        if source.source is not self._described and source.source is not None:
            self._described = found = source.source
            self._told = [
                SignalState(one.name, "waiting", found.unit_said(one.channel), found.fs_hz) for one in self._wanted
            ]
        state = "waiting" if source.samples_in == 0 else "lost" if source.stalled else "on"
        if self._told and self._told[0].state != state:
            self._told = [one._replace(state=state) for one in self._told]
        return self._told

    def follow(self, hop: Hop) -> None:
        """Keep what came with a hop."""
        count, at = hop.samples, self._held
        if at + count > len(self._samples):
            self.missed += count * len(self._wanted)
            return
        if hop.first_sample != self._next or not at:
            self._runs.append((at, hop.first_sample))
        self._values[at : at + count] = hop.beside
        self._held += count
        self._next = hop.first_sample + count

    def count(self) -> None:
        """Give the values that are held their samples; before they are taken."""
        for run, (row, sample) in enumerate(self._runs):
            end = self._held if run + 1 == len(self._runs) else self._runs[run + 1][0]
            np.add(self._steps[: end - row], sample, out=self._samples[row:end])

    def take(self, column: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Samples and values of one of them since `forget`."""
        samples, values = self._samples[: self._held], self._values[: self._held, column]
        if not math.isfinite(values.sum()):  # seldom; it costs one look at the values to know
            samples, values, unfit = finite(samples, values)
            self.missed += unfit
        return samples, values

    def forget(self) -> None:
        """All was taken."""
        self._held = 0
        self._runs.clear()


class Signals:
    """All signals that were asked for, handed on at a rate.

    Parameters
    ----------
    wanted : sequence of Wanted
    source : DescribedSource
        The EMG's.
    emg_stream : str
    hop : int
    rate_hz : float
        How often they are handed on.
    open_stream : callable
        Makes the `Collected` of a signal of another stream.

    Attributes
    ----------
    states : tuple of SignalState
        In the order of `wanted`, as they were last looked at.
    missed : int
        Values that came faster than they were taken, or are no number, or have no time, since there is EMG.
    """

    def __init__(
        self,
        wanted: Sequence[Wanted],
        source: DescribedSource,
        emg_stream: str,
        hop: int,
        rate_hz: float,
        open_stream: Callable[[Wanted], Collected],
    ) -> None:
        own = [number for number, one in enumerate(wanted) if one.stream == emg_stream]
        self._column = {number: column for column, number in enumerate(own)}
        self._channels = EmgChannels(source, [wanted[number] for number in own], hop)
        self._streams = {number: open_stream(one) for number, one in enumerate(wanted) if number not in own}
        self._rings = [stream.ring for stream in self._streams.values()]
        self._numbers = range(len(wanted))
        self._period = 1.0 / rate_hz
        self._due = 0.0
        self._missed_before = 0
        self.states: tuple[SignalState, ...] = ()
        self.missed = 0
        self.look()

    def due(self, now: float) -> bool:
        """Once a period, or sooner where much has come."""
        if now < self._due and len(self._channels) < MOST_AT_ONCE and not self._much():
            return False
        self._due = now + self._period if now - self._due > self._period else self._due + self._period
        return True

    def _much(self) -> bool:
        return any(len(ring) >= MOST_AT_ONCE for ring in self._rings)

    def look(self) -> None:
        """Find out how they are doing."""
        own = self._channels.states()
        self.states = tuple(
            own[self._column[number]] if number in self._column else self._streams[number].told
            for number in self._numbers
        )
        self.missed = self._channels.missed + self._missed_by_streams() - self._missed_before

    def _missed_by_streams(self) -> int:
        return sum(ring.missed for ring in self._rings)

    def follow(self, hop: Hop) -> None:
        """Take what came with the EMG."""
        if self._column:
            self._channels.follow(hop)

    def skip(self, now: float) -> None:
        """Drop what is older than a second, and forget what was missed; while there is no EMG."""
        for ring in self._rings:
            ring.skip(now - KEPT_S)
        self._missed_before = self._missed_by_streams()

    def take(self) -> Sequence[Taken]:
        """What has come since the last time."""
        self._channels.count()
        found = []
        for number in self._numbers:
            counted = number in self._column
            places, values = self._channels.take(self._column[number]) if counted else self._streams[number].ring.take()
            if len(values):
                found.append(Taken(number, counted, places, values))
        self._channels.forget()
        return found

    def close(self) -> None:
        """End the threads."""
        for stream in self._streams.values():
            stream.close()
