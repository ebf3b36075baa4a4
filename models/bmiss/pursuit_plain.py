"""What the kernels of `pursuit` do, one discharge after the other in plain Python: their definition, slow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .pursuit import LEAST_GAIN, MOST_TAKEN, Train, draws_of, step_of

Place = tuple[int, int]  # unit and instant


def highest_peaks_plain(answer: NDArray[np.float32], threshold: float, refractory: int) -> Train:
    """Peaks above a threshold, the highest first, none nearer than `refractory` samples to a higher one."""
    inside = answer[1:-1]
    peaks = np.flatnonzero((inside > threshold) & (inside > answer[:-2]) & (inside >= answer[2:])) + 1
    kept: list[int] = []
    for t in peaks[np.argsort(-answer[peaks], kind="stable")]:
        if all(abs(t - other) >= refractory for other in kept):
            kept.append(int(t))
    return np.array(sorted(kept), np.int64)


class PlainPursuit:
    """Stands in for `pursuit.Pursuit`: the same parameters, the same methods, the same result.

    Its copy of `left` is changed, not the one given.
    """

    def __init__(
        self, left: NDArray[np.float32], response: NDArray[np.float32], trains: Sequence[Train], refractory: int
    ) -> None:
        self.left, self._response, self._refractory = left.copy(), response, refractory
        self._window = (response.shape[2] + 1) // 2
        self._power = [response[unit, unit, self._window - 1] for unit in range(len(left))]
        self._fired = [sorted(int(t) for t in train) for train in trains]

    @property
    def trains(self) -> list[Train]:
        """Discharges of every unit, ascending."""
        return [np.array(fired, np.int64) for fired in self._fired]

    def sweep(self, penalty: float, times: int) -> int:
        """By unit, the strongest first: its answer with its own discharges put back, and the highest peaks of that."""
        changed = 0
        for _ in range(times):
            changed = 0
            for unit in sorted(range(len(self.left)), key=lambda unit: -self._power[unit]):
                before = set(self._fired[unit])
                own = self.left[unit].copy()
                for t in before:
                    self._respond(own, unit, unit, t, 1)
                now = set(highest_peaks_plain(own, self._power[unit] / 2 + penalty, self._refractory).tolist())
                for t in before - now:
                    self._put_back(unit, t)
                for t in now - before:
                    self._take_out(unit, t)
                changed += len(before ^ now)
            if not changed:
                break
        return changed

    def exchange(self, penalty: float, reach: int) -> int:
        """Each discharge in turn is put back; what gains most within `reach` is taken out, itself if nothing more."""
        moved = 0
        for unit in range(len(self.left)):
            for t in list(self._fired[unit]):
                own = self._put_back(unit, t, penalty)
                gain, place = self._best(penalty, t - reach, t + reach + 1)
                if place is None or gain <= own + LEAST_GAIN:
                    place = (unit, t) if own > 0 else None
                if place is not None:
                    self._take_out(*place)
                moved += place != (unit, t)
        return moved

    def rebuild(self, penalty: float, half: int, seed: int) -> int:
        """Around every instant put half of the discharges back, take out what gains most until nothing gains.

        What that makes worse is undone.
        """
        draws = draws_of(seed)
        mended = drawn = 0
        step, samples = step_of(half), self.left.shape[1]
        for centre in range(step // 2, samples, step):
            low, high = max(0, centre - half), min(samples, centre + half)
            back: list[Place] = []
            for unit, fired in enumerate(self._fired):
                for t in fired:
                    if low <= t < high and len(back) < MOST_TAKEN:
                        if draws[drawn % len(draws)] < 0.5:
                            back.append((unit, t))
                        drawn += 1
            lost = sum(self._put_back(*place, penalty) for place in back)
            out: list[Place] = []
            gained = 0.0
            while back and len(out) < MOST_TAKEN:
                gain, place = self._best(penalty, low, high)
                if place is None:
                    break
                gained += gain
                self._take_out(*place)
                out.append(place)
            if gained > lost + LEAST_GAIN:
                mended += 1
                continue
            for place in out:
                self._put_back(*place)
            for place in back:
                self._take_out(*place)
        return mended

    def _best(self, penalty: float, low: int, high: int) -> tuple[float, Place | None]:
        """The discharge in [low, high) that gains most, the first of equal ones; None where none gains."""
        most, best = LEAST_GAIN, None
        for unit, left in enumerate(self.left):
            for t in range(max(0, low), min(len(left), high)):
                gain = left[t] - self._power[unit] / 2 - penalty
                if gain > most and all(abs(t - other) >= self._refractory for other in self._fired[unit]):
                    most, best = gain, (unit, t)
        return most, best

    def _take_out(self, unit: int, instant: int) -> None:
        """A discharge is there: the EMG, and every unit's answer to it, without it."""
        for k, left in enumerate(self.left):
            self._respond(left, unit, k, instant, -1)
        self._fired[unit] = sorted([*self._fired[unit], instant])

    def _put_back(self, unit: int, instant: int, penalty: float = 0.0) -> float:
        """A discharge is not there; what it would gain."""
        for k, left in enumerate(self.left):
            self._respond(left, unit, k, instant, 1)
        self._fired[unit] = [t for t in self._fired[unit] if t != instant]
        return float(self.left[unit, instant] - self._power[unit] / 2 - penalty)

    def _respond(self, answer: NDArray[np.float32], unit: int, of: int, instant: int, sign: int) -> None:
        """Add what a discharge of `unit` adds to the answer of unit `of`, as far as it lies in the recording."""
        for place, value in enumerate(self._response[unit, of]):
            t = instant - self._window + 1 + place
            if 0 <= t < len(answer):
                answer[t] += sign * value
