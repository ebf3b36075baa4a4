"""Products of the whitened EMG with waveforms at every instant, and of waveforms with each other at every shift."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray


def answers(
    whitened: NDArray[np.float32], waveforms: NDArray[np.float32], before: int, step: int = 1
) -> NDArray[np.float32]:
    """How much of each waveform the EMG holds around each instant.

    Parameters
    ----------
    whitened : ndarray of float32, shape (samples, channels)
    waveforms : ndarray of float32, shape (units, window, channels)
        Whitened too.
    before : int
        Samples of the window before the instant.
    step : int
        Every how many samples.

    Returns
    -------
    ndarray of float32, shape (units, ceil(samples / step))
        ``sum_u whitened[t - before + u] . waveform[u]``; nothing is heard outside of the recording.
    """
    units, window, channels = waveforms.shape
    samples = len(whitened)
    padded = np.pad(whitened, ((before, window), (0, 0)))
    kernel = np.ascontiguousarray(waveforms.reshape(units, window * channels).T)  # (window x channels, units)
    hop = -(-window // step) * step  # windows that far apart do not overlap: they are rows of one view
    found = np.empty((units, -(-samples // step)), np.float32)
    for phase in range(0, min(hop, samples), step):
        rows = len(range(phase, samples, hop))
        stretch = padded[phase : phase + rows * hop]
        if len(stretch) < rows * hop:
            stretch = np.pad(stretch, ((0, rows * hop - len(stretch)), (0, 0)))
        view = stretch.reshape(rows, hop * channels)[:, : window * channels]
        found[:, phase // step :: hop // step] = (view @ kernel).T
    return found


def cross_answers(waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
    """What one discharge of a unit adds to the answers of all units.

    Parameters
    ----------
    waveforms : ndarray of float32, shape (units, window, channels)

    Returns
    -------
    ndarray of float32, shape (units, units, 2 * window - 1)
        ``[j, k, window - 1 + d]``: to the answer of unit k, d samples after a discharge of unit j.
    """
    window = waveforms.shape[1]
    length = scipy.fft.next_fast_len(2 * window, real=True)
    spectrum = np.fft.rfft(waveforms, length, axis=1).astype(np.complex64).transpose(1, 0, 2)  # (frequency, unit, ch)
    product = spectrum @ spectrum.conj().transpose(0, 2, 1)  # (frequency, j, k)
    lags = np.fft.irfft(product, length, axis=0)  # at lag d: sum_u waveform_k[u] waveform_j[u + d]
    ordered = np.concatenate([lags[length - window + 1 :], lags[:window]])  # (2 * window - 1, j, k)
    return np.ascontiguousarray(ordered.transpose(1, 2, 0), np.float32)
