"""How well a source separates its unit, and whether its firing is one unit's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PAUSE_S = 0.25  # a longer interval is a pause in firing (4 discharges/s is below a unit's lowest steady rate)


def silhouette(spike_power: NDArray[np.floating], rest_power: NDArray[np.floating]) -> float:
    """Silhouette of the spikes: (between - within) / max of both (Negro et al. 2016).

    Parameters
    ----------
    spike_power, rest_power : ndarray
        s|s| of the source at the peaks taken as discharges, and at the other peaks.

    Returns
    -------
    float
        1 when all spikes are equally high and far above the rest; 0 without spikes.
    """
    if len(spike_power) == 0 or len(rest_power) == 0:
        return 0.0
    within = float(np.sum((spike_power - spike_power.mean()) ** 2))
    between = float(np.sum((spike_power - rest_power.mean()) ** 2))
    return (between - within) / max(between, within) if between or within else 0.0


def pulse_to_noise_db(source: NDArray[np.floating], spikes: NDArray[np.int64]) -> float:
    """Pulse-to-noise ratio, dB: mean power at the spikes over mean power elsewhere (Holobar et al. 2014).

    Parameters
    ----------
    source : ndarray, shape (samples,)
    spikes : ndarray of int64, samples
    """
    power = np.square(source, dtype=np.float64)
    at_spikes = power[spikes].sum()
    elsewhere = max(power.sum() - at_spikes, 0.0)
    if len(spikes) == 0 or len(spikes) == len(power) or elsewhere == 0:
        return float("inf") if len(spikes) and at_spikes > 0 else float("-inf")
    return float(10 * np.log10((at_spikes / len(spikes)) / (elsewhere / (len(power) - len(spikes)))))


def intervals_s(spikes: NDArray[np.int64], fs_hz: float) -> NDArray[np.float64]:
    """Inter-spike intervals without pauses, s."""
    intervals = np.diff(spikes) / fs_hz
    return intervals[intervals < PAUSE_S]


def interval_variation(spikes: NDArray[np.int64], fs_hz: float) -> float:
    """Coefficient of variation of the inter-spike intervals, pauses left out; infinite below 3 intervals."""
    intervals = intervals_s(spikes, fs_hz)
    return float(intervals.std() / intervals.mean()) if len(intervals) >= 3 else float("inf")


def mean_rate(spikes: NDArray[np.int64], fs_hz: float) -> float:
    """Discharges per second while the unit fires (pauses left out); 0 below 3 intervals."""
    intervals = intervals_s(spikes, fs_hz)
    return float(1 / intervals.mean()) if len(intervals) >= 3 else 0.0


def irregular_share(spikes: NDArray[np.int64], fs_hz: float) -> float:
    """Share of intervals shorter than half the local rhythm: two units in one train, or false spikes.

    The rhythm at an interval is the median of the 11 around it, so a rate that ramps does not count.

    Returns
    -------
    float
        About 0.02 for one unit with a coefficient of variation of 0.25, about 0.25 for two units merged.
    """
    intervals = intervals_s(spikes, fs_hz)
    if len(intervals) < 3:
        return 1.0
    padded = np.pad(intervals, 5, mode="reflect" if len(intervals) > 5 else "edge")
    rhythm = np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=1)
    return float(np.mean(intervals < rhythm / 2))
