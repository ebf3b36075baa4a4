"""Causal filtering with state: second-order sections over all channels, sample by sample.

The recursion runs in float64 and is the same arithmetic for any division of the samples into blocks, so a filtered
sample does not depend on the hop.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit("void(float32[:, ::1], float64[:, ::1], float64[:, :, ::1], float64[::1])", cache=True, nogil=True)
def _filter_kernel(block, sections, state, row):  # type: ignore[no-untyped-def]
    samples, channels = block.shape
    for t in range(samples):
        for c in range(channels):
            row[c] = block[t, c]
        for s in range(sections.shape[0]):
            b0, b1, b2 = sections[s, 0], sections[s, 1], sections[s, 2]
            a1, a2 = sections[s, 4], sections[s, 5]
            for c in range(channels):
                x = row[c]
                y = b0 * x + state[s, 0, c]
                state[s, 0, c] = b1 * x - a1 * y + state[s, 1, c]
                state[s, 1, c] = b2 * x - a2 * y
                row[c] = y
        for c in range(channels):
            block[t, c] = row[c]


def filter_reference(
    block: NDArray[np.float32], sections: NDArray[np.float64], state: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The definition the kernel is held to: transposed direct form II, one section after the other.

    Parameters
    ----------
    block : ndarray of float32, shape (samples, channels), uV
    sections : ndarray of float64, shape (sections, 6)
    state : ndarray of float64, shape (sections, 2, channels)

    Returns
    -------
    filtered : ndarray of float32, shape (samples, channels), uV
    state : ndarray of float64, shape (sections, 2, channels)
    """
    state = state.copy()
    signal = block.astype(np.float64)
    for s, (b0, b1, b2, _, a1, a2) in enumerate(sections):
        filtered = np.empty_like(signal)
        for t, x in enumerate(signal):
            y = b0 * x + state[s, 0]
            state[s, 0] = b1 * x - a1 * y + state[s, 1]
            state[s, 1] = b2 * x - a2 * y
            filtered[t] = y
        signal = filtered
    return signal.astype(np.float32), state


class CausalFilter:
    """Filters blocks in place and carries its state from one to the next.

    After `reset`, the next sample is taken as what every channel had always been, so that an electrode offset makes
    no transient.

    Parameters
    ----------
    sections : sequence of 6 numbers each
        Second-order sections b0 b1 b2 a0 a1 a2 with a0 = 1.
    channels : int
    """

    def __init__(self, sections: list[list[float]] | NDArray[np.float64], channels: int) -> None:
        self._sections = np.ascontiguousarray(sections, dtype=np.float64).reshape(-1, 6)
        self._state = np.zeros((len(self._sections), 2, channels))
        self._row = np.zeros(channels)
        self._steady = _steady_state(self._sections)  # (sections, 2) for a constant input of 1
        self._fresh = True

    def reset(self) -> None:
        """Forget the past: before the first sample and after a gap."""
        self._fresh = True

    def __call__(self, block: NDArray[np.float32]) -> None:
        """Filter `block`, float32 (samples, channels), in place."""
        if self._fresh and len(block):
            np.multiply(self._steady[:, :, None], block[0], out=self._state)
            self._fresh = False
        _filter_kernel(block, self._sections, self._state, self._row)


def _steady_state(sections: NDArray[np.float64]) -> NDArray[np.float64]:
    """State of every section after a constant input of 1 has gone on for ever, shape (sections, 2)."""
    steady = np.zeros((len(sections), 2))
    level = 1.0
    for s, (b0, b1, b2, _, a1, a2) in enumerate(sections):
        output = level * (b0 + b1 + b2) / (1.0 + a1 + a2)
        steady[s] = output - b0 * level, b2 * level - a2 * output
        level = output
    return steady
