"""Which part of a recording holds a contraction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.5
LEVEL = 0.1  # of the strong part's power: a third of its amplitude
SHORTEST_S = 4.0  # below this the covariance of 1024 signals is not worth estimating


def active_stretch(emg: NDArray[np.float32], fs_hz: float) -> slice:
    """From the first to the last instant at which the EMG is a tenth as strong as in the contraction.

    Rest at both ends holds no discharges but tells the covariance that noise is all there is.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    fs_hz : float

    Returns
    -------
    slice, samples
        Everything, where the active part is too short to learn from.
    """
    window = max(1, round(WINDOW_S * fs_hz))
    power = np.convolve(np.mean(np.square(emg), axis=1), np.ones(window, np.float32) / window, mode="same")
    active = np.flatnonzero(power > LEVEL * np.quantile(power, 0.9))
    if len(active) < 2 or active[-1] - active[0] < SHORTEST_S * fs_hz:
        return slice(0, len(emg))
    return slice(int(active[0]), int(active[-1]) + 1)
