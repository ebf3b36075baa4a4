"""How hard a person tries, sample by sample: the EMG's envelope, or a force; and its scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

from ...models.bandpass import design_filter
from ...stream.filter import CausalFilter
from ..stream_blocks import Block
from .electrodes import Electrodes
from .force import ForceStream

SMOOTHING_S = 0.1  # of each of two poles: the envelope comes 0.2 s late and is steady enough to follow
REST_PERCENTILE = 10.0
FULL_S = 0.5  # that the highest effort must last
HARDLY = 2.0  # times the rest, below which the reference says little


class Effort(Protocol):
    """A measure of effort."""

    name: str
    unit: str

    def __call__(self, block: Block) -> NDArray[np.float64]:
        """Of each sample of the block, in `unit`."""


class Envelope:
    """Mean of the rectified EMG over the channels, smoothed.

    Parameters
    ----------
    electrodes : Electrodes
    bad : list of int
        Channels of the stream that do not count.
    mains_hz : float or None
        To notch.
    """

    name, unit = "envelope", "uV"

    def __init__(self, electrodes: Electrodes, bad: list[int], mains_hz: float | None) -> None:
        fs_hz = electrodes.source.fs_hz
        self._kept = electrodes.kept(bad)
        self._filter = CausalFilter(design_filter(fs_hz, mains_hz=mains_hz).sections, len(self._kept))
        pole = np.exp(-1.0 / (SMOOTHING_S * fs_hz))
        self._b, self._a = np.array([(1 - pole) ** 2]), np.convolve([1.0, -pole], [1.0, -pole])
        self._state = np.zeros(2)

    def __call__(self, block: Block) -> NDArray[np.float64]:
        """Of each sample, uV."""
        signal = np.ascontiguousarray(block.signal[:, self._kept])
        np.nan_to_num(signal, copy=False, posinf=0.0, neginf=0.0)
        if block.lost_before:
            self._filter.reset()
        self._filter(signal)
        mean = np.abs(signal).mean(axis=1, dtype=np.float64)
        smooth, self._state = scipy.signal.lfilter(self._b, self._a, mean, zi=self._state)
        return smooth


class Force:
    """A force beside the EMG, at the EMG's samples."""

    name = "force"

    def __init__(self, stream: ForceStream) -> None:
        self._stream = stream
        self.unit = stream.unit

    def __call__(self, block: Block) -> NDArray[np.float64]:
        """Of each sample, in the force's unit; the last value known where the force comes later than the EMG."""
        return self._stream.lately(block.stamps)


@dataclass(frozen=True)
class Scale:
    """What counts as 0 and as 1, in the measure's unit."""

    rest: float
    full: float

    def level(self, effort: NDArray[np.float64]) -> NDArray[np.float64]:
        """Efforts as shares of the reference."""
        return (effort - self.rest) / (self.full - self.rest)

    @property
    def hardly_above_rest(self) -> bool:
        """Whether the reference contraction was hardly one."""
        return self.full < HARDLY * self.rest


def scale_of(effort: NDArray[np.float64], fs_hz: float) -> Scale:
    """Rest is the effort that a tenth of the time stays below; full the highest mean over half a second."""
    length = min(len(effort), round(FULL_S * fs_hz))
    total = np.concatenate([[0.0], np.cumsum(effort)])
    full = float((total[length:] - total[:-length]).max()) / length
    rest = float(np.percentile(effort, REST_PERCENTILE))
    return Scale(rest, max(full, rest + 1e-9))
