"""Better spike trains of known units: each is detected again with all the others taken out of the EMG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .extension import extended_covariance, project
from .firing import Firing, judge
from .peeling import add_response


def detect_again(
    residual: NDArray[np.float32],
    units: Sequence[Firing],
    shapes: NDArray[np.float32],
    *,
    before: int,
    extension: int,
    ridge: float,
    fs_hz: float,
    refractory_s: float,
) -> list[Firing]:
    """Run each unit's matched filter over the residual with the unit's own waveforms put back.

    The filter is ``(C + ridge)^-1 a`` with the covariance of the residual: what the other units explain is neither
    in the signal nor counted as noise, so weak units are seen as if they fired alone.

    Parameters
    ----------
    residual : ndarray of float32, shape (samples, channels)
        The EMG without the units' waveforms.
    units : sequence of Firing
        Their spikes are those whose waveforms were subtracted.
    shapes : ndarray of float32, shape (units, window, channels)
        The waveforms, starting `before` samples before the discharge.
    before, extension : int
    ridge : float
        The noise level: the mean of the smaller half of the covariance's eigenvalues. A ridge well above it costs
        a real recording a tenth of its discharges.
    fs_hz, refractory_s : float

    Returns
    -------
    list of Firing, one per unit
    """
    covariance = extended_covariance(residual, extension)
    covariance.flat[:: len(covariance) + 1] += ridge
    factor = scipy.linalg.cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    reach = min(extension // 2, before - extension + 1, shapes.shape[1] - before - 1)
    lags = range(before - reach, before + reach + 1)
    filters = []
    for shape in shapes:
        means = np.stack([shape[lag - extension + 1 : lag + 1][::-1].reshape(-1) for lag in lags], axis=1)
        answers = scipy.linalg.cho_solve(factor, means, check_finite=False)  # (extended, lags)
        filters.append(answers[:, np.argmax(np.sum(means * answers, axis=0))])
    filters = np.stack(filters, axis=1).astype(np.float32)
    firings = []
    for index, source in enumerate(np.ascontiguousarray(project(residual, filters, extension).T)):
        tail = np.zeros((extension - 1, residual.shape[1]), np.float32)  # until the waveform has left the filter
        response = project(np.concatenate([shapes[index], tail]), filters[:, index : index + 1], extension)[:, 0]
        add_response(source, units[index].spikes, response, before)
        firings.append(judge(source, fs_hz, refractory_s))
    return firings
