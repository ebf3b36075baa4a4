"""How far the units still look as they did in calibration: their spikes' heights, and their waveforms.

A filter finds peaks in any EMG. On electrodes other than those it was calibrated on they are not the unit's
discharges, though they are as high; but the average around them is then not the unit's waveform either.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .average import SpikeAverager
from .cancel import CancellingDetector
from .decoder_file import Decoder
from .detect import Detector

SPIKES = 20  # the trust by height follows the last so many discharges; a waveform is compared from so many on
EVERY_S = 0.05  # one unit's waveform is compared, in turn
ALIKE, UNLIKE = 0.9, 0.5  # likeness from which the trust is whole, and below which there is none
LEAST_SPAN = 0.05  # from threshold to mean spike, in a margin: masked channels may raise the threshold that far
FEWEST_UNITS = 3  # with a waveform; of fewer, one odd unit would speak for all
STRANGE = "the units' waveforms are not those of the calibration: electrodes or channels have changed, calibrate again"


class UnitTrust:
    """Follows every unit.

    Parameters
    ----------
    decoder : Decoder
    averager : SpikeAverager
    detector : Detector or CancellingDetector, optional
        Its thresholds change when channels are masked; without it those of the decoder stay.

    Attributes
    ----------
    likeness : ndarray of float64, shape (units,)
        Cosine between the waveform now and in calibration, over the decoder's lags; NaN while there is no average.
    strange : bool
        Whether most units look otherwise than in calibration.
    """

    def __init__(
        self, decoder: Decoder, averager: SpikeAverager, detector: Detector | CancellingDetector | None = None
    ) -> None:
        info = decoder.info
        units, _, channels = averager.shape
        self.likeness = np.full(units, np.nan)
        self.strange = False
        self._averager = averager
        self._by_height = np.ones(units)
        self._detector = detector
        self._threshold = np.array([unit.threshold for unit in info.units], np.float32)
        self._height = np.array([unit.spike_height for unit in info.units])
        lags = min(info.extension, averager.before + 1)
        means = decoder.unit_means.reshape(info.extension, channels, units)[:lags][::-1]
        self._means = np.ascontiguousarray(np.moveaxis(means, 2, 0))  # (units, lags, channels) uV, in order of time
        self._within = slice(averager.before + 1 - lags, averager.before + 1)
        self._next_at = -math.inf
        self._next = 0

    def __len__(self) -> int:
        return len(self._by_height)

    @property
    def threshold(self) -> NDArray[np.float32]:
        """Of every unit, as it is now; infinite for one that is lost with its channels."""
        return self._threshold if self._detector is None else self._detector.threshold

    def spike(self, unit: int, height: float) -> float:
        """Take a discharge; its margin, 0 at the threshold and 1 at the mean spike."""
        threshold = float(self.threshold[unit])
        if math.isinf(threshold):  # the unit was lost between this discharge and its report
            threshold = float(self._threshold[unit])
        margin = (height - threshold) / max(float(self._height[unit]) - threshold, LEAST_SPAN)
        self._by_height[unit] += (min(margin, 1.0) - self._by_height[unit]) / SPIKES
        return margin

    def tend(self, now: float, good: NDArray[np.bool_]) -> None:
        """Compare the waveform of the next unit over the `good` channels, when it is time."""
        if now < self._next_at:
            return
        self._next_at = now + EVERY_S
        unit, self._next = self._next, (self._next + 1) % len(self)
        if self._averager.added[unit] < SPIKES:
            return
        self.likeness[unit] = self._likeness(unit, good)
        known = self.likeness[np.isfinite(self.likeness)]
        if len(known) >= min(FEWEST_UNITS, len(self)):
            middle = float(np.median(known))
            self.strange = middle < (ALIKE if self.strange else 0.5 * (ALIKE + UNLIKE))

    def values(self) -> NDArray[np.float64]:
        """Trust of every unit, 0 to 1, the lower of the two; waveforms not known yet do not count.

        Of a unit that is lost with its channels it is 0.
        """
        by_waveform = np.clip((self.likeness - UNLIKE) / (ALIKE - UNLIKE), 0.0, 1.0)
        trust = np.clip(np.fmin(self._by_height, by_waveform), 0.0, 1.0)
        return np.where(np.isinf(self.threshold), 0.0, trust)

    def _likeness(self, unit: int, good: NDArray[np.bool_]) -> float:
        noise = self._averager.noise(unit)  # (channels,) uV^2
        known = good & np.isfinite(noise)  # a channel that was bad until now has no average yet
        now = self._averager.part(unit, self._within)[:, known]  # (lags, channels) uV
        then = self._means[unit][:, known]
        energy = float(np.vdot(now, now)) - len(now) * float(noise[known].sum())  # what noise adds is not unlikeness
        size = math.sqrt(max(energy, 0.0) * float(np.vdot(then, then)))
        return float(np.clip(np.vdot(now, then) / size, -1.0, 1.0)) if size > 0.0 else math.nan
