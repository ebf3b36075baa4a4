"""Who is compared in the table of accuracies, and what each says of a set of units."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stream.parameter_file import ParameterFile, misfit
from .bench_params_sets import Ranges, UnitSet, zone_range_mm
from .estimation_methods import FOUR, Answer, by_classical, by_encoder, by_physics

NINETY = 1.645  # standard deviations on either side of a 90 % interval


@dataclass(frozen=True)
class Estimates:
    """What was said of every unit; NaN where nothing was.

    Attributes
    ----------
    iz_mm, iz_sd_mm, cv_m_s, cv_sd_m_s : ndarray of float64, shape (units,)
    seconds : float
        That it took for all, from the waveforms on, all preparations included.
    """

    iz_mm: NDArray[np.float64]
    iz_sd_mm: NDArray[np.float64]
    cv_m_s: NDArray[np.float64]
    cv_sd_m_s: NDArray[np.float64]
    seconds: float


Progress = Callable[[float], None]
Estimator = Callable[[UnitSet, Progress], "Estimates | None"]


def physics(file: ParameterFile | None = None) -> Estimator:
    """What `estimate` does by default: the physics inverted, from the parameter model's guesses where there is one."""

    def estimate(units: UnitSet, progress: Progress = lambda share: None) -> Estimates | None:
        return _timed(lambda: by_physics(units.averages, units.array, progress, file))

    return estimate


def encoder(file: ParameterFile) -> Estimator:
    """The parameter model alone, as it runs live; None for an array that it does not fit."""

    def estimate(units: UnitSet, progress: Progress = lambda share: None) -> Estimates | None:
        where = units.array
        if misfit(file.info, where.fs_hz, where.geometry, where.filter, where.montage) is not None:
            return None
        return _timed(lambda: by_encoder(units.averages, where, file))

    return estimate


def classical(units: UnitSet, progress: Progress = lambda share: None) -> Estimates:
    """The place where propagation reverses, and maximum-likelihood conduction velocity."""
    return _timed(lambda: [by_classical(average, units.array) for average in units.averages])


def constant(units: UnitSet, progress: Progress = lambda share: None) -> Estimates:
    """The middle of what the table draws from, with an interval that holds the middle 90 % of it."""
    columns = []
    for low, high in (zone_range_mm(units.array.geometry), Ranges().cv_m_s):
        columns += [np.full(len(units), (low + high) / 2.0), np.full(len(units), 0.9 * (high - low) / 2.0 / NINETY)]
    return Estimates(*columns, 0.0)


def _timed(answer: Callable[[], list[Answer]]) -> Estimates:
    began = time.perf_counter()
    answers = answer()
    seconds = time.perf_counter() - began
    return Estimates(*(_column(answers, name) for name in FOUR), seconds)


def _column(answers: list[Answer], name: str) -> NDArray[np.float64]:
    """One value of every answer, NaN for None."""
    values = [one.values[name] for one in answers]
    return np.array([np.nan if value is None else value for value in values], np.float64)
