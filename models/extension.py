"""The extended EMG (each sample stacked over the samples before it), without ever storing it.

A row of the extended matrix is ``extension * channels`` neighbouring values of the recording's own memory, and the
rows `extension` samples apart do not overlap: one reshape, no copy, gives a matrix of every ``extension``-th row.
A product with the whole extended matrix is therefore `extension` full-size matrix products on views.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..stream.window import extend_reference

extend = extend_reference  # the definition that the products below are held to


def default_extension(channels: int) -> int:
    """Samples stacked per extended sample: 1000 / channels (Negro et al. 2016), at least 4."""
    return max(4, round(1000 / channels))


def live_extension(channels: int) -> int:
    """Samples stacked per extended sample of the live filters: half as many again as in the search, up to 32.

    Measured out of sample (filters fitted on the first part of a recording, judged on the rest), 24 lags of 64
    channels part 2 to 4 more units than 16; in the search more lags cost time and find the same.
    """
    return max(default_extension(channels), min(32, round(1536 / channels)))


def flip_lags(matrix: NDArray, extension: int) -> NDArray:
    """Turn lag-major rows (newest sample first) into the order of memory (oldest first), or back."""
    rows = matrix.shape[0]
    return np.ascontiguousarray(matrix.reshape(extension, rows // extension, -1)[::-1]).reshape(rows, -1)


def project(emg: NDArray[np.float32], matrix: NDArray[np.float32], extension: int) -> NDArray[np.float32]:
    """Product of the extended EMG with `matrix`: ``extend(emg, extension) @ matrix``.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    matrix : ndarray of float32, shape (extension * channels, outputs)

    Returns
    -------
    ndarray of float32, shape (samples, outputs)
    """
    samples, channels = emg.shape
    kernel = flip_lags(np.asarray(matrix, np.float32), extension)
    padded = np.concatenate([np.zeros((extension - 1, channels), np.float32), emg])
    out = np.empty((samples, kernel.shape[1]), np.float32)
    for phase in range(min(extension, samples)):
        rows = len(range(phase, samples, extension))
        view = padded[phase : phase + rows * extension].reshape(rows, extension * channels)
        out[phase::extension] = view @ kernel
    return out


def extended_covariance(emg: NDArray[np.float32], extension: int) -> NDArray[np.float64]:
    """Covariance of the extended EMG from its `extension` lag covariances (block Toeplitz).

    Returns
    -------
    ndarray of float64, shape (extension * channels, extension * channels), uV^2
        Symmetric. The mean of each channel is taken as 0, which a band-pass makes true.
    """
    samples, channels = emg.shape
    lagged = [emg[lag:].T @ emg[: samples - lag] / np.float32(samples) for lag in range(extension)]  # x(t) x(t-lag)'
    covariance = np.empty((extension, channels, extension, channels))
    for row in range(extension):
        for col in range(extension):
            block = lagged[col - row] if col >= row else lagged[row - col].T
            covariance[row, :, col, :] = block
    return covariance.reshape(extension * channels, extension * channels)


def window_means(
    emg: NDArray[np.float32], discharges: NDArray[np.int64], before: int, after: int
) -> NDArray[np.float32]:
    """Spike-triggered average of the EMG.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    discharges : ndarray of int64, samples
    before, after : int
        The window is [-before, after) around each discharge.

    Returns
    -------
    ndarray of float32, shape (before + after, channels), uV
        Discharges whose window leaves the recording are left out.
    """
    inside = discharges[(discharges >= before) & (discharges + after <= len(emg))]
    if len(inside) == 0:
        return np.zeros((before + after, emg.shape[1]), np.float32)
    windows = emg[inside[:, None] + np.arange(-before, after)]  # (discharges, window, channels)
    return windows.mean(axis=0, dtype=np.float32)


def extended_mean(emg: NDArray[np.float32], discharges: NDArray[np.int64], extension: int) -> NDArray[np.float32]:
    """Mean extended sample at the discharges, shape (extension * channels,), uV, lag-major."""
    return window_means(emg, discharges, extension - 1, 1)[::-1].reshape(-1)
