"""A source judged: its discharges, its quality, and whether one motor unit can fire like that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .peaks import discharges, peaks
from .quality import interval_variation, irregular_share, mean_rate, pulse_to_noise_db, silhouette

SIDE_LOBE_S = 0.004  # a discharge's own side lobes in the source are nearer than this


@dataclass(frozen=True)
class FiringLimits:
    """What a source must meet to be taken for one motor unit.

    Parameters
    ----------
    min_sil : float
        Least silhouette.
    max_cov : float
        Largest coefficient of variation of the intervals, pauses left out.
    min_discharges : int
        Fewer make a mean that is mostly other units' noise. (The search asks for less of short recordings.)
    min_rate_hz, max_rate_hz : float, discharges/s while active
    max_irregular : float
        Largest share of intervals below half the local rhythm: 0.02 for one unit, 0.25 for two merged.
    max_crowded : float
        Largest share of peaks as high as a discharge that follow one too soon: 0 to 0.03 for one unit with a few
        doublets, 0.15 and more for two merged, whose train looks regular once these peaks are dropped.
    refractory_s : float, s
        Least distance between two discharges.
    """

    min_sil: float = 0.9
    max_cov: float = 0.5
    min_discharges: int = 50
    min_rate_hz: float = 3.0
    max_rate_hz: float = 40.0
    max_irregular: float = 0.12
    max_crowded: float = 0.08
    refractory_s: float = 0.02


@dataclass(frozen=True)
class Firing:
    """Discharges of a source and the figures that tell whether to trust them.

    Parameters
    ----------
    spikes : ndarray of int64, samples
    level : float
        Mean height of the source at the spikes.
    threshold : float
        Height that parts spikes from other peaks, in the source's unit.
    sil, pnr_db, cov, rate_hz, irregular : float
        See `quality`.
    crowded : float
        Of the peaks above the threshold, the share dropped because another is nearer than the refractory time.
    """

    spikes: NDArray[np.int64]
    level: float
    threshold: float
    sil: float
    pnr_db: float
    cov: float
    rate_hz: float
    irregular: float
    crowded: float

    def at(self, spikes: NDArray[np.int64]) -> Firing:
        """The same with its discharges elsewhere, such as at another instant of the same waveform."""
        return replace(self, spikes=spikes)

    def meets(self, limits: FiringLimits, min_sil: float | None = None) -> bool:
        """Whether one motor unit can be behind this source; `min_sil` replaces the limits' own."""
        return (
            self.sil >= (limits.min_sil if min_sil is None else min_sil)
            and self.cov <= limits.max_cov
            and len(self.spikes) >= limits.min_discharges
            and limits.min_rate_hz <= self.rate_hz <= limits.max_rate_hz
            and self.irregular <= limits.max_irregular
            and self.crowded <= limits.max_crowded
        )


def judge(source: NDArray[np.float32], fs_hz: float, refractory_s: float = 0.02) -> Firing:
    """Find a source's discharges and measure their quality.

    Parameters
    ----------
    source : ndarray of float32, shape (samples,)
        Discharges are positive.
    fs_hz : float
    refractory_s : float, s
    """
    spikes, rest, split = discharges(source, max(1, round(refractory_s * fs_hz)))
    height = source[spikes].astype(np.float64)
    threshold = float(np.sqrt(split.boundary))
    close = peaks(source, max(1, round(SIDE_LOBE_S * fs_hz)))
    high = np.count_nonzero(source[close] > threshold)
    return Firing(
        spikes=spikes,
        level=float(height.mean()) if len(height) else 0.0,
        threshold=threshold,
        sil=silhouette(height**2, source[rest].astype(np.float64) ** 2),
        pnr_db=pulse_to_noise_db(source, spikes),
        cov=interval_variation(spikes, fs_hz),
        rate_hz=mean_rate(spikes, fs_hz),
        irregular=irregular_share(spikes, fs_hz),
        crowded=max(0.0, 1 - len(spikes) / high) if high else 0.0,
    )
