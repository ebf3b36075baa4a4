"""Units that blind separation finds: the strong ones, which hide the others and are in each other's way.

A unit much stronger than what surrounds it is what the EMG is whitened by, so that it is no longer seen for what it is.
Blind separation finds it all the same; once its waveform is taken out, what is left can be whitened, and the parameters
fitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..candidates import search
from ..contrast import SKEW
from ..duplicates import is_new
from ..extension import default_extension, project
from ..firing import Firing
from ..peeling import subtract, waveforms
from ..separation import SearchSettings
from ..whitening import fit_whitening
from .candidates import Candidate
from .generator import Generator
from .prewhitening import RIDGE, Prewhitener
from .restart import Dictionary
from .settings import BmissSettings

USUAL = SearchSettings()
RESTARTS, ITERATIONS = 4, 10


def blind_search(
    left: NDArray[np.float32],
    generator: Generator,
    entries: NDArray[np.float64],
    known: list[NDArray[np.int64]],
    settings: BmissSettings,
    fs_hz: float,
) -> list[Candidate]:
    """Units that separation vectors of no model find, with the parameters that come closest to their waveforms.

    Parameters
    ----------
    left : ndarray of float32, shape (samples, channels)
        What is left of part of an array.
    generator : Generator
        Over these channels.
    entries : ndarray of float64, shape (entries, parameters)
        Points of its space to begin the fits from.
    known : list of ndarray of int64, samples
        Discharges of units that are not new.
    settings : BmissSettings
    fs_hz : float
    """
    firings = [one for one in _separated(left, settings, fs_hz) if is_new(one.spikes, known, fs_hz)]
    trains = [one.spikes for one in firings]
    for last in (False, True) if trains else ():
        before, after = generator.fires_at, generator.samples - generator.fires_at
        measured = waveforms(left, trains, before, after)
        whitener = Prewhitener.of(subtract(left, trains, measured, before), settings.lags, RIDGE)
        dictionary = Dictionary(generator, whitener, entries, fs_hz)
        white = whitener.waveforms(measured)
        if last:
            fitted, later = dictionary.fit(white, RESTARTS, ITERATIONS)
        else:
            later = dictionary.closest(white, 1)[1][:, 0]
        trains = [_moved(train, by, len(left)) for train, by in zip(trains, later, strict=True)]
    return [
        Candidate(fitted.theta[i], float(fitted.gain[i]), float(fitted.likeness[i]), firings[i].at(train))
        for i, train in enumerate(trains)
    ]


def _separated(left: NDArray[np.float32], settings: BmissSettings, fs_hz: float) -> list[Firing]:
    """Spike trains of one round of blind separation, the credible ones."""
    extension = default_extension(left.shape[1])
    whitening = fit_whitening(left, extension, USUAL.max_rank)
    found = search(
        project(left, whitening.matrix, extension), SKEW, fs_hz=fs_hz, starts=settings.blind,
        iterations=USUAL.iterations, active_share=USUAL.active_share, cap=USUAL.cap, refinements=USUAL.refinements,
        refractory_s=settings.limits.refractory_s,
    )  # fmt: skip
    return [one for one in found if one.meets(settings.limits, USUAL.search_sil)]


def _moved(train: NDArray[np.int64], later: int, samples: int) -> NDArray[np.int64]:
    return train[(train + later >= 0) & (train + later < samples)] + later
