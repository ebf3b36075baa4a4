"""Discharges from sources that other units disturb: what each discharge does to every source is taken out.

A discharge of unit j at sample t adds ``responses[k, j, u]`` to source k at sample ``t - before + u``. A unit is judged
by its rest: its source less what the other units' discharges, and its own, have put there. Which discharges there
are is decided for a window at a time, `lookahead` samples deep, by the rules of matching pursuit:

- A unit may discharge where its rest is at or above its threshold, larger than the sample before, not smaller than
  the one after, and at least `refractory` samples from its other discharges.
- The one that gains most is taken first, and its response leaves the rest of all. What is gained is a log-likelihood
  ratio, ``weight * (rest - own / 2)``, where `own` is what the unit's discharge adds to its own source.

At every `stride`-th sample after a reset the window is decided anew from what final discharges have left, and those
in its oldest `stride` samples become final. So a false peak ahead of a larger discharge gives way to it as long as it
is in the window. Taking single discharges back within a window as well spared one false discharge in a hundred and
added no unit (8x8 and 10x32 electrodes, 40 to 100 units, 10 and 20 dB). Nothing but the samples since the reset
decides, so any hop gives the same discharges.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .decoder_file import DetectorSettings
from .detect import Detector, Terms

MOST_TAKEN = 64  # discharges in one window; 100 units at 10/s make 20 in 20 ms

_NEVER = -(2**62)

# Places in the kernel's state
ORIGIN = 0  # sample of the rest's row 0
UNTIL_WINDOW = 1  # samples until the next window is decided
WAITING = 2  # discharges decided and not yet due
SINCE = 3  # first sample after the reset
TAKEN = 4
CUT_SHORT = 5
KEPT = 6  # discharges of the last call that stay


@njit("void(float32[:, ::1], int64, float32[:, ::1], int64)", cache=True, nogil=True)
def _take_out(rest, first, response, start):  # type: ignore[no-untyped-def]
    """Take a response, whose first row falls on row `start`, out of the rest from row `first` on."""
    rows, units = rest.shape
    for row in range(max(first, start), min(rows, start + len(response))):
        for k in range(units):
            rest[row, k] -= response[row - start, k]


@njit(
    "int64(float32[:, ::1], int64, int64, float32[:, ::1], int64[::1], int64, int64[:, ::1], int64)",
    cache=True,
    nogil=True,
)
def _best_peak(rest, first_sample, since, levels, last, refractory, taken, count):  # type: ignore[no-untyped-def]
    """Row and unit, as ``row * units + unit``, of the peak that gains most, the first of equals; -1 if none is."""
    rows, units = rest.shape
    threshold, own, weight = levels[0], levels[1], levels[2]
    best, most = -1, np.float32(-np.inf)
    for row in range(max(1, since - first_sample), rows - 1):
        above = 0
        for k in range(units):  # without branches: most rows end here
            above += rest[row, k] >= threshold[k]
        if above == 0:
            continue
        for k in range(units):
            value = rest[row, k]
            if not (value >= threshold[k] and value > rest[row - 1, k] and value >= rest[row + 1, k]):
                continue
            gain = weight[k] * (value - np.float32(0.5) * own[k])
            if not gain > most or first_sample + row - last[k] < refractory:
                continue
            free = True
            for i in range(count):
                if taken[0, i] == k and abs(taken[1, i] - row) < refractory:
                    free = False
                    break
            if free:
                most = gain
                best = row * units + k
    return best


@njit(
    "int64(float32[:, ::1], int64, float32[:, :, ::1], int64, float32[:, ::1], int64[::1], int64, int64[:, ::1],"
    " int64[::1])",
    cache=True,
    nogil=True,
)
def _pursue(  # type: ignore[no-untyped-def]
    rest, first_sample, responses, before, levels, last, refractory, taken, state
):
    """Decide a window whose first row, which is past, is `first_sample`: how many discharges are in `taken`."""
    units = rest.shape[1]
    for count in range(taken.shape[1]):
        best = _best_peak(rest, first_sample, state[SINCE], levels, last, refractory, taken, count)
        if best < 0:
            return count
        k, row = best % units, best // units
        _take_out(rest, 0, responses[k], row - before)
        taken[0, count], taken[1, count] = k, row
        state[TAKEN] += 1
    state[CUT_SHORT] += 1
    return taken.shape[1]


@njit("void(int64[:, ::1], int64)", cache=True, nogil=True)
def _sort(taken, count):  # type: ignore[no-untyped-def]
    """Order discharges by row, then unit."""
    for i in range(1, count):
        k, row = taken[0, i], taken[1, i]
        at = i
        while at > 0 and (taken[1, at - 1] > row or (taken[1, at - 1] == row and taken[0, at - 1] > k)):
            taken[0, at], taken[1, at] = taken[0, at - 1], taken[1, at - 1]
            at -= 1
        taken[0, at], taken[1, at] = k, row


@njit(
    "int64(float32[:, ::1], int64, int64, float32[:, ::1], float32[:, ::1], float32[:, :, ::1], int64,"
    " float32[:, ::1], int64[::1], int64, int64, int64, int64[:, ::1], int64[:, ::1], float32[::1], int64[::1],"
    " int64[::1], int64[::1], float32[::1])",
    cache=True,
    nogil=True,
)
def _cancel_kernel(  # type: ignore[no-untyped-def]
    sources, first_sample, deaf_until, rest, window, responses, before, levels, last, refractory, lookahead, stride,
    taken, waiting, waiting_height, state, unit, sample, height,
):  # fmt: skip
    samples, units = sources.shape
    room, rows = len(rest), len(window)
    reach = responses.shape[1] - before  # rows from a discharge to the end of its response
    found = state[KEPT]
    for t in range(samples):
        n = first_sample + t
        newest = n - state[ORIGIN]
        if newest + reach > room:  # move what is still needed to the front
            drop = newest - rows
            for row in range(room):
                for k in range(units):
                    rest[row, k] = rest[row + drop, k] if row + drop < room else np.float32(0.0)
            state[ORIGIN] += drop
            newest -= drop
        for k in range(units):
            rest[newest, k] += sources[t, k]
        state[UNTIL_WINDOW] -= 1
        if state[UNTIL_WINDOW] == 0:
            state[UNTIL_WINDOW] = stride
            past = newest - rows + 1
            for row in range(rows):
                for k in range(units):
                    window[row, k] = rest[past + row, k]
            origin = state[ORIGIN] + past
            count = _pursue(window, origin, responses, before, levels, last, refractory, taken, state)
            _sort(taken, count)
            for i in range(count):
                k, row = taken[0, i], taken[1, i]
                if row > stride:
                    break
                last[k] = origin + row
                _take_out(rest, past + stride, responses[k], past + row - before)
                place = state[WAITING]
                waiting[0, place], waiting[1, place] = k, origin + row
                waiting_height[place] = window[row, k] + levels[1, k]
                state[WAITING] += 1
        due = 0
        while due < state[WAITING] and waiting[1, due] + lookahead <= n:
            if waiting[1, due] >= deaf_until:
                unit[found], sample[found], height[found] = waiting[0, due], waiting[1, due], waiting_height[due]
                found += 1
            due += 1
        if due > 0:
            state[WAITING] -= due
            for i in range(state[WAITING]):
                waiting[0, i], waiting[1, i] = waiting[0, i + due], waiting[1, i + due]
                waiting_height[i] = waiting_height[i + due]
    return found


def cancel_reference(
    sources: NDArray[np.float32],
    threshold: NDArray[np.float32],
    responses: NDArray[np.float32],
    settings: DetectorSettings,
    most_taken: int = MOST_TAKEN,
) -> list[tuple[int, int, float]]:
    """All (sample, unit, height) discharges of whole sources, shape (samples, units), in order of sample, then unit."""
    samples, units = sources.shape
    lookahead, refractory, cancellation = settings.lookahead, settings.refractory, settings.cancellation
    assert cancellation is not None
    before, stride = cancellation.before, cancellation.stride
    weight = np.array(cancellation.weight, np.float32)
    own = responses[np.arange(units), np.arange(units), before]
    length = responses.shape[2]
    front = lookahead + 1 + before  # rows before the first sample
    rest = np.zeros((front + samples + length, units), np.float32)
    last = np.full(units, _NEVER)
    found = []

    def take_out(rows: NDArray[np.float32], unit: int, start: int) -> None:
        first, end = max(0, start), min(len(rows), start + length)
        if first < end:
            rows[first:end] -= responses[:, unit, first - start : end - start].T

    for n in range(samples):
        rest[front + n] += sources[n]
        if (n + 1) % stride:
            continue
        past = front + n - lookahead - 1
        window = rest[past : front + n + 1].copy()  # (lookahead + 2, units); the first row is past, the last is n
        inner = window[1:-1]
        number = n - lookahead + np.arange(len(inner))[:, None]  # sample of each inner row
        taken: list[tuple[int, int]] = []
        for _ in range(most_taken):
            peak = (inner >= threshold) & (inner > window[:-2]) & (inner >= window[2:])
            allowed = peak & (number >= 0) & (number - last >= refractory)
            for row, k in taken:
                allowed[max(0, row - refractory) : row + refractory - 1, k] = False
            if not allowed.any():
                break
            gain = np.where(allowed, weight * (inner - np.float32(0.5) * own), -np.inf)
            row, k = divmod(int(np.argmax(gain)), units)
            take_out(window, k, row + 1 - before)
            taken.append((row + 1, k))
        for row, k in sorted(taken):
            if row <= stride:
                last[k] = n - lookahead + row - 1
                take_out(rest, k, past + row - before)
                if last[k] + lookahead < samples:
                    found.append((int(last[k]), k, float(window[row, k] + own[k])))
    return found


class CancellingDetector:
    """Finds discharges hop by hop with the other units' taken out; takes the place of `Detector`.

    Every discharge is reported at the `lookahead`-th sample after it.

    Parameters
    ----------
    threshold : ndarray of float32, shape (units,)
        On each unit's source without the other units' discharges.
    responses : ndarray of float32, shape (units, units, length)
        ``responses[k, j, u]`` is source k at sample ``t - before + u`` when unit j alone discharges at sample t.
    settings : DetectorSettings
        With `cancellation`.
    longest : int
        Most samples in one call.
    most_taken : int
        Discharges in one window at most; those that gain least are left out.

    Attributes
    ----------
    unit, sample : ndarray of int64
    height : ndarray of float32
        The discharges of the last call, in their first `count` places, in order of sample; the height is that of the
        source without the other units' discharges.
    count : int
    threshold : ndarray of float32, shape (units,)
        As it is now.
    """

    def __init__(
        self,
        threshold: NDArray[np.float32],
        responses: NDArray[np.float32],
        settings: DetectorSettings,
        longest: int,
        most_taken: int = MOST_TAKEN,
    ) -> None:
        cancellation = settings.cancellation
        units, length = len(threshold), responses.shape[-1]
        if cancellation is None or responses.shape != (units, units, length):
            raise ValueError(f"responses {responses.shape} and settings do not make a cancellation of {units} units")
        if not (1 <= cancellation.stride <= min(settings.lookahead, settings.refractory)):
            raise ValueError(f"a stride of {cancellation.stride} is longer than look-ahead or refractory time")
        self.lookahead = settings.lookahead
        self._refractory = settings.refractory
        self._stride = cancellation.stride
        self._before = cancellation.before
        self.exchange(terms_of(threshold, responses, np.array(cancellation.weight), cancellation.before))
        self._window = np.zeros((self.lookahead + 2, units), np.float32)
        self._rest = np.zeros((2 * (self.lookahead + 2 + length), units), np.float32)
        self._last = np.zeros(units, np.int64)
        self._taken = np.zeros((2, most_taken), np.int64)
        self._waiting = np.zeros((2, 2 * units), np.int64)  # of two strides; a unit discharges once in each at most
        self._waiting_height = np.zeros(2 * units, np.float32)
        self._state = np.zeros(7, np.int64)
        most = units * (longest // self._refractory + 2)
        self.unit = np.zeros(most, np.int64)
        self.sample = np.zeros(most, np.int64)
        self.height = np.zeros(most, np.float32)
        self.count = 0
        self._next = _NEVER
        self.reset(0)

    @property
    def taken(self) -> int:
        """Discharges taken out, final or not, in all windows since the reset: the work done."""
        return int(self._state[TAKEN])

    @property
    def cut_short(self) -> int:
        """Windows since the reset that held as many discharges as one may."""
        return int(self._state[CUT_SHORT])

    def reset(self, deaf_until: int) -> None:
        """Forget the past, and report no discharge before sample `deaf_until`; earlier ones are but taken out."""
        self._deaf_until = deaf_until
        self._next = _NEVER
        self._state[:] = 0

    def exchange(self, terms: Terms) -> None:
        """Take the terms of other filters from the next sample on; what has been taken out stays as it is."""
        assert terms.levels is not None
        assert terms.responses is not None
        self.threshold, self._levels, self._responses = terms.threshold, terms.levels, terms.responses

    def _begin(self, first_sample: int) -> None:
        """Know nothing of what came before `first_sample`."""
        self._rest[:] = 0.0
        self._last[:] = _NEVER
        self._state[ORIGIN] = first_sample - len(self._window)
        self._state[SINCE] = first_sample
        self._state[UNTIL_WINDOW] = self._stride
        self._state[WAITING] = 0

    def __call__(self, sources: NDArray[np.float32], first_sample: int, found: int = 0) -> int:
        """Discharges decided by `sources`, float32 (samples, units), whose first row is sample `first_sample`.

        Samples that do not follow on the last call's begin anew. The first `found` discharges of the last call are
        kept before those found.
        """
        if first_sample != self._next:
            self._begin(first_sample)
        self._next = first_sample + len(sources)
        self._state[KEPT] = found  # CPython 3.11 keeps 2000 tuples of 20 arguments and uses none of them again
        self.count = _cancel_kernel(
            sources, first_sample, self._deaf_until, self._rest, self._window, self._responses, self._before,
            self._levels, self._last, self._refractory, self.lookahead, self._stride, self._taken, self._waiting,
            self._waiting_height, self._state, self.unit, self.sample, self.height,
        )  # fmt: skip
        return self.count


def terms_of(
    threshold: NDArray[np.float32],
    responses: NDArray[np.float32] | None,
    weight: NDArray[np.float64] | None,
    before: int,
) -> Terms:
    """What the detector of a decoder takes from its filters; `responses` and `weight` are None without cancellation.

    Parameters
    ----------
    threshold : ndarray of float32, shape (units,)
    responses : ndarray of float32, shape (units, units, length), or None
    weight : ndarray of float64, shape (units,), or None
    before : int
        Samples of a response before the discharge.
    """
    if responses is None or weight is None:
        return Terms(threshold)
    every = np.arange(len(threshold))
    levels = np.stack([threshold, responses[every, every, before], weight]).astype(np.float32)
    by_unit = np.ascontiguousarray(responses.transpose(1, 2, 0), np.float32)  # (of unit, time, in source)
    return Terms(threshold, levels, by_unit)


def detector_for(
    threshold: NDArray[np.float32],
    settings: DetectorSettings,
    responses: NDArray[np.float32] | None,
    longest: int,
) -> Detector | CancellingDetector:
    """The detector that a decoder asks for: with `responses` other units are taken out, without it they are not.

    Parameters
    ----------
    threshold : ndarray of float32, shape (units,)
    settings : DetectorSettings
    responses : ndarray of float32, shape (units, units, length), or None
    longest : int
        Most samples in one call.
    """
    if responses is None:
        return Detector(threshold, settings.lookahead, settings.refractory, longest)
    return CancellingDetector(threshold, responses, settings, longest)
