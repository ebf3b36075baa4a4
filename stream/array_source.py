"""EMG that is already there, as a source of hops: the live loop over an array, for measurements and tests."""

from __future__ import annotations

import numpy as np
import pylsl
from numpy.typing import NDArray

from .errors import StreamError
from .hop import Hop
from .timeline import Timeline


class ArraySource:
    """An array in the place of a stream; its samples arrive as fast as they are asked for.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    fs_hz : float
    hop : int

    Attributes
    ----------
    began : float or None
        When the first samples were asked for, s on the LSL clock.
    """

    def __init__(self, emg: NDArray[np.float32], fs_hz: float, hop: int) -> None:
        self.hop = hop
        self.samples_in = self.samples_lost = self.gaps = self.repeats = self.reconnects = 0
        self.timeline = Timeline(fs_hz)
        self._emg = emg
        self._hop = Hop()
        self._start = pylsl.local_clock()
        self.began: float | None = None

    @property
    def ended(self) -> bool:
        """Whether every sample was handed on."""
        return self.samples_in >= len(self._emg)

    @property
    def sample(self) -> int:
        """The newest sample handed on."""
        return self.samples_in - 1

    @property
    def stalled(self) -> bool:
        """Never: what there is, is there."""
        return False

    @property
    def refusal(self) -> StreamError | None:
        """Never: it is decoded as it is."""
        return None

    def time_of(self, sample: int) -> float:
        """Time of a sample: they follow each other from the start on, s on the LSL clock."""
        return self._start + sample * self.timeline.period

    def next_hop(self) -> Hop:
        """The next samples; a hop of 0 at the end."""
        if self.began is None:
            self.began = pylsl.local_clock()
        hop = self._hop
        first = self.samples_in
        hop.signal = self._emg[first : first + self.hop]
        hop.samples = len(hop.signal)
        hop.first_sample = first
        self.samples_in += hop.samples
        hop.stamp = hop.arrived = pylsl.local_clock()
        return hop
