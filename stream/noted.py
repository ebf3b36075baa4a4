"""What came into the loop from outside, passed on and noted: the recording keeps what was taken in each turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .average import SpikeAverager
    from .beside import SignalSource, SignalState, Taken
    from .hop import Hop
    from .markers import Marker, MarkerSource
    from .parameter_model import ParameterModel
    from .parameter_worker import Finished, ParameterWorker


class NotedWorker:
    """A parameter worker, and what it said in this turn.

    Attributes
    ----------
    answered_cpu_s : float
        NaN while there was no answer since `forget`.
    told : str
        The last fault.
    """

    def __init__(self, worker: ParameterWorker) -> None:
        self.model: ParameterModel = worker.model
        self.answered_cpu_s = math.nan
        self.told = ""
        self._worker = worker

    @property
    def idle(self) -> bool:
        """As the worker says."""
        return self._worker.idle

    def fault(self, now: float) -> str:
        """As the worker says."""
        self.told = self._worker.fault(now)
        return self.told

    def offer(self, averager: SpikeAverager, unit: int, good: NDArray[np.bool_], now: float) -> None:
        """Handed on."""
        self._worker.offer(averager, unit, good, now)

    def take(self) -> Finished | None:
        """Handed on, and noted."""
        finished = self._worker.take()
        if finished is not None:
            self.answered_cpu_s = finished.cpu_s
        return finished

    def close(self) -> None:
        """Handed on."""
        self._worker.close()


class NotedMarkers:
    """A stream of markers as it was in this turn, and what was taken of it.

    Attributes
    ----------
    state, reason : str
    missed : int
        As the stream said when it was last looked at.
    taken : sequence of Marker
    """

    def __init__(self, markers: MarkerSource) -> None:
        self.taken: Sequence[Marker] = ()
        self._markers = markers
        self.look()

    def look(self) -> None:
        """Find out how the stream is doing."""
        self.state, self.reason, self.missed = self._markers.state, self._markers.reason, self._markers.missed

    def take(self) -> Sequence[Marker]:
        """Handed on, and noted."""
        self.taken = self._markers.take()
        return self.taken


class NotedSignals:
    """The signals beside the EMG as they were in this turn, and what was taken of them.

    Attributes
    ----------
    states : tuple of SignalState
    missed : int
        As they said when they were last looked at.
    taken : sequence of Taken
    """

    def __init__(self, signals: SignalSource) -> None:
        self.taken: Sequence[Taken] = ()
        self.states: tuple[SignalState, ...] = ()
        self._signals = signals
        self.look()

    def look(self) -> None:
        """Find out how they are doing."""
        self._signals.look()
        self.states, self.missed = self._signals.states, self._signals.missed

    def follow(self, hop: Hop) -> None:
        """Handed on."""
        self._signals.follow(hop)

    def due(self, now: float) -> bool:
        """Handed on."""
        return self._signals.due(now)

    def skip(self, now: float) -> None:
        """Handed on."""
        self._signals.skip(now)

    def take(self) -> Sequence[Taken]:
        """Handed on, and noted."""
        self.taken = self._signals.take()
        return self.taken
