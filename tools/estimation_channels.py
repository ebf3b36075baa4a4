"""Channels of a recording that are left out of its averages: those that the live watch flags most of the time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..stream.geometry import Geometry
from ..stream.watch import GOOD, REASONS, ChannelWatch

BAD_SHARE = 0.5  # of the recording


def bad_channels(
    raw: NDArray[np.float32], filtered: NDArray[np.float32], fs_hz: float, geometry: Geometry
) -> NDArray[np.int64]:
    """What each channel is over more than half of the recording: GOOD, or what is wrong with it most often.

    Parameters
    ----------
    raw, filtered : ndarray of float32, shape (samples, channels), uV
    fs_hz : float
    geometry : Geometry

    Returns
    -------
    ndarray of int64, shape (channels,)
        As `stream.watch` numbers them.
    """
    watch = ChannelWatch(fs_hz, geometry.neighbours())
    raw = np.ascontiguousarray(raw, np.float32)
    count = np.zeros((len(REASONS), len(geometry)), np.int64)
    for first in range(0, len(raw) - watch.stretch + 1, watch.stretch):
        watch.forgive()
        watch(raw[first : first + watch.stretch], filtered[first : first + watch.stretch])
        count[watch.state, np.arange(len(geometry))] += 1
    flagged = count.sum(axis=0) - count[GOOD]
    count[GOOD] = 0
    return np.where(flagged > BAD_SHARE * max(1, len(raw) // watch.stretch), count.argmax(axis=0), GOOD)
