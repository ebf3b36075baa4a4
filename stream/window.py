"""Extension: every sample stacked over the ones before it, in blocks anchored to the sample count.

The decoder graph takes a fixed block of ``BLOCK`` extended samples. Which row of which block a sample falls in
depends only on how many samples came since the last reset, never on the hop, so the sources are the same to the bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit("void(float32[:, ::1], int64, int64, float32[:, ::1])", cache=True, nogil=True)
def _extend_kernel(recent, first, last, window):  # type: ignore[no-untyped-def]
    width = window.shape[1]
    channels = recent.shape[1]
    lags = width // channels
    for i in range(first, last):
        for lag in range(lags):
            row = i + lags - 1 - lag
            for c in range(channels):
                window[i, lag * channels + c] = recent[row, c]


def extend_reference(signal: NDArray[np.float32], lags: int) -> NDArray[np.float32]:
    """Extend a whole signal; samples before the first are zero.

    Parameters
    ----------
    signal : ndarray of float32, shape (samples, channels), uV
    lags : int

    Returns
    -------
    ndarray of float32, shape (samples, lags * channels), uV
        Lag-major: columns [0, channels) are lag 0.
    """
    samples, channels = signal.shape
    padded = np.vstack([np.zeros((lags - 1, channels), np.float32), signal])
    return np.hstack([padded[lags - 1 - lag : lags - 1 - lag + samples] for lag in range(lags)])


class Windower:
    """Fills the rows of the decoder's window, block by block.

    Parameters
    ----------
    window : ndarray of float32, shape (block, lags * channels)
        The decoder's input; rows are written here.
    channels : int
    """

    def __init__(self, window: NDArray[np.float32], channels: int) -> None:
        self._window = window
        self._block = len(window)
        self._lags = window.shape[1] // channels
        self._recent = np.zeros((self._lags - 1 + self._block, channels), np.float32)
        self._filled = 0

    def reset(self) -> None:
        """Forget the past, and anchor the next block at the next sample."""
        self._recent[:] = 0.0
        self._filled = 0

    @property
    def between_blocks(self) -> bool:
        """Whether the next sample begins a block."""
        return self._filled in (0, self._block)

    def turn_to(self, window: NDArray[np.float32]) -> None:
        """Fill another window of the same shape from the next sample on, which begins a block."""
        self._window = window

    def take(self, signal: NDArray[np.float32]) -> tuple[int, int]:
        """Take as many of `signal`'s samples as the current block has room for.

        Parameters
        ----------
        signal : ndarray of float32, shape (samples, channels), uV

        Returns
        -------
        first, last : int
            The rows of the window that are new.
        """
        if self._filled == self._block:
            self._recent[: self._lags - 1] = self._recent[self._block :]
            self._filled = 0
        first = self._filled
        last = min(self._block, first + len(signal))
        self._recent[self._lags - 1 + first : self._lags - 1 + last] = signal[: last - first]
        _extend_kernel(self._recent, first, last, self._window)
        self._filled = last
        return first, last
