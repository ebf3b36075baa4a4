"""What could be recovered if the true waveforms were known: by linear filters, and by successive cancellation.

Neither is a separation: they say how much of a muscle a method can get out of its EMG that has to find the waveforms
as well. Good waveforms buy units by being subtracted: the second is above the first wherever there is noise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ..models.extension import extended_covariance, project
from ..models.firing import Firing, FiringLimits, judge
from ..models.peeling import subtract
from .bench_bmiss_world import World

ROUNDS = 6
USUAL_S = 20.0  # of recording that the limits' least number of discharges is meant for
MANY_CHANNELS, LAGS_OF_MANY, LAGS_OF_FEW = 100, 10, 20
RIDGE = 1e-8  # of the EMG's mean power: without noise the covariance has no inverse, and what remains is rounding
LAG_STEP = 3  # samples between the lags that are tried first
SOLVED_AT_ONCE = 1000  # columns

Train = NDArray[np.int64]


def ceiling_extension(channels: int) -> int:
    """Lags of the filters: 10 of many channels, 20 of few, with which few recover more."""
    return LAGS_OF_MANY if channels >= MANY_CHANNELS else LAGS_OF_FEW


def linear_ceiling(world: World, extension: int | None = None) -> list[Train]:
    """Trains of every unit by the filter ``C+ a``, `a` its true extended waveform at the lag that answers most.

    Parameters
    ----------
    world : World
    extension : int, optional
        Lags; by default `ceiling_extension`.

    Returns
    -------
    list of ndarray of int64, samples
        By true unit, when the unit discharges.
    """
    emg, shapes = _scaled(world)
    lags, judged = _detected(emg, shapes, extension or ceiling_extension(emg.shape[1]), world.fs_hz)
    return _discharges(judged, lags, world)


def cancellation_ceiling(world: World, extension: int | None = None) -> list[Train]:
    """Trains of every unit by successive cancellation with true waveforms.

    Detect with the filters of `linear_ceiling`; units of SIL > 0.9 that fire as one unit can are subtracted and keep
    their train. What is left has a covariance of its own, with which the others are detected again, until a round
    brings nothing new. A unit that is never subtracted has the train of the last round.
    """
    left, shapes = _scaled(world)
    extension = extension or ceiling_extension(left.shape[1])
    limits = FiringLimits()
    limits = replace(limits, min_discharges=round(limits.min_discharges * min(1.0, len(left) / world.fs_hz / USUAL_S)))
    trains: list[Train] = [np.zeros(0, np.int64)] * len(shapes)
    waiting = np.arange(len(shapes))
    for _ in range(ROUNDS):
        lags, judged = _detected(left, shapes[waiting], extension, world.fs_hz)
        for place, train in zip(waiting, _discharges(judged, lags, world), strict=True):
            trains[place] = train
        good = np.array([one.meets(limits) for one in judged], bool)
        left = subtract(left, [trains[place] for place in waiting[good]], shapes[waiting[good]], world.before)
        waiting = waiting[~good]
        if not good.any() or not len(waiting):
            break
    return trains


def _scaled(world: World) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """EMG (samples, channels) of unit power, and the waveforms (units, window, channels) on its scale."""
    scale = np.float32(world.emg.std())
    return world.emg / scale, np.ascontiguousarray(world.waveforms.transpose(0, 2, 1)) / scale


def _detected(
    emg: NDArray[np.float32], shapes: NDArray[np.float32], extension: int, fs_hz: float
) -> tuple[NDArray[np.int64], list[Firing]]:
    """Lags from a waveform's first sample to the source's peak, and what the sources say, of every unit."""
    covariance = extended_covariance(emg.astype(np.float64), extension)  # rounding would own its small eigenvalues
    covariance.flat[:: len(covariance) + 1] += RIDGE
    factor = scipy.linalg.cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    coarse = np.arange(extension - 1, shapes.shape[1], LAG_STEP)
    lags, filters = _best(factor, shapes, np.broadcast_to(coarse, (len(shapes), len(coarse))), extension)
    near = np.clip(lags[:, None] + np.arange(1 - LAG_STEP, LAG_STEP), extension - 1, shapes.shape[1] - 1)
    lags, filters = _best(factor, shapes, near, extension)
    sources = np.ascontiguousarray(project(emg, filters, extension).T)  # (units, samples)
    return lags, [judge(source, fs_hz) for source in sources]


def _best(
    factor: tuple[NDArray[np.float64], bool], shapes: NDArray[np.float32], lags: NDArray[np.int64], extension: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of the lags (units, tried) the one with the largest answer ``a' C+ a``, and its filter, (extended, units)."""
    units, tried = lags.shape
    best, filters = np.zeros(units, np.int64), np.zeros((extension * shapes.shape[2], units), np.float32)
    at_once = max(1, SOLVED_AT_ONCE // tried)
    for start in range(0, units, at_once):
        part = range(start, min(start + at_once, units))
        stacked = np.stack(
            [shapes[unit, lag - extension + 1 : lag + 1][::-1].ravel() for unit in part for lag in lags[unit]], axis=1
        )  # (extended, part's units x tried)
        solved = scipy.linalg.cho_solve(factor, stacked, check_finite=False)
        answer = np.einsum("ec,ec->c", stacked, solved).reshape(len(part), tried)
        chosen = answer.argmax(axis=1)
        best[start : start + len(part)] = lags[np.array(part), chosen]
        filters[:, start : start + len(part)] = solved[:, np.arange(len(part)) * tried + chosen]
    return best, filters


def _discharges(judged: list[Firing], lags: NDArray[np.int64], world: World) -> list[Train]:
    """From peaks of the sources to when the units discharged, within the recording."""
    trains = [one.spikes - lag + world.before for one, lag in zip(judged, lags, strict=True)]
    return [train[(train >= 0) & (train < len(world.emg))] for train in trains]
