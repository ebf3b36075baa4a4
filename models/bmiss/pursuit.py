"""Which unit fired when, with all waveforms known: the discharges that together explain the whitened EMG best.

A discharge of unit k at t gains ``answer_k(t) - power_k / 2 - penalty``, its log-likelihood ratio less the odds against
any one discharge. Taking it away from the EMG changes every unit's answers around t by what `correlation.cross_answers`
knows, so the search never goes back to the EMG. It is a search over sets: unit by unit in turn (`sweep`), then the
errors that no single unit can mend, discharges given to a similar unit (`exchange`) or knots of several (`rebuild`).
`pursuit_plain` says the same in plain Python.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

Train = NDArray[np.int64]
LEAST_GAIN = 1e-3  # a change that gains less is rounding
MOST_TAKEN = 256  # discharges that one knot may hold


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _subtract(left, response, unit, instant, sign, first, last):
    """Take a discharge out, or put it back, as far as its responses lie in [first, last)."""
    window = (response.shape[2] + 1) // 2
    low, high = max(first, instant - window + 1), min(last, instant + window)
    offset = window - 1 - instant
    for k in range(left.shape[0]):
        for t in range(low, high):
            left[k, t] -= sign * response[unit, k, t + offset]


@njit(cache=True, nogil=True)
def _add(times, count, unit, instant):
    """Keep a unit's discharges ascending."""
    place = count[unit]
    while place > 0 and times[unit, place - 1] > instant:
        times[unit, place] = times[unit, place - 1]
        place -= 1
    times[unit, place] = instant
    count[unit] += 1


@njit(cache=True, nogil=True)
def _drop(times, count, unit, instant):
    place = 0
    while times[unit, place] != instant:
        place += 1
    for later in range(place, count[unit] - 1):
        times[unit, later] = times[unit, later + 1]
    count[unit] -= 1


@njit(cache=True, nogil=True)
def _rested(times, count, unit, instant, refractory):
    """Whether no discharge of the unit is nearer than the refractory time."""
    if count[unit] == times.shape[1]:
        return False
    for place in range(count[unit]):  # noqa: SIM110 (Numba has no all())
        if abs(times[unit, place] - instant) < refractory:
            return False
    return True


