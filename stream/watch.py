"""Channels that went bad: flat, saturated, not numbers, or far noisier than their neighbours.

Judged over stretches of a fixed length, a new one every quarter of it, counted in samples: a flag does not depend on
the hop. A channel is flagged after one bad stretch, at most 0.32 s after it went bad, and cleared when all stretches of
``CLEAR_AFTER_S`` have been good.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

GOOD, NOT_A_NUMBER, FLAT, SATURATED, NOISY = range(5)
_JUST_NOISY = -1  # found so in this pass
REASONS = ("good", "not a number", "flat", "saturated", "noisy")
STRETCH_S = 0.25
STEPS = 4  # judged so many times in the length of a stretch
CLEAR_AFTER_S = 2.0
STUCK_SHARE = 0.1  # of the samples at the very same extreme: an amplifier at its rail
NOISY_TIMES = 6.0  # the median RMS of the neighbours; 2.4 at most on three real recordings
STEEP_TIMES = 4.0  # that of the steps from sample to sample, which broadband noise raises more; 1.8 at most there
NOISY_FLOOR_UV = 20.0  # below this RMS no channel is called noisy


@njit(
    "void(float32[:, ::1], float32[:, ::1], int64, int64, float64[:, ::1], int64[:, ::1], float32[::1])",
    cache=True,
    nogil=True,
)
def _gather_kernel(raw, filtered, first, last, level, count, previous):  # type: ignore[no-untyped-def]
    for t in range(first, last):
        for c in range(raw.shape[1]):
            x = raw[t, c]
            step = filtered[t, c] - previous[c]
            previous[c] = filtered[t, c]
            if not math.isfinite(x):
                count[0, c] += 1
                continue
            if x > level[0, c]:
                level[0, c] = x
                count[1, c] = 1
            elif x == level[0, c]:
                count[1, c] += 1
            if x < level[1, c]:
                level[1, c] = x
                count[2, c] = 1
            elif x == level[1, c]:
                count[2, c] += 1
            level[2, c] += filtered[t, c] * filtered[t, c]
            if step == step:  # the first sample after a reset has none before it
                level[3, c] += step * step


@njit("void(float32[:, ::1], float32[::1])", cache=True, nogil=True)
def replace_what_is_no_number(block, held):  # type: ignore[no-untyped-def]
    """Where `block` holds NaN or infinity, put the channel's last number, so that no filter state is lost to it.

    Zero would not do: an electrode's offset of millivolts makes it a step that rings through the filter as spikes.
    `held` is float32 (channels,), the last numbers; it is updated.
    """
    for t in range(block.shape[0]):
        for c in range(block.shape[1]):
            if math.isfinite(block[t, c]):
                held[c] = block[t, c]
            else:
                block[t, c] = held[c]


def judge_reference(
    level: NDArray[np.float64], count: NDArray[np.int64], samples: int, neighbours: NDArray[np.int64]
) -> NDArray[np.int64]:
    """What each channel was over one stretch: the definition that the kernel is held to.

    Parameters
    ----------
    level : ndarray of float64, shape (4, channels)
        Largest and smallest raw sample (uV), and sums of squares of the filtered ones and of their steps (uV^2).
    count : ndarray of int64, shape (3, channels)
        Samples that were no numbers, at the largest, and at the smallest.
    samples : int
    neighbours : ndarray of int64, shape (channels, most)
        Channels that touch each channel, filled up with -1.

    Returns
    -------
    ndarray of int64, shape (channels,)
        GOOD, NOT_A_NUMBER, FLAT, SATURATED or NOISY.
    """
    highest, lowest = level[:2]
    verdict = np.full(level.shape[1], GOOD)
    rms = np.sqrt(level[2:] / samples)  # (2, channels)
    flat = highest <= lowest
    stuck = np.maximum(count[1], count[2]) > STUCK_SHARE * samples
    sound = ~flat & ~stuck & (count[0] == 0)
    while True:  # a noisy channel is no measure for its neighbours
        noisy = np.zeros(len(verdict), np.bool_)
        for size, times in zip(rms, (NOISY_TIMES, STEEP_TIMES), strict=True):
            beside = np.where((neighbours >= 0) & sound[neighbours], size[neighbours], np.inf)  # (channels, most)
            usual = _median_of_finite(beside)
            noisy |= np.isfinite(usual) & (size > times * usual)
        noisy &= sound & (rms[0] > NOISY_FLOOR_UV)
        if not noisy.any():
            break
        verdict[noisy] = NOISY
        sound &= ~noisy
    verdict[stuck] = SATURATED
    verdict[flat] = FLAT
    verdict[count[0] > 0] = NOT_A_NUMBER
    return verdict


def _median_of_finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the finite values in each row, infinite where there is none."""
    ordered = np.sort(values, axis=1)  # infinities last
    count = np.isfinite(values).sum(axis=1)
    row = np.arange(len(values))
    return 0.5 * (
        ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, np.minimum(count // 2, len(ordered[0]) - 1)]
    )


def _listed(neighbours: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Neighbours as a list for each channel, (channels, most), filled up with -1."""
    most = max(1, int(neighbours.sum(axis=1).max(initial=0)))
    listed = np.full((len(neighbours), most), -1)
    for c, touching in enumerate(neighbours):
        places = np.flatnonzero(touching)
        listed[c, : len(places)] = places
    return listed


@njit("float64(float64[::1], int64)", cache=True, nogil=True)
def _median(values, count):  # type: ignore[no-untyped-def]
    """Median of the first `count` values, which are put in order; infinite where there is none."""
    for i in range(1, count):
        value, at = values[i], i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value
    return 0.5 * (values[(count - 1) // 2] + values[count // 2]) if count else math.inf


@njit("void(float64[:, ::1], int64[:, ::1], int64, int64[:, ::1], float64[::1], int64[::1])", cache=True, nogil=True)
def _judge_kernel(level, count, samples, neighbours, beside, verdict):  # type: ignore[no-untyped-def]
    """What each channel was over one stretch, into `verdict`; `beside` is room for a value of each neighbour."""
    channels = level.shape[1]
    for c in range(channels):
        if count[0, c] > 0:
            verdict[c] = NOT_A_NUMBER
        elif level[0, c] <= level[1, c]:
            verdict[c] = FLAT
        elif max(count[1, c], count[2, c]) > STUCK_SHARE * samples:
            verdict[c] = SATURATED
        else:
            verdict[c] = GOOD
    again = True
    while again:  # a noisy channel is no measure for its neighbours
        again = False
        for c in range(channels):
            if verdict[c] != GOOD or not math.sqrt(level[2, c] / samples) > NOISY_FLOOR_UV:
                continue
            for measure, times in ((2, NOISY_TIMES), (3, STEEP_TIMES)):
                sound = 0
                for i in range(neighbours.shape[1]):
                    n = neighbours[c, i]
                    if n >= 0 and (verdict[n] == GOOD or verdict[n] == _JUST_NOISY):
                        beside[sound] = math.sqrt(level[measure, n] / samples)
                        sound += 1
                if math.sqrt(level[measure, c] / samples) > times * _median(beside, sound):
                    verdict[c] = _JUST_NOISY
                    again = True
        for c in range(channels):
            if verdict[c] == _JUST_NOISY:
                verdict[c] = NOISY


@njit("void(float64[:, :, ::1], int64[:, :, ::1], float64[:, ::1], int64[:, ::1])", cache=True, nogil=True)
def _add_up(levels, counts, level, count):  # type: ignore[no-untyped-def]
    """The steps of a stretch as one: largest, smallest, how often, and sums."""
    steps, _, channels = levels.shape
    for c in range(channels):
        highest, lowest, squares, steepness = -math.inf, math.inf, 0.0, 0.0
        none = at_highest = at_lowest = 0
        for s in range(steps):
            if levels[s, 0, c] > highest:
                highest = levels[s, 0, c]
                at_highest = counts[s, 1, c]
            elif levels[s, 0, c] == highest:
                at_highest += counts[s, 1, c]
            if levels[s, 1, c] < lowest:
                lowest = levels[s, 1, c]
                at_lowest = counts[s, 2, c]
            elif levels[s, 1, c] == lowest:
                at_lowest += counts[s, 2, c]
            squares += levels[s, 2, c]
            steepness += levels[s, 3, c]
            none += counts[s, 0, c]
        level[0, c], level[1, c], level[2, c], level[3, c] = highest, lowest, squares, steepness
        count[0, c], count[1, c], count[2, c] = none, at_highest, at_lowest


@njit("boolean(int64[::1], int64, int64[::1], int64[::1])", cache=True, nogil=True)
def _follow(verdict, clear_after, good_for, state):  # type: ignore[no-untyped-def]
    """Flag what is bad and clear what has been good for long enough; whether anything changed."""
    changed = False
    for c in range(len(verdict)):
        if verdict[c] == GOOD:
            good_for[c] += 1
            new = GOOD if good_for[c] >= clear_after else state[c]
        else:
            good_for[c] = 0
            new = verdict[c]
        changed |= new != state[c]
        state[c] = new
    return changed


class ChannelWatch:
    """Follows the channels hop by hop.

    Parameters
    ----------
    fs_hz : float
    neighbours : ndarray of bool, shape (channels, channels)

    Attributes
    ----------
    state : ndarray of int64, shape (channels,)
        GOOD or why the channel is flagged.
    flags : bytes
        The same as bytes, to compare.
    changes : list of (int, ndarray of int64)
        Of the last call: the sample from which a changed state held, and that state.
    stretch : int
        Samples of a stretch.
    """

    def __init__(self, fs_hz: float, neighbours: NDArray[np.bool_]) -> None:
        channels = len(neighbours)
        self.state = np.full(channels, GOOD)
        self.flags = self.state.tobytes()
        self.changes: list[tuple[int, NDArray[np.int64]]] = []
        self._step = max(2, math.ceil(STRETCH_S / STEPS * fs_hz))
        self.stretch = STEPS * self._step
        self._clear_after = math.ceil(STEPS * (CLEAR_AFTER_S / STRETCH_S - 1)) + 1  # stretches, which overlap
        self._good_for = np.zeros(channels, np.int64)
        self._neighbours = _listed(neighbours)
        self._beside = np.zeros(self._neighbours.shape[1])
        self._levels = np.zeros((STEPS, 4, channels))
        self._counts = np.zeros((STEPS, 3, channels), np.int64)
        self._level = np.zeros((4, channels))
        self._previous = np.zeros(channels, np.float32)  # filtered
        self._count = np.zeros((3, channels), np.int64)
        self._verdict = np.full(channels, GOOD)
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch; flags stay."""
        self._seen = 0  # samples since
        self._previous[:] = np.nan
        self._begin(0)

    def _begin(self, step: int) -> None:
        self._at = step
        self._levels[step, 0] = -np.inf
        self._levels[step, 1] = np.inf
        self._levels[step, 2:] = 0.0
        self._counts[step] = 0

    def forgive(self) -> None:
        """Clear every flag at once."""
        self.state[:] = GOOD
        self.flags = self.state.tobytes()
        self._good_for[:] = 0
        self.changes.clear()
        self.reset()

    def __call__(self, raw: NDArray[np.float32], filtered: NDArray[np.float32], first_sample: int = 0) -> bool:
        """Take a hop, raw and filtered, both (samples, channels) in uV; True when a flag changed."""
        self.changes.clear()
        first = 0
        while first < len(raw):
            last = min(len(raw), first + self._step - self._seen % self._step)
            _gather_kernel(raw, filtered, first, last, self._levels[self._at], self._counts[self._at], self._previous)
            self._seen += last - first
            first = last
            if self._seen % self._step == 0:
                if self._seen >= self.stretch and self._conclude():
                    self.changes.append((first_sample + last, self.state.copy()))
                self._begin((self._at + 1) % STEPS)
        return bool(self.changes)

    def _conclude(self) -> bool:
        """Judge the stretch that ends here; whether a flag changed."""
        _add_up(self._levels, self._counts, self._level, self._count)
        _judge_kernel(self._level, self._count, self.stretch, self._neighbours, self._beside, self._verdict)
        if not _follow(self._verdict, self._clear_after, self._good_for, self.state):
            return False
        self.flags = self.state.tobytes()
        return True
