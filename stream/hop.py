"""What a source hands on, and what any source of samples must offer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import StreamError
from .timeline import Timeline

LONGEST_HOP = 4096  # samples


@dataclass
class Hop:
    """The samples of one hop; the same object every time, its arrays views of buffers that are used again.

    Attributes
    ----------
    samples : int
        0 when nothing came in time.
    signal : ndarray of float32, shape (samples, channels), uV
    first_sample : int
        Sample period of the first row, lost ones counted.
    lost_before : int
        Sample periods without data right before the first row.
    stamp : float
        Time stamp of the last row, s on the LSL clock.
    arrived : float
        When the last row reached this machine, s on the LSL clock, as near as can be told.
    beside : ndarray of float64, shape (samples, signals)
        Channels of the same stream that are no EMG, as they came.
    """

    samples: int = 0
    signal: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    first_sample: int = 0
    lost_before: int = 0
    stamp: float = 0.0
    arrived: float = 0.0
    beside: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))


class HopSource(Protocol):
    """A source of hops that accounts for every sample period: ``sample + 1 == samples_in + samples_lost``."""

    hop: int
    samples_in: int
    samples_lost: int
    gaps: int
    repeats: int
    reconnects: int
    timeline: Timeline

    def next_hop(self) -> Hop:
        """Wait for the next samples, for a moment at most."""

    def time_of(self, sample: int) -> float:
        """Time of a sample period near the newest one, s on the LSL clock."""

    @property
    def sample(self) -> int:
        """The newest sample period accounted for; -1 before the first."""

    @property
    def stalled(self) -> bool:
        """Whether samples have come and now none has for a while."""

    @property
    def refusal(self) -> StreamError | None:
        """Why a stream that is there is not taken, if that is so."""
