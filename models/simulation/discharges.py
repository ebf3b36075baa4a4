"""When each unit fires: a renewal process whose clock runs at the unit's discharge rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

MOST_DEVIATION = 3.0  # standard deviations at which an interval's variation is cut off


@dataclass(frozen=True)
class FiringSettings:
    """How regularly units fire.

    Parameters
    ----------
    isi_cov : tuple of float
        Range of the coefficient of variation of inter-spike intervals, drawn for each unit.
    refractory_ms : float
        No interval is shorter.
    """

    isi_cov: tuple[float, float] = (0.15, 0.2)
    refractory_ms: float = 10.0


def discharge(
    rate_hz: NDArray[np.float64], fs_hz: float, cov: float, refractory_ms: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Samples at which one unit fires.

    The integral of the rate is the unit's clock; intervals are normal on it, with mean 1 and standard deviation
    `cov`. The clock's start is uniform in an interval, so that units recruited together do not fire together.

    Parameters
    ----------
    rate_hz : ndarray of float64, shape (samples,), pulses/s
    fs_hz : float
    cov : float
        Coefficient of variation of the intervals at constant rate.
    refractory_ms : float
        A discharge that would come sooner after the last waits until then.
    rng : Generator

    Returns
    -------
    ndarray of int64, shape (discharges,)
        In order.
    """
    most = int(rate_hz.sum() / fs_hz / max(1.0 - MOST_DEVIATION * cov, 0.1)) + 2
    lengths = 1.0 + cov * rng.standard_normal(most).clip(-MOST_DEVIATION, MOST_DEVIATION)
    lengths[0] *= rng.random()
    shortest = int(np.ceil(refractory_ms * fs_hz / 1000.0))
    return _discharge(np.ascontiguousarray(rate_hz), fs_hz, lengths, shortest)


@njit(cache=True, nogil=True)
def _discharge(rate_hz, fs_hz, lengths, shortest):
    found = np.empty(len(lengths), np.int64)
    count, clock, last = 0, 0.0, -shortest
    for sample in range(len(rate_hz)):
        clock += rate_hz[sample] / fs_hz
        if count < len(lengths) and clock >= lengths[count] and sample - last >= shortest and rate_hz[sample] > 0.0:
            clock = max(0.0, min(clock - lengths[count], rate_hz[sample] / fs_hz))
            found[count] = last = sample
            count += 1
    return found[:count].copy()
