"""From spike trains to the linear filters that run live.

A unit's filter is the linear estimate of least mean square error of its spike train: the mean extended sample at
its discharges times the regularised inverse covariance. Nothing is subtracted at run time, so what counts is how
well this filter, alone and on the EMG as recorded, tells the unit's discharges apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .extension import window_means
from .whitening import Whitening

Train = NDArray[np.int64]


def best_lag(mean_window: NDArray[np.float32], whitening: Whitening, extension: int, reach: int) -> int:
    """Where in the unit's waveform the filter looks best: the lag whose filter answers the waveform most.

    ``a' C+ a`` is the mean height of the source at the discharges when the noise has unit variance.

    Parameters
    ----------
    mean_window : ndarray of float32, shape (extension - 1 + 2 * reach + 1, channels), uV
        Mean EMG around the discharges, starting ``extension - 1 + reach`` samples before them.
    whitening : Whitening
    extension : int
    reach : int, samples
        Lags in [-reach, reach] are tried.

    Returns
    -------
    int, samples
        Add it to the discharges.
    """
    lags = range(2 * reach + 1)
    means = np.stack([mean_window[lag : lag + extension][::-1].reshape(-1) for lag in lags])
    return int(np.argmax(np.sum((means @ whitening.matrix) ** 2, axis=1))) - reach


def align(
    emg: NDArray[np.float32], train: Train, whitening: Whitening, extension: int, reach: int
) -> tuple[Train, NDArray[np.float32]]:
    """Shift a train to the lag where a linear filter sees the unit best.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    train : ndarray of int64, samples
    whitening, extension, reach
        See `best_lag`.

    Returns
    -------
    train : ndarray of int64, samples
        Discharges shifted out of the recording are left out.
    mean : ndarray of float32, shape (extended,), uV
        Mean extended sample at the shifted discharges.
    """
    around = window_means(emg, train, extension - 1 + reach, reach + 1)
    lag = best_lag(around, whitening, extension, reach)
    shifted = train + lag
    mean = around[reach + lag : reach + lag + extension][::-1].reshape(-1)
    return shifted[(shifted >= 0) & (shifted < len(emg))], mean


def linear_filters(means: Sequence[NDArray[np.float32]], whitening: Whitening) -> NDArray[np.float32]:
    """Filters ``C+ a``, one per mean `a`, scaled so that each answers its own mean with 1.

    Returns
    -------
    ndarray of float32, shape (extended, units), 1/uV
    """
    whitened = np.stack(means, axis=1).T @ whitening.matrix  # (units, rank)
    power = np.sum(whitened**2, axis=1, keepdims=True)
    return whitening.matrix @ (whitened / np.where(power > 0, power, 1)).T
