"""Taking found units out of the EMG: their waveforms by least squares over all units at once, then the rest.

Spike-triggered averages of units that fire together hold each other's waveforms. Solving for all waveforms jointly
removes that, and what is left of the EMG is as small as waveforms repeated at these discharges can make it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .matching import shift_counts

Train = NDArray[np.int64]


def waveforms(emg: NDArray[np.float32], trains: Sequence[Train], before: int, after: int) -> NDArray[np.float32]:
    """Waveforms that, repeated at the discharges and added, come closest to the EMG.

    Normal equations of ``min |emg - sum_units sum_spikes waveform|^2``: each unit pair's block is Toeplitz, its
    diagonals the counts of their cross-correlogram.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    trains : sequence of ndarray of int64, samples, ascending
    before, after : int
        The window is [-before, after) around each discharge.

    Returns
    -------
    ndarray of float32, shape (units, before + after, channels), uV
    """
    window, channels, units = before + after, emg.shape[1], len(trains)
    inside = [t[(t >= before) & (t + after <= len(emg))] for t in trains]
    sums = np.empty((units, window, channels), np.float32)
    gram = np.empty((units, window, units, window), np.float32)
    for i in range(units):
        sums[i] = _window_sum(emg, inside[i], before, after)
        for j in range(i, units):
            counts = shift_counts(inside[i], inside[j], window - 1).astype(np.float32)  # at t_j - t_i
            block = scipy.linalg.toeplitz(counts[window - 1 :], counts[window - 1 :: -1])
            gram[i, :, j, :] = block  # offset a of i meets offset b of j where t_j - t_i = a - b
            gram[j, :, i, :] = block.T
    gram = gram.reshape(units * window, units * window)
    gram.flat[:: units * window + 1] += 0.01 * max(len(t) for t in inside) + 1  # two trains in lock-step stay solvable
    solved = scipy.linalg.solve(gram, sums.reshape(units * window, channels), assume_a="pos", check_finite=False)
    return solved.reshape(units, window, channels)


def _window_sum(emg: NDArray[np.float32], train: Train, before: int, after: int) -> NDArray[np.float32]:
    total = np.zeros((before + after, emg.shape[1]), np.float32)
    for instant in train:
        total += emg[instant - before : instant + after]
    return total


def subtract(
    emg: NDArray[np.float32], trains: Sequence[Train], shapes: NDArray[np.float32], before: int
) -> NDArray[np.float32]:
    """What is left of the EMG when each unit's waveform is taken out at each of its discharges.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    trains : sequence of ndarray of int64, samples
    shapes : ndarray of float32, shape (units, window, channels), uV
    before : int
        Samples of the window before the discharge.

    Returns
    -------
    ndarray of float32, shape (samples, channels), uV
    """
    window = shapes.shape[1]
    rest = np.pad(emg, ((before, window), (0, 0)))  # so that windows may reach over the ends
    for train, shape in zip(trains, shapes, strict=True):
        for instant in train:
            rest[instant : instant + window] -= shape
    return np.ascontiguousarray(rest[before : before + len(emg)])


def add_response(
    source: NDArray[np.float32], train: Train, response: NDArray[np.float32], before: int
) -> NDArray[np.float32]:
    """Put a unit's own contribution back into its source on the residual; in place, and returned.

    Parameters
    ----------
    source : ndarray of float32, shape (samples,)
    train : ndarray of int64, samples
    response : ndarray of float32, shape (window,)
        The filter's answer to the unit's waveform, starting `before` samples before the discharge.
    """
    for instant in train:
        start = instant - before
        low, high = max(start, 0), min(start + len(response), len(source))
        source[low:high] += response[low - start : high - start]
    return source
