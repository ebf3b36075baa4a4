"""Whitening as a stage of its own: extended samples to uncorrelated ones of unit variance.

For a decoder that does not change, whitening is folded into the filters (``filters = whitening @
separation_vectors``), which costs a fiftieth. The stage is for decoders whose whitening is updated while they run.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(
    "void(float32[:, ::1], float32[:, ::1], boolean[::1], float32[:, ::1])",
    cache=True,
    nogil=True,
    fastmath={"contract"},
)
def _whiten_kernel(window, whitening, out, whitened):  # type: ignore[no-untyped-def]
    block, width = window.shape
    rank = whitening.shape[1]
    whitened[:, :] = 0.0
    for k in range(width):
        if out[k]:
            continue
        for i in range(block):
            x = window[i, k]
            for j in range(rank):
                whitened[i, j] += x * whitening[k, j]


def whiten_reference(window: NDArray[np.float32], whitening: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whitened samples, shape (samples, rank), of extended ones, shape (samples, lags * channels), uV."""
    return (window.astype(np.float64) @ whitening.astype(np.float64)).astype(np.float32)


class Whitener:
    """The whitening stage.

    Parameters
    ----------
    whitening : ndarray of float32, shape (lags * channels, rank), 1/uV
    out : ndarray of float32, shape (block, rank)
        Where the whitened block is written: the decoder's input.

    Attributes
    ----------
    window : ndarray of float32, shape (block, lags * channels), uV
        The stage's input, filled by the windower.
    """

    def __init__(self, whitening: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        self.whitening = np.ascontiguousarray(whitening, np.float32).copy()
        self.window = np.zeros((len(out), len(whitening)), np.float32)
        self._left_out = np.zeros(len(whitening), np.bool_)
        self._out = out

    def without(self, rows: NDArray[np.bool_], out: NDArray[np.float32]) -> Whitener:
        """The same stage, which takes the rows `rows`, bool (lags * channels,), as zero, with a window of its own."""
        other = copy(self)
        other.window = np.zeros((len(out), len(self.whitening)), np.float32)
        other._left_out = rows
        other._out = out
        return other

    def __call__(self) -> None:
        _whiten_kernel(self.window, self.whitening, self._left_out, self._out)
