"""A force beside EMG, put on the EMG's samples by time stamps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAME_RATE = 0.99  # of the EMG's rate, from which a force is as fast: two clocks differ by far less


def force_at(
    times: NDArray[np.float64], values: NDArray[np.float64], stamps: NDArray[np.float64], fs_hz: float
) -> NDArray[np.float32]:
    """The force at the times of EMG samples.

    A force at the EMG's rate or faster is not touched: each sample gets the value nearest in time, the earlier of two
    equally near. A slower one is interpolated. Before its first value and after its last the force is that value.

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
    if len(times) == 0 or len(times) != len(values):
        raise ValueError(f"a force needs a value for each time and one at least: {len(values)} for {len(times)} times")
    if _slower(fs_hz, stamps):
        return np.interp(stamps, times, values).astype(np.float32)
    right = np.clip(np.searchsorted(times, stamps), min(1, len(times) - 1), len(times) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(stamps - times[left] <= times[right] - stamps, left, right)
    return values[nearest].astype(np.float32)


def _slower(fs_hz: float, stamps: NDArray[np.float64]) -> bool:
    """Whether a force of this rate is slower than the EMG, whose rate is that of its stamps."""
    if len(stamps) < 2:
        return False
    return bool(fs_hz * (stamps[-1] - stamps[0]) < SAME_RATE * (len(stamps) - 1))
