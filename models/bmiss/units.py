"""The units found so far: parameters, waveforms and discharges, and how they explain the EMG together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from ..duplicates import distinct
from ..extension import window_means
from ..firing import Firing, judge
from ..peeling import subtract
from .correlation import answers, cross_answers
from .fit import Fitted, delayed, fit, shapes, unexplained
from .generator import BOTH_ENDS, MOVES, Generator
from .prewhitening import RIDGE, Prewhitener
from .proposals import latin_hypercube
from .pursuit import Pursuit
from .restart import Dictionary, fit_later
from .settings import BmissSettings
from .tiles import Tile, tile_of, tiles

Train = NDArray[np.int64]
LATERAL = "lateral_mm"
EXCHANGE_S, KNOT_S = 0.01, 0.0075  # reach of an exchange, and half the length of a knot
JOINT_FIT_ITERATIONS, RESTART_ITERATIONS = 3, 8
ENTRIES = 800  # of the dictionary that units left unexplained start anew from
MOST_RESTARTS = 2  # of a unit: what two have not mended is another physics
INSIDE = (0.3, 0.7)  # of a range, from where a parameter that may be in a wrong valley is fitted again
ENDS = {BOTH_ENDS, *MOVES[BOTH_ENDS]}  # waves at a fibre's ends are short: half a length further is another valley
LEAST_ASTRAY = 0.003  # of a waveform's power, left unexplained, from which the fit may be in a wrong valley
NOISE_FACTOR = 1.5  # of the noise expected in a mean waveform: what exceeds it by less is noise too


@dataclass(frozen=True)
class Units:
    """Units of a recording.

    Attributes
    ----------
    theta : ndarray of float64, shape (units, parameters)
    waveforms : ndarray of float32, shape (units, samples, channels), uV
        They begin `fires_at` samples before the discharge.
    trains : list of ndarray of int64, samples
        When each unit fires.
    misfit : ndarray of float64, shape (units,)
        Share of a waveform's power that the generator does not explain and noise does not either.
    restarted : ndarray of int64, shape (units,)
        Times that the fit was begun anew from elsewhere.
    """

    theta: NDArray[np.float64]
    waveforms: NDArray[np.float32]
    trains: list[Train]
    misfit: NDArray[np.float64]
    restarted: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.trains)

    def some(self, which: Sequence[int]) -> Units:
        """Of some of the units, in that order."""
        index = np.asarray(which, np.int64)
        trains = [self.trains[i] for i in index]
        return Units(self.theta[index], self.waveforms[index], trains, self.misfit[index], self.restarted[index])

    def as_new(self) -> Units:
        """The same, to be fitted from elsewhere once more where need be."""
        return replace(self, restarted=np.zeros_like(self.restarted))

    def __add__(self, other: Units) -> Units:
        if not len(other):
            return self
        return Units(
            np.concatenate([self.theta, other.theta]),
            np.concatenate([self.waveforms, other.waveforms]),
            self.trains + other.trains,
            np.concatenate([self.misfit, other.misfit]),
            np.concatenate([self.restarted, other.restarted]),
        )


class Muscle:
    """A recording and the generator of its units, whole and in parts.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels)
        Filtered, scaled to a mean square of 1.
    geometry : Geometry
    generator_of : callable
        The generator over some of the channels.
    settings : BmissSettings
    fs_hz : float
    """

    def __init__(
        self,
        emg: NDArray[np.float32],
        geometry: Geometry,
        generator_of: Callable[[NDArray[np.int64]], Generator],
        settings: BmissSettings,
        fs_hz: float,
    ) -> None:
        self.emg, self.settings, self.fs_hz = emg, settings, fs_hz
        self.whole = generator_of(np.arange(len(geometry)))
        self.tiles = (
            tiles(geometry) if LATERAL in self.whole.names else [Tile(np.arange(len(geometry)), -np.inf, np.inf)]
        )
        self.parts = [self.whole] if len(self.tiles) == 1 else [generator_of(tile.channels) for tile in self.tiles]
        self.refractory = max(1, round(settings.limits.refractory_s * fs_hz))
        self._asked, self._left = self.none(), emg

    def none(self) -> Units:
        """No units."""
        empty = np.zeros((0, self.whole.samples, self.emg.shape[1]), np.float32)
        return Units(np.zeros((0, len(self.whole.names))), empty, [], np.zeros(0), np.zeros(0, np.int64))

    def left_by(self, units: Units) -> NDArray[np.float32]:
        """What the units leave of the EMG; to be read only."""
        if units is not self._asked:  # what is left at a round's end is asked for again when the next begins
            self._asked, self._left = units, subtract(self.emg, units.trains, units.waveforms, self.whole.fires_at)
        return self._left

    def part(
        self, left: NDArray[np.float32], tile: Tile, ridge: float = 0.0
    ) -> tuple[Prewhitener, NDArray[np.float32]]:
        """Prewhitener of a part of the array, and what is left there, whitened; `ridge` as in `BmissSettings`."""
        here = np.ascontiguousarray(left[:, tile.channels])
        whitener = Prewhitener.of(here, self.settings.lags, RIDGE + ridge * float(np.mean(np.square(here))))
        return whitener, whitener(here)

    def new_units(self, theta: NDArray[np.float64], gain: NDArray[np.float64], trains: list[Train]) -> Units:
        """Units with the generator's waveforms."""
        if not trains:
            return self.none()
        none = np.zeros(len(gain))
        waveforms = shapes(self.whole, theta) * gain.astype(np.float32)[:, None, None]
        return Units(theta, waveforms, trains, none, none.astype(np.int64))

    def pursue(self, units: Units, penalties: Sequence[float], knots: bool) -> tuple[Units, Pursuit]:
        """Find all units' discharges anew, together."""
        for number, penalty in enumerate(penalties):
            left = self.left_by(units)
            whitener = Prewhitener.of(left, self.settings.lags, RIDGE)
            white = whitener.waveforms(units.waveforms)
            before = self.whole.fires_at + whitener.lags - 1
            pursuit = Pursuit(
                answers(whitener(left), white, before), cross_answers(white), units.trains, self.refractory
            )
            pursuit.sweep(penalty, 3)
            if knots and number == len(penalties) - 1:
                pursuit.exchange(penalty, round(EXCHANGE_S * self.fs_hz))
                pursuit.sweep(penalty, 1)
                for turn in range(2):
                    pursuit.rebuild(penalty, round(KNOT_S * self.fs_hz), self.settings.seed + turn)
            units = replace(units, trains=pursuit.trains)
        return units, pursuit

    def sources(self, pursuit: Pursuit) -> list[Firing]:
        """Each unit's answer with its own discharges put back, judged."""
        window = (pursuit.response.shape[2] + 1) // 2
        judged = []
        for unit, train in enumerate(pursuit.trains):
            own = np.pad(pursuit.left[unit], window)
            for instant in train:
                own[instant + 1 : instant + 2 * window] += pursuit.response[unit, unit]
            judged.append(judge(own[window:-window], self.fs_hz, self.settings.limits.refractory_s))
        return judged

    def refit(self, units: Units) -> Units:
        """Waveforms and parameters anew, from the discharges, each unit's with all others taken out."""
        left = self.left_by(units)
        fires_at, samples = self.whole.fires_at, self.whole.samples
        theta, delay, gain = units.theta.copy(), np.zeros(len(units)), np.zeros(len(units))
        restarted = units.restarted.copy()
        for tile, generator, mine in self._by_tile(units):
            whitener, white = self.part(left, tile)
            before = fires_at + whitener.lags - 1
            window = samples + whitener.lags - 1
            own = whitener.waveforms(np.ascontiguousarray(units.waveforms[mine][:, :, tile.channels]))
            means = np.stack([window_means(white, units.trains[unit], before, window - before) for unit in mine])
            count = np.array([max(1, len(units.trains[unit])) for unit in mine])
            may = restarted[mine] < MOST_RESTARTS
            fitted, later, anew = self._fit(generator, whitener, own + means, theta[mine], count, may)
            theta[mine], delay[mine], gain[mine] = fitted.theta, fitted.delay + later, fitted.gain
            restarted[mine] += anew
        later = np.round(delay)
        trains = [
            train[(train + d >= 0) & (train + d < len(left))] + d
            for train, d in zip(units.trains, later.astype(np.int64), strict=True)
        ]
        model = delayed(shapes(self.whole, theta), delay - later) * gain.astype(np.float32)[:, None, None]
        seen = np.stack([window_means(left, train, fires_at, samples - fires_at) for train in trains])
        seen -= seen.mean(axis=1, keepdims=True)  # a constant is seen by all windows, as often as they overlap
        # All units' windows overlap. Were all corrected by all that is left there, they would overshoot: the largest
        # eigenvalue of overlapping windows at random is (1 + sqrt(unknowns / samples))^2 (Marchenko and Pastur).
        seen /= 1.2 * (1.0 + np.sqrt(len(units) * samples / len(left))) ** 2
        seen += delayed(units.waveforms, -later)  # the mean waveform of each unit, as measured
        beyond = self._beyond_noise(seen - model, left, trains)
        power = np.einsum("utc,utc->u", model, model)
        misfit = np.einsum("utc,utc->u", beyond, beyond) / np.maximum(power, 1e-20)
        return Units(theta, model + beyond if self.settings.measured else model, trains, misfit, restarted)

    def _fit(
        self,
        generator: Generator,
        whitener: Prewhitener,
        whitened: NDArray[np.float32],
        theta: NDArray[np.float64],
        count: NDArray[np.int64],
        may: NDArray[np.bool_],
    ) -> tuple[Fitted, NDArray[np.int64], NDArray[np.bool_]]:
        """Fits, from where the units are and, for those that `may`, from elsewhere.

        Also whole samples by which the waveforms are later than the fits, and for which a second look was taken.
        """
        settings = self.settings
        fitted = fit(generator, whitener, whitened, theta, JOINT_FIT_ITERATIONS)
        later = np.zeros(len(theta), np.int64)
        if not settings.restarts:
            return fitted, later, np.zeros(len(theta), np.bool_)
        share = unexplained(fitted, whitened, count)
        common = 2.0 * float(np.median(share))  # what all have is another physics
        astray = may & (share > max(LEAST_ASTRAY, common))
        if astray.any():
            entries = latin_hypercube(generator.low, generator.high, ENTRIES, settings.seed)
            dictionary = Dictionary(generator, whitener, entries, self.fs_hz)
            others, shift = dictionary.fit(whitened[astray], settings.restarts, RESTART_ITERATIONS)
            later[astray] = np.where(others.left < fitted.left[astray], shift, 0)
            fitted = fitted.put(astray, others)
        within = (fitted.theta - generator.low) / (generator.high - generator.low)
        doubted = ((within < 0.001) | (within > 0.999)) & may[:, None]  # on a bound: it may be a wrong valley
        still = may & (unexplained(fitted, whitened, count) > max(settings.astray_share, common))
        doubted |= still[:, None] & np.array([name in ENDS for name in generator.names])
        some = doubted.any(axis=1)
        for inside in INSIDE if some.any() else ():
            start = np.where(doubted, generator.low + inside * (generator.high - generator.low), fitted.theta)[some]
            inner = fit_later(generator, whitener, whitened[some], start, later[some], RESTART_ITERATIONS)
            fitted = fitted.put(some, inner)
        return fitted, later, astray | some

    def _by_tile(self, units: Units) -> list[tuple[Tile, Generator, NDArray[np.int64]]]:
        place = self.whole.names.index(LATERAL) if len(self.tiles) > 1 else 0
        home = tile_of(self.tiles, units.theta[:, place]) if len(self.tiles) > 1 else np.zeros(len(units), np.int64)
        members = [np.flatnonzero(home == number) for number in range(len(self.tiles))]
        return [
            (tile, generator, mine)
            for tile, generator, mine in zip(self.tiles, self.parts, members, strict=True)
            if len(mine)
        ]

    def _beyond_noise(
        self, difference: NDArray[np.float32], left: NDArray[np.float32], trains: Sequence[Train]
    ) -> NDArray[np.float32]:
        """What of a measured waveform the model lacks: by channel, the share of it that noise does not explain."""
        noise = left.var(axis=0)[None] * difference.shape[1] / np.array([[max(1, len(t))] for t in trains])
        power = np.einsum("utc,utc->uc", difference, difference)
        share = np.maximum(0.0, 1.0 - NOISE_FACTOR * noise / np.maximum(power, 1e-20))
        return difference * share[:, None].astype(np.float32)

    def distinct(self, units: Units, fewest: int) -> Units:
        """Without units of few discharges, or that are others again: of two the stronger stays."""
        fired = [unit for unit in range(len(units)) if len(units.trains[unit]) >= fewest]
        power = np.einsum("utc,utc->u", units.waveforms, units.waveforms)[fired]
        kept = distinct([units.trains[unit] for unit in fired], power, self.fs_hz)
        return units.some(sorted(fired[i] for i in kept))
