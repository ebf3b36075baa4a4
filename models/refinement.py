"""Better spike trains of known units: each is detected again with all the others taken out of the EMG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .candidates import sources_of
from .extension import project
from .firing import Firing, judge
from .freezing import best_lag
from .peeling import add_response
from .whitening import Whitening


def detect_again(
    whitened: NDArray[np.float32],
    whitening: Whitening,
    units: Sequence[Firing],
    shapes: NDArray[np.float32],
    *,
    before: int,
    extension: int,
    fs_hz: float,
    refractory_s: float,
) -> list[Firing]:
    """Run each unit's matched filter over the residual with the unit's own waveforms put back.

    The filter is ``C+ a`` with the covariance of the residual: what the other units explain is neither in the
    signal nor counted as noise, so weak units are seen as if they fired alone.

    Parameters
    ----------
    whitened : ndarray of float32, shape (samples, rank)
        The residual, extended and whitened.
    whitening : Whitening
        Fitted to the residual.
    units : sequence of Firing
        Their spikes are those whose waveforms were subtracted.
    shapes : ndarray of float32, shape (units, window, channels)
        The waveforms, starting `before` samples before the discharge.
    before, extension : int
    fs_hz, refractory_s : float

    Returns
    -------
    list of Firing, one per unit
    """
    channels = shapes.shape[2]
    reach = min(before - extension + 1, shapes.shape[1] - before - 1)
    means = []
    for shape in shapes:
        around = shape[before - extension + 1 - reach : before + reach + 1]
        lag = best_lag(around, whitening, extension, reach)
        means.append(around[reach + lag : reach + lag + extension][::-1].reshape(-1))
    vectors = whitening.matrix.T @ np.stack(means, axis=1)  # (rank, units)
    filters = whitening.matrix @ vectors
    firings = []
    for index, source in enumerate(sources_of(whitened, vectors)):
        tail = np.zeros((extension - 1, channels), np.float32)  # the filter answers until it has left the waveform
        response = project(np.concatenate([shapes[index], tail]), filters[:, index : index + 1], extension)[:, 0]
        add_response(source, units[index].spikes, response, before)
        firings.append(judge(source, fs_hz, refractory_s))
    return firings
