"""Products of the whitened EMG with waveforms at every instant, and of waveforms with each other at every shift.

Both go by frequencies: of windows of a hundred samples that is a tenth of the work.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

BLOCK = 4  # windows, about, of the EMG that are transformed at once


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
    instants, taps = -(-len(whitened) // step), -(-window // step)
    length = scipy.fft.next_fast_len(BLOCK * taps, real=True)
    hop = length - taps + 1  # instants that a block of `length` answers without wrapping round
    blocks = -(-instants // hop)
    padded = np.zeros((((blocks - 1) * hop + length) * step, channels), np.float32)
    padded[before : before + len(whitened)] = whitened[: len(padded) - before]
    rows = padded.reshape(-1, step * channels)  # `step` samples side by side are as many channels
    heard = np.lib.stride_tricks.sliding_window_view(rows, length, axis=0)[::hop]  # (blocks, step x channels, length)
    heard = scipy.fft.rfft(np.ascontiguousarray(heard.transpose(2, 0, 1)), axis=0)  # (frequencies, blocks, ...)
    kernel = np.zeros((taps * step, units, channels), np.float32)
    kernel[:window] = waveforms.transpose(1, 0, 2)
    kernel = kernel.reshape(taps, step, units, channels).transpose(0, 2, 1, 3).reshape(taps, units, step * channels)
    spectrum = scipy.fft.rfft(kernel, length, axis=0)  # (frequencies, units, step x channels)
    product = (spectrum @ heard.conj().transpose(0, 2, 1)).conj()  # (frequencies, units, blocks)
    found = scipy.fft.irfft(np.ascontiguousarray(product.transpose(1, 2, 0)), length)[..., :hop]
    return np.ascontiguousarray(found.reshape(units, blocks * hop)[:, :instants], np.float32)


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
