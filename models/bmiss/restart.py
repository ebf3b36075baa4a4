"""A second look at waveforms that a fit leaves unexplained: from all over the space, and at all delays.

A waveform's error has many valleys, most of all in delay: a wave that comes later may be a slower one, or one from
further off. A unit that many others hid was found by the part of it that stood out, and may lie in the wrong valley.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .fit import Fitted, fit, shapes
from .generator import Generator
from .prewhitening import Prewhitener

REACH_S = 0.012  # delays that are tried
BATCH = 50  # entries at once


class Dictionary:
    """Whitened waveforms all over a generator's space.

    Parameters
    ----------
    generator : Generator
    whitener : Prewhitener
    theta : ndarray of float64, shape (entries, parameters)
    fs_hz : float

    Attributes
    ----------
    window : int
        Samples of a whitened waveform.
    """

    def __init__(self, generator: Generator, whitener: Prewhitener, theta: NDArray[np.float64], fs_hz: float) -> None:
        self._generator, self._whitener, self._theta = generator, whitener, theta
        self.window = generator.samples + whitener.lags - 1
        self._reach = min(round(REACH_S * fs_hz), self.window - 1)
        self._length = scipy.fft.next_fast_len(self.window + self._reach, real=True)

    def closest(self, whitened: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Entries most like each waveform at any delay, and by how many samples the waveform is later.

        Parameters
        ----------
        whitened : ndarray of float32, shape (units, window, channels)
        count : int
            Entries wanted of each; all where there are fewer.

        Returns
        -------
        entry, later : ndarray of int64, shape (units, min(count, entries))
        """
        measured = np.fft.rfft(whitened, self._length, axis=1).astype(np.complex64)  # (units, frequencies, channels)
        likeness = np.empty((len(whitened), len(self._theta)))
        later = np.empty((len(whitened), len(self._theta)), np.int64)
        lags = np.r_[0 : self._reach + 1, -self._reach : 0]
        for first in range(0, len(self._theta), BATCH):
            part = slice(first, first + BATCH)
            white = self._whitener.waveforms(shapes(self._generator, self._theta[part]))
            white /= np.sqrt(np.einsum("etc,etc->e", white, white))[:, None, None] + 1e-12
            spectrum = np.fft.rfft(white, self._length, axis=1).astype(np.complex64).conj()
            product = np.einsum("ufc,efc->uef", measured, spectrum, optimize=True)
            at_lag = np.fft.irfft(product, self._length, axis=2)[..., lags]
            best = at_lag.argmax(axis=2)
            likeness[:, part] = np.take_along_axis(at_lag, best[..., None], 2)[..., 0]
            later[:, part] = lags[best]
        entry = np.argsort(-likeness, axis=1, kind="stable")[:, :count]
        return entry, np.take_along_axis(later, entry, 1)

    def fit(self, whitened: NDArray[np.float32], count: int, iterations: int) -> tuple[Fitted, NDArray[np.int64]]:
        """The best of the fits from `count` entries each; and by how many samples the waveform is later than it."""
        entry, later = self.closest(whitened, count)
        best: Fitted | None = None
        shift = later[:, 0].copy()
        for turn in range(entry.shape[1]):
            start = self._theta[entry[:, turn]]
            fitted = fit_later(self._generator, self._whitener, whitened, start, later[:, turn], iterations)
            if best is None:
                best = fitted
                continue
            better = fitted.left < best.left
            best = best.where(better, fitted)
            shift = np.where(better, later[:, turn], shift)
        assert best is not None
        return best, shift


def fit_later(
    generator: Generator,
    whitener: Prewhitener,
    whitened: NDArray[np.float32],
    theta: NDArray[np.float64],
    later: NDArray[np.int64],
    iterations: int,
) -> Fitted:
    """As `fit`, of waveforms that are whole samples later; what is left includes what is moved out of the window."""
    earlier = np.zeros_like(whitened)
    for found, one, by in zip(earlier, whitened, later, strict=True):
        found[:] = moved(one, -by)
    fitted = fit(generator, whitener, earlier, theta, iterations)
    power = _power(whitened)
    left = fitted.left + power - _power(earlier)
    likeness = np.sqrt(np.maximum(0.0, power - left) / np.maximum(power, 1e-30))
    return replace(fitted, left=left, likeness=likeness)


def _power(waveforms: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.einsum("utc,utc->u", waveforms, waveforms, dtype=np.float64)


def moved(waveform: NDArray[np.float32], later: int) -> NDArray[np.float32]:
    """A waveform (samples, channels) some whole samples later, silence where nothing is known."""
    found = np.zeros_like(waveform)
    if later >= 0:
        found[later:] = waveform[: len(waveform) - later]
    else:
        found[:later] = waveform[-later:]
    return found
