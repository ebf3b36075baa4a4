"""The motor-unit pool of Fuglevand, Winter & Patla 1993: recruitment, rate coding, sizes and twitches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LINEAR_BELOW = 0.4  # contraction time over interval up to which twitches add up linearly
EXCITATIONS = 4001  # nodes on which force is inverted


@dataclass(frozen=True)
class PoolSettings:
    """Figures of the pool; the defaults are those of Fuglevand et al. 1993.

    Parameters
    ----------
    units : int
    threshold_range : float
        Recruitment threshold of the last unit over that of the first.
    gain : float
        Rise of the discharge rate with excitation, pulses/s.
    least_rate_hz : float
        At recruitment.
    first_peak_hz, peak_drop_hz : float
        Peak rate of the first unit; how much lower that of the last one is.
    twitch_range : float
        Twitch force of the last unit over that of the first; sizes follow it.
    contraction_range : float
        Contraction time of the slowest unit over that of the fastest.
    slowest_contraction_ms : float
    fewest_fibres : int
        Of the smallest unit; the largest one has `twitch_range` times as many.
    """

    units: int = 100
    threshold_range: float = 30.0
    gain: float = 1.0
    least_rate_hz: float = 8.0
    first_peak_hz: float = 35.0
    peak_drop_hz: float = 10.0
    twitch_range: float = 100.0
    contraction_range: float = 3.0
    slowest_contraction_ms: float = 90.0
    fewest_fibres: int = 15


class Pool:
    """A pool of motor units, from the first recruited to the last.

    Parameters
    ----------
    settings : PoolSettings

    Attributes
    ----------
    threshold : ndarray, shape (units,)
        Excitation at which each unit is recruited: exp(ln(range) i / n), i from 1.
    peak_rate_hz : ndarray, shape (units,)
        Falls with the threshold.
    twitch : ndarray, shape (units,)
        Peak force of a single twitch, relative to 1 below the smallest: exp(ln(range) i / n).
    contraction_ms : ndarray, shape (units,)
        From the discharge to the twitch's peak: 90 ms P^(-1/c), c = ln(100) / ln(3).
    fibres : ndarray of int64, shape (units,)
        In proportion to the twitch.
    """

    def __init__(self, settings: PoolSettings | None = None) -> None:
        self.settings = s = settings or PoolSettings()
        if s.units < 1:
            raise ValueError(f"a pool of {s.units} units: it needs at least one")
        rank = np.arange(1, s.units + 1) / s.units
        self.threshold: Floats = np.exp(np.log(s.threshold_range) * rank)
        self.peak_rate_hz: Floats = s.first_peak_hz - s.peak_drop_hz * self.threshold / self.threshold[-1]
        self.twitch: Floats = np.exp(np.log(s.twitch_range) * rank)
        exponent = np.log(s.contraction_range) / np.log(s.twitch_range)
        self.contraction_ms: Floats = s.slowest_contraction_ms * self.twitch**-exponent
        self.fibres: NDArray[np.int64] = np.round(s.fewest_fibres * self.twitch).astype(np.int64)

    def __len__(self) -> int:
        return self.settings.units

    @property
    def full_excitation(self) -> float:
        """At which the last unit reaches its peak rate."""
        s = self.settings
        return float(np.max(self.threshold + (self.peak_rate_hz - s.least_rate_hz) / s.gain))

    def rate_of(self, unit: int, excitation: Floats) -> Floats:
        """Discharge rate of one unit, pulses/s, in the shape of `excitation`; 0 where it is not recruited."""
        s = self.settings
        rate = np.minimum(self.peak_rate_hz[unit], s.least_rate_hz + s.gain * (excitation - self.threshold[unit]))
        return np.where(excitation >= self.threshold[unit], rate, 0.0)

    def rate_hz(self, excitation: Floats) -> Floats:
        """Discharge rate of every unit, pulses/s, shape (units, *excitation.shape)."""
        return np.stack([self.rate_of(unit, excitation) for unit in range(len(self))])

    def steady_force(self, excitation: Floats) -> Floats:
        """Mean force held at constant excitation, % of maximum, shape (excitations,)."""
        return 100.0 * self._raw_force(np.asarray(excitation)) / self.full_force

    @property
    def full_force(self) -> float:
        """Mean force at full excitation, in twitches of size 1."""
        return float(self._raw_force(np.array([self.full_excitation]))[0])

    def _raw_force(self, excitation: Floats) -> Floats:
        rate = self.rate_hz(excitation)  # (units, excitations)
        interval_ratio = self.contraction_ms[:, None] * rate / 1000.0
        # A twitch t/T e^(1 - t/T) has the area T e.
        area = self.twitch[:, None] * np.e * interval_ratio * twitch_gain(interval_ratio)
        result: Floats = area.sum(0)  # (excitations,)
        return result

    def excitation_for(self, force: Floats) -> Floats:
        """Excitation that holds each force, % of maximum; 0 at rest. The inverse of `steady_force`."""
        nodes = np.linspace(self.threshold[0], self.full_excitation, EXCITATIONS)
        excitation = np.interp(force, self.steady_force(nodes), nodes)
        return np.where(np.asarray(force) > 0.0, excitation, 0.0)

    def threshold_force(self) -> Floats:
        """Force at which each unit is recruited, % of maximum, shape (units,): that of the units before it."""
        return self.steady_force(self.threshold - 1e-9)


def twitch_gain(interval_ratio: Floats) -> Floats:
    """What is left of a twitch when others precede it closely, Fuglevand et al. 1993.

    S(x) / x over its value at 0.4, with S(x) = 1 - exp(-2 x^3) and x the contraction time over the interval; 1 below.
    """
    x = np.maximum(interval_ratio, LINEAR_BELOW)
    below: float = -np.expm1(-2.0 * LINEAR_BELOW**3) / LINEAR_BELOW
    result: Floats = -np.expm1(-2.0 * x**3) / x / below
    return result
