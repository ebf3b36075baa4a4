"""Whitened waveforms by frequency, where whitening is one small matrix a frequency and a delay a turn of the phase.

Sums of squares and products are those of the waveforms over time (Parseval), of which a fit knows nothing else.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .prewhitening import Prewhitener


class WhitenedSpectra:
    """Spectra of whitened waveforms.

    Parameters
    ----------
    whitener : Prewhitener
    samples : int
        Of a waveform before it is whitened.
    most_delay : float, samples
        By which waveforms are moved to either side without wrapping round.

    Attributes
    ----------
    turning : ndarray of complex64, shape (frequencies,)
        Of the phase, by a sample of delay: the slope of a spectrum is this times it.
    """

    def __init__(self, whitener: Prewhitener, samples: int, most_delay: float) -> None:
        window = samples + whitener.lags - 1
        self._length = scipy.fft.next_fast_len(window + math.ceil(most_delay), real=True)
        self.turning = (-2j * np.pi * np.fft.rfftfreq(self._length)).astype(np.complex64)
        share = np.full(len(self.turning), np.sqrt(2.0), np.float32)  # one of two conjugate halves is kept
        share[0] = 1.0
        if self._length % 2 == 0:
            share[-1] = 1.0
        self._share = share[:, None]
        blocks = whitener.matrix.reshape(whitener.lags, -1, whitener.matrix.shape[1])  # newest sample first
        self._response = scipy.fft.rfft(blocks, self._length, axis=0) * self._share[..., None]  # (frequencies, ch, ch)

    def of_whitened(self, whitened: NDArray[np.float32]) -> NDArray[np.complex64]:
        """From (units, samples + lags - 1, channels) to (units, frequencies, channels)."""
        return scipy.fft.rfft(whitened, self._length, axis=1, norm="ortho") * self._share

    def of_plain(self, waveforms: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Whitened, from (units, waveforms, channels, samples) to (units, waveforms, frequencies, channels)."""
        units, each, channels, samples = waveforms.shape
        upright = waveforms.reshape(-1, samples).T  # (samples, units x waveforms x channels)
        spectrum = scipy.fft.rfft(upright, self._length, axis=0, norm="ortho")
        white = spectrum.reshape(-1, units * each, channels) @ self._response  # (frequencies, units x waveforms, ch)
        return np.ascontiguousarray(white.reshape(-1, units, each, channels).transpose(1, 2, 0, 3))

    def delayed(self, spectra: NDArray[np.complex64], delay: NDArray[np.float64]) -> NDArray[np.complex64]:
        """Spectra (units, waveforms, frequencies, channels) of waveforms moved to later by a number of samples each."""
        turn = np.exp(self.turning * delay[:, None].astype(np.float32))
        return spectra * turn[:, None, :, None]
