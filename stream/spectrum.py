"""From a waveform's samples to its spectrum, at frequencies that do not depend on the sampling rate.

What a parameter model reads is the spectrum: it is the same numbers whatever the rate, and the phase that the
decoder's causal filter added is turned back, so that the model knows the muscle and not our filter's delay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def filter_response(
    sections: Sequence[Sequence[float]] | NDArray[np.float64], frequencies_hz: NDArray[np.float64], fs_hz: float
) -> NDArray[np.complex128]:
    """Response of second-order sections, shape (frequencies,)."""
    delay = np.exp(-2j * np.pi * frequencies_hz[:, None] / fs_hz * np.arange(3))  # (frequencies, 3)
    response = np.ones(len(frequencies_hz), np.complex128)
    for section in np.asarray(sections, np.float64):
        response *= (delay @ section[:3]) / (delay @ section[3:])
    return response


def spectrum_matrix(
    frequencies_hz: Sequence[float] | NDArray[np.float64],
    fs_hz: float,
    samples: int,
    sections: Sequence[Sequence[float]] | NDArray[np.float64],
) -> NDArray[np.float32]:
    """The matrix that takes a waveform's samples to its spectrum.

    Parameters
    ----------
    frequencies_hz : sequence of float
    fs_hz : float
    samples : int
        Of the window; time 0 is its first.
    sections : sequence, shape (sections, 6)
        The causal filter the waveform went through: its phase is undone, its gain is left.

    Returns
    -------
    ndarray of float32, shape (samples, 2 frequencies)
        Real parts, then imaginary ones; a waveform in uV comes out in uV ms.
    """
    frequency = np.asarray(frequencies_hz, np.float64)
    time_s = np.arange(samples) / fs_hz
    response = filter_response(sections, frequency, fs_hz)
    turn = np.conj(response) / np.maximum(np.abs(response), 1e-12)  # (frequencies,)
    kernel = np.exp(-2j * np.pi * time_s[:, None] * frequency) * turn * (1e3 / fs_hz)  # (samples, frequencies)
    return np.concatenate([kernel.real, kernel.imag], axis=1).astype(np.float32)