@njit(cache=True, nogil=True)
def highest_peaks(answer, threshold, refractory):
    """Same as `pursuit_plain.highest_peaks_plain`, compiled."""
    samples = len(answer)
    found = np.empty(samples // 2 + 1, np.int64)
    n = 0
    for t in range(1, samples - 1):
        if answer[t] > threshold and answer[t] > answer[t - 1] and answer[t] >= answer[t + 1]:
            found[n] = t
            n += 1
    kept = np.zeros(n, np.bool_)
    taken = np.zeros(samples, np.bool_)
    for place in np.argsort(-answer[found[:n]], kind="mergesort"):
        t = found[place]
        if not taken[t]:
            kept[place] = True
            taken[max(0, t - refractory + 1) : t + refractory] = True
    return found[:n][kept]


@njit(cache=True, nogil=True)
def _sweep(left, response, penalty, times, count, order, refractory):
    samples = left.shape[1]
    window = (response.shape[2] + 1) // 2
    changed = 0
    for k in order:
        own = left[k].copy()
        for i in range(count[k]):
            t = times[k, i]
            for at in range(max(0, t - window + 1), min(samples, t + window)):
                own[at] += response[k, k, at - t + window - 1]
        fresh = highest_peaks(own, response[k, k, window - 1] / 2 + penalty, refractory)
        fresh = fresh[: times.shape[1]]
        a = b = 0
        while a < count[k] or b < len(fresh):
            if b == len(fresh) or (a < count[k] and times[k, a] < fresh[b]):
                _subtract(left, response, k, times[k, a], -1.0, 0, samples)
                a += 1
                changed += 1
            elif a == count[k] or fresh[b] < times[k, a]:
                _subtract(left, response, k, fresh[b], 1.0, 0, samples)
                b += 1
                changed += 1
            else:
                a += 1
                b += 1
        times[k, : len(fresh)] = fresh
        count[k] = len(fresh)
    return changed


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def _highest(row, low, high):
    """Largest value in [low, high)."""
    most = row[low]
    for t in range(low + 1, high):
        most = max(most, row[t])
    return most


@njit(cache=True, nogil=True)
def _best(left, power, penalty, times, count, low, high, refractory):
    """The discharge in [low, high) that gains most; unit -1 where none gains."""
    most, unit, instant = LEAST_GAIN, -1, -1
    for k in range(left.shape[0]):
        cost = power[k] / 2 + penalty
        if _highest(left[k], low, high) - cost <= most:
            continue
        for t in range(low, high):
            gain = left[k, t] - cost
            if gain > most and _rested(times, count, k, t, refractory):
                most, unit, instant = gain, k, t
    return most, unit, instant


@njit(cache=True, nogil=True)
def _exchange(left, response, power, penalty, times, count, reach, refractory):
    units, samples = left.shape
    moved = 0
    for k in range(units):
        for t in times[k, : count[k]].copy():
            low, high = max(0, t - reach), min(samples, t + reach + 1)
            as_it_was = left[:, low:high].copy()
            _subtract(left, response, k, t, -1.0, low, high)  # what lies further off is not looked at
            _drop(times, count, k, t)
            own = left[k, t] - power[k] / 2 - penalty
            gain, unit, instant = _best(left, power, penalty, times, count, low, high, refractory)
            if unit < 0 or gain <= own + LEAST_GAIN:
                unit, instant = (k, t) if own > 0 else (-1, -1)
            if unit >= 0:
                _add(times, count, unit, instant)
            if unit == k and instant == t:
                left[:, low:high] = as_it_was
                continue
            moved += 1
            _subtract(left, response, k, t, -1.0, 0, low)
            _subtract(left, response, k, t, -1.0, high, samples)
            if unit >= 0:
                _subtract(left, response, unit, instant, 1.0, 0, samples)
    return moved


@njit(cache=True, nogil=True)
def _rebuild(left, response, power, penalty, times, count, half, step, draws, refractory):
    units, samples = left.shape
    taken_unit, taken_time = np.empty(MOST_TAKEN, np.int64), np.empty(MOST_TAKEN, np.int64)
    given_unit, given_time = np.empty(MOST_TAKEN, np.int64), np.empty(MOST_TAKEN, np.int64)
    mended, drawn = 0, 0
    for centre in range(step // 2, samples, step):
        low, high = max(0, centre - half), min(samples, centre + half)
        taken = 0
        for k in range(units):
            for i in range(np.searchsorted(times[k, : count[k]], low), count[k]):
                if times[k, i] >= high or taken == MOST_TAKEN:
                    break
                if draws[drawn % len(draws)] < 0.5:
                    taken_unit[taken], taken_time[taken] = k, times[k, i]
                    taken += 1
                drawn += 1
        if taken == 0:
            continue
        as_it_was, before = left[:, low:high].copy(), 0.0
        for i in range(taken):
            k, t = taken_unit[i], taken_time[i]
            _subtract(left, response, k, t, -1.0, low, high)  # what lies further off is not looked at
            _drop(times, count, k, t)
            before += left[k, t] - power[k] / 2 - penalty
        given, after = 0, 0.0
        while given < MOST_TAKEN:
            gain, unit, instant = _best(left, power, penalty, times, count, low, high, refractory)
            if unit < 0:
                break
            after += gain
            _subtract(left, response, unit, instant, 1.0, low, high)
            _add(times, count, unit, instant)
            given_unit[given], given_time[given] = unit, instant
            given += 1
        if after > before + LEAST_GAIN:
            mended += 1
            for first, last in ((0, low), (high, samples)):
                for i in range(taken):
                    _subtract(left, response, taken_unit[i], taken_time[i], -1.0, first, last)
                for i in range(given):
                    _subtract(left, response, given_unit[i], given_time[i], 1.0, first, last)
            continue
        left[:, low:high] = as_it_was
        for i in range(given):
            _drop(times, count, given_unit[i], given_time[i])
        for i in range(taken):
            _add(times, count, taken_unit[i], taken_time[i])
    return mended


class Pursuit:
    """Discharges of all units, and what they leave of every unit's answer.

    Parameters
    ----------
    left : ndarray of float32, shape (units, samples)
        `correlation.answers` to what `trains` leave of the EMG; taken over and changed.
    response : ndarray of float32, shape (units, units, 2 * window - 1)
        `correlation.cross_answers`.
    trains : sequence of ndarray of int64, samples, ascending
        Discharges found so far, one train a unit.
    refractory : int, samples
        Least distance of two discharges of a unit.
    """

    def __init__(
        self, left: NDArray[np.float32], response: NDArray[np.float32], trains: Sequence[Train], refractory: int
    ) -> None:
        units, samples = left.shape
        self.left, self.response = np.ascontiguousarray(left), np.ascontiguousarray(response)
        self.power = np.array([response[k, k, response.shape[2] // 2] for k in range(units)], np.float32)
        self._refractory = refractory
        most = max([samples // refractory + 2, *(len(train) for train in trains)])
        self._times, self._count = np.zeros((units, most), np.int64), np.zeros(units, np.int64)
        for unit, train in enumerate(trains):
            self._times[unit, : len(train)] = train
            self._count[unit] = len(train)
        self._order = np.argsort(-self.power, kind="stable")  # the strongest first: they hide the others

    @property
    def trains(self) -> list[Train]:
        """Discharges of every unit, ascending."""
        return [times[:count].copy() for times, count in zip(self._times, self._count, strict=True)]

    def sweep(self, penalty: float, times: int) -> int:
        """Find each unit's discharges again with all others' taken out, strongest unit first; changes of the last."""
        changed = 0
        for _ in range(times):
            changed = _sweep(
                self.left, self.response, np.float32(penalty), self._times, self._count, self._order, self._refractory
            )
            if not changed:
                break
        return changed

    def exchange(self, penalty: float, reach: int) -> int:
        """Decide each discharge again: whoever's, within `reach` samples, explains it best. Changes."""
        return _exchange(
            self.left, self.response, self.power, np.float32(penalty), self._times, self._count, reach,
            self._refractory,
        )  # fmt: skip

    def rebuild(self, penalty: float, half: int, seed: int) -> int:
        """Take half of the discharges out of every `half` samples, build anew, keep what is better. Knots mended."""
        return _rebuild(
            self.left, self.response, self.power, np.float32(penalty), self._times, self._count, half, step_of(half),
            draws_of(seed), self._refractory,
        )  # fmt: skip


def step_of(half: int) -> int:
    """From one knot to the next, of `half` samples to either side: they overlap, no discharge is at all edges."""
    return max(1, (4 * half) // 5)


def draws_of(seed: int) -> NDArray[np.float64]:
    """Of the discharges that are taken out of a knot, used again from the first when all are used."""
    return np.random.default_rng(seed).random(4096)
