"""The window of a spike-triggered average and the noise that is left in it; nothing here waits for a compiler."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BEFORE_S = 0.025  # a unit's source peaks up to 15 ms after the onset of its waveform, and filter and decoder add to it
AFTER_S = 0.030
SNR_WINDOW_S = 0.04  # the signal's mean square is taken over this long, whatever the window is


def window_samples(fs_hz: float) -> tuple[int, int]:
    """Samples before and after the discharge in a window at `fs_hz`."""
    return round(BEFORE_S * fs_hz), round(AFTER_S * fs_hz)


def noise_of_average(variance: NDArray[np.float64], concentration: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of a sample of the average by channel, uV^2, from the scatter of the windows; NaN below two windows."""
    free = 1.0 - concentration
    out = np.full(variance.shape, np.nan)
    scattered = (free > 1e-9) & (concentration > 0.0)
    out[scattered] = variance[scattered] * concentration[scattered] / free[scattered]
    return out


def snr_db(mean: NDArray[np.float32], noise: NDArray[np.float64], fs_hz: float) -> float:
    """Signal-to-noise ratio of an average, dB; NaN where the noise is not known, -inf where there is only noise.

    Parameters
    ----------
    mean : ndarray of float32, shape (window, channels), uV
    noise : ndarray of float64, shape (channels,), uV^2
        Variance of its samples. Channels with NaN are left out.
    fs_hz : float

    Returns
    -------
    float
        The signal is the energy of the whole window less the noise in it, as the mean square over SNR_WINDOW_S.
    """
    known = np.isfinite(noise)
    if not known.any():
        return math.nan
    power = float(noise[known].mean())
    energy = float(np.square(mean[:, known], dtype=np.float64).sum(axis=0).mean())
    signal = (energy - len(mean) * power) / (SNR_WINDOW_S * fs_hz)
    if power <= 0.0:
        return math.inf if signal > 0.0 else math.nan
    return 10.0 * math.log10(signal / power) if signal > 0.0 else -math.inf
