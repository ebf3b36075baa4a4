"""A force, or another signal with times of its own, put on the samples of EMG."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SAME_RATE = 0.99  # of the EMG's rate, from which a force is as fast: two clocks differ by far less


def force_at(
    times: NDArray[np.float64], values: NDArray[np.float64], stamps: NDArray[np.float64], fs_hz: float
) -> NDArray[np.float32]:
    """The force at the times of EMG samples.

    A force at the EMG's rate or faster is not touched, a slower one is interpolated, see `on_axis`. Before its first
    value and after its last the force is that value.

    Parameters
    ----------
    times : ndarray of float64, shape (values,), s
        When the force was measured, ascending; one at least.
    values : ndarray of float64, shape (values,)
        The force, in any unit.
    stamps : ndarray of float64, shape (samples,), s
        When the EMG was sampled, on the same clock, ascending.
    fs_hz : float
        The force's nominal rate; 0 for one that has none, which is interpolated.

    Returns
    -------
    ndarray of float32, shape (samples,)
        In the unit of `values`.

    Raises
    ------
    ValueError
        There are no values, or not as many as times.
    """
    return on_axis(stamps, times, values, _slower(fs_hz, stamps))


def on_axis(
    axis: NDArray[np.float64],
    places: NDArray[np.float64],
    values: NDArray[np.float64],
    slower: bool,
    longest: float = math.inf,
) -> NDArray[np.float32]:
    """A signal at each of `axis`: a slower one on straight lines, of another the nearest value, the earlier of two.

    Parameters
    ----------
    axis : ndarray of float64, shape (samples,)
        Samples or times, whose unit the others share.
    places, values : ndarray of float64, shape (values,)
        At least one; in the order of their places.
    slower : bool
        Whether the signal has fewer values than the axis.
    longest : float
        A stretch without values that lasts longer, or the time before the first or after the last value beyond it, is
        not a number; else the ends keep the first and the last value.

    Returns
    -------
    ndarray of float32, shape (samples,)

    Raises
    ------
    ValueError
        There are no values, or not as many as places.
    """
    if len(places) == 0 or len(places) != len(values):
        raise ValueError(f"a signal needs a value for each place and one at least: {len(values)} for {len(places)}")
    if slower:
        found = np.interp(axis, places, values)
    else:
        right = np.clip(np.searchsorted(places, axis), min(1, len(places) - 1), len(places) - 1)
        left = np.maximum(right - 1, 0)
        found = values[np.where(axis - places[left] <= places[right] - axis, left, right)]
    if math.isfinite(longest):
        found = np.where(_unknown(axis, places, longest), np.nan, found)
    return found.astype(np.float32)


def _slower(fs_hz: float, stamps: NDArray[np.float64]) -> bool:
    """Whether a force of this rate is slower than the EMG, whose rate is that of its stamps."""
    if len(stamps) < 2:
        return False
    return bool(fs_hz * (stamps[-1] - stamps[0]) < SAME_RATE * (len(stamps) - 1))


def _unknown(axis: NDArray[np.float64], places: NDArray[np.float64], longest: float) -> NDArray[np.bool_]:
    """Where the nearest values on both sides are further apart than `longest`, or the only one is as far away."""
    right = np.searchsorted(places, axis)  # the first place that is not before
    inside = (right > 0) & (right < len(places))
    right = np.minimum(right, len(places) - 1)
    pause: NDArray[np.bool_] = inside & (axis < places[right]) & (places[right] - places[right - 1] > longest)
    return pause | (axis < places[0] - longest) | (axis > places[-1] + longest)
