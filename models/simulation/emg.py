"""EMG as the sum of every unit's waveform at each of its discharges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray


def superpose(
    muaps: NDArray[np.float32], trains: Sequence[NDArray[np.int64]], first: int, samples: int
) -> NDArray[np.float32]:
    """Add each unit's waveform at each of its discharges.

    Parameters
    ----------
    muaps : ndarray of float32, shape (units, channels, time), uV
    trains : sequence of ndarray of int64
        Discharges of each unit, in samples.
    first : int
        Sample of the waveforms' start relative to the discharge.
    samples : int
        Length of the result; what reaches over an end is cut off there.

    Returns
    -------
    ndarray of float32, shape (channels, samples), uV
    """
    emg = np.zeros((muaps.shape[1], samples))
    for muap, train in zip(muaps, trains, strict=True):
        _add(np.ascontiguousarray(muap), train, first, emg)
    return emg.astype(np.float32)


@njit(cache=True, nogil=True)
def _add(muap, train, first, emg):
    for channel in range(muap.shape[0]):
        for discharge in train:
            start = discharge + first
            for k in range(max(0, -start), min(muap.shape[1], emg.shape[1] - start)):
                emg[channel, start + k] += muap[channel, k]
