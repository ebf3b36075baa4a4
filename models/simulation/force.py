"""The force that the twitches of all discharges add up to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from .pool import Pool, twitch_gain


def twitch_force(pool: Pool, trains: Sequence[NDArray[np.int64]], samples: int, fs_hz: float) -> NDArray[np.float64]:
    """Force over time, % of the maximum that the pool holds at full excitation.

    Each discharge adds a twitch g P t/T e^(1 - t/T); its gain g falls with the interval before it (Fuglevand et al.
    1993).

    Parameters
    ----------
    pool : Pool
    trains : sequence of ndarray of int64
        Discharges of each unit of the pool, in samples.
    samples : int
    fs_hz : float

    Returns
    -------
    ndarray of float64, shape (samples,), % of maximum
    """
    force = np.zeros(samples)
    for train, twitch, contraction_ms in zip(trains, pool.twitch, pool.contraction_ms, strict=True):
        if len(train):
            interval_ms = np.diff(train, prepend=-(10**9)) * (1000.0 / fs_hz)  # nothing before the first
            impulses = np.zeros(samples)
            impulses[train] = twitch * twitch_gain(contraction_ms / interval_ms)
            step = 1000.0 / fs_hz / contraction_ms
            decay = np.exp(-step)
            # t/T e^(1 - t/T) on samples, as the two equal poles it is
            force += scipy.signal.lfilter([0.0, np.e * step * decay], [1.0, -2.0 * decay, decay**2], impulses)
    return 100.0 * force / pool.full_force
