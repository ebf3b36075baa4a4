"""Is it a discharge, or does something disturb the sources? Judged by what the sources themselves did just now.

Behind an artefact, a loose electrode or exchanged cables every source swings, and some of its swings look like
discharges. Levels taken from the calibration cannot tell them: a stronger contraction than the calibration's is
louder too, and its discharges are still there. So a discharge has to stand out from its own source's background, as in
a radar's detector of constant false-alarm rate, and it must not come in a crowd:

- The background of a source is its root mean square over the last `MEMORY_S`, forgotten exponentially, up to the look-
  ahead after the discharge. A discharge lower than `LEAST_TIMES` that, or higher than `MOST_TIMES` the unit's mean
  discharge, is held back. Single values count as `CLIP` thresholds at most.
- A source swings where it is further from zero, up or down, than `SWING_TIMES` its root mean square of the last
  `USUAL_S`, but within `SWING` mean discharges. A discharge is held back when within `TOGETHER_S` of it more than
  `CROWD_SHARE` of the other sources swing: units of a muscle discharge independently, artefacts hit all at once.
- A unit is deaf while its mean discharge would be lower than `DEAF_TIMES` its background. While `DEAF_SHARE` of the
  units are, and for `LATCH_S` after, the sources are unsound: nothing should be done on what they say.

- Stretches that were asked to be blank, after a stimulation pulse, give no discharge and are no background; what they
  take away is counted by itself.

The numbers are a compromise, found on a muscle simulated at four forces, a real and a hybrid recording, each clean and
with ten kinds of fault. `bench rest` and `bench channels` measure what they do elsewhere.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .cancel import CancellingDetector
from .detect import Detector

MEMORY_S = 0.02
CLIP = 3.0
LEAST_TIMES = 2.5
MOST_TIMES = 2.0
SWING_TIMES, SWING, USUAL_S = 2.5, (0.4, 0.8), 1.0
TOGETHER_S = 0.001
CROWD_SHARE = 0.45
SMALLEST_CROWD = 3  # sources; of fewer, a coincidence would be one
DEAF_TIMES = 2.0
DEAF_SHARE = 0.2  # two units at least, where there are more than one
LATCH_S = 0.25  # three times the smoothing of the drive: what got through has faded
UNSOUND = (
    "the sources are too noisy to tell discharges from: an artefact, a loose electrode, or a contraction far stronger "
    "than the calibration's"
)
MOST_BLANKS = 64  # stretches that are remembered
_NEVER = -(2**62)


@njit("boolean(int64, int64[:, ::1])", cache=True, nogil=True)
def _within(sample, stretches):  # type: ignore[no-untyped-def]
    """Whether a sample lies in one of the stretches, first and last sample each."""
    inside = False
    for i in range(len(stretches)):
        inside |= stretches[i, 0] <= sample <= stretches[i, 1]
    return inside


# Rows of the levels of every unit: largest value that counts fast and slow, deaf above, and a swing's least and most
_CLIP, _CLIP_SLOW, _DEAF, _SWING_LEAST, _SWING_MOST = range(5)


@njit(
    "int64(float32[:, ::1], int64, float32[:, ::1], int64, float64[::1], int64[::1], int64, int64[:, ::1],"
    " float64[:, ::1], float32[:, ::1], boolean[:, ::1], boolean[::1])",
    cache=True,
    nogil=True,
)
def _follow_kernel(  # type: ignore[no-untyped-def]
    sources, first_sample, levels, settled_at, keep, deaf_units_and_latch, unsound_until, blanks, power, background,
    swings, sound,
):  # fmt: skip
    for t in range(len(sources)):
        n = first_sample + t
        counts = n >= settled_at and not _within(n, blanks)
        row = n % len(swings)
        deaf = 0
        for m in range(sources.shape[1]):
            size = abs(sources[t, m])
            if not size <= levels[_CLIP, m]:  # what is no number as well
                size = levels[_CLIP, m]
            if counts:
                slow = min(size, levels[_CLIP_SLOW, m])
                power[0, m] = keep[0] * power[0, m] + (1.0 - keep[0]) * size * size
                power[1, m] = keep[1] * power[1, m] + (1.0 - keep[1]) * slow * slow
            background[t, m] = math.sqrt(power[0, m])
            deaf += background[t, m] > levels[_DEAF, m]
            usual = max(SWING_TIMES * math.sqrt(power[1, m]), levels[_SWING_LEAST, m])
            swings[row, m] = size > min(usual, levels[_SWING_MOST, m])
        if deaf >= deaf_units_and_latch[0]:
            unsound_until = n + deaf_units_and_latch[1]
        sound[t] = n >= unsound_until
    return unsound_until


@njit(
    "int64(int64[::1], int64[::1], float32[::1], int64, int64, float32[:, ::1], float32[::1], boolean[:, ::1], int64,"
    " int64, int64[:, ::1], int64[::1])",
    cache=True,
    nogil=True,
)
def _sieve_kernel(  # type: ignore[no-untyped-def]
    unit, sample, height, count, first_decided, background, most, swings, together, crowd, blanks, blanked
):
    """Keep the discharges that stand out, in order; row 0 of the background decided sample `first_decided`."""
    kept = 0
    for i in range(count):
        m = unit[i]
        if _within(sample[i], blanks):
            blanked[0] += 1
            continue
        if not LEAST_TIMES * background[sample[i] - first_decided, m] <= height[i] <= most[m]:
            continue
        company = 0
        for other in range(swings.shape[1]):
            if other != m:
                for n in range(sample[i] - together, sample[i] + together + 1):
                    if swings[n % len(swings), other]:
                        company += 1
                        break
        if company < crowd:
            unit[kept], sample[kept], height[kept] = m, sample[i], height[i]
            kept += 1
    return kept


def guard_reference(
    sources: NDArray[np.float32],
    discharges: list[tuple[int, int, float]],
    threshold: NDArray[np.float32],
    height: NDArray[np.float32],
    lookahead: int,
    fs_hz: float,
) -> tuple[list[tuple[int, int, float]], NDArray[np.bool_]]:
    """What is kept of (sample, unit, height) found in whole sources, (samples, units), and where these are sound."""
    size = np.fmin(np.abs(sources.astype(np.float64)), np.float32(CLIP) * threshold)  # a number where there is none
    background = _background_reference(size, MEMORY_S * fs_hz)
    usual = _background_reference(np.minimum(size, threshold), USUAL_S * fs_hz)
    swings = size > np.clip(SWING_TIMES * usual, *(np.float32(share) * height for share in SWING))
    together = _together(lookahead, fs_hz)
    kept = []
    for sample, unit, value in discharges:
        near = swings[max(0, sample - together) : sample + together + 1].any(axis=0)
        company = int(near.sum()) - int(near[unit])
        stands_out = LEAST_TIMES * background[sample + lookahead, unit] <= value <= MOST_TIMES * height[unit]
        if stands_out and company < _crowd(len(threshold)):
            kept.append((sample, unit, value))
    deaf = np.flatnonzero((background > height / DEAF_TIMES).sum(axis=1) >= _deaf_units(len(threshold)))
    sound = np.ones(len(sources), np.bool_)
    for n in deaf:
        sound[n : n + math.ceil(LATCH_S * fs_hz)] = False
    return kept, sound


def _background_reference(size: NDArray[np.float64], samples: float) -> NDArray[np.float64]:
    keep = math.exp(-1.0 / samples)
    age = np.arange(len(size))[:, None] - np.arange(len(size))  # (now, then)
    weight = np.where(age >= 0, (1.0 - keep) * keep ** age.clip(0), 0.0)
    return np.asarray(np.sqrt(weight @ np.square(size)), np.float64)


def _together(lookahead: int, fs_hz: float) -> int:
    return min(lookahead, round(TOGETHER_S * fs_hz))


def _crowd(units: int) -> int:
    """So many other sources that swing are a crowd."""
    return max(SMALLEST_CROWD, math.floor(CROWD_SHARE * (units - 1)) + 1)


def _deaf_units(units: int) -> int:
    return max(min(2, units), math.ceil(DEAF_SHARE * units))


class Guard:
    """Holds back what does not stand out, and says when the sources are unsound.

    Parameters
    ----------
    threshold, height : ndarray of float32, shape (units,)
        Of every unit, as the decoder has them: detection threshold and mean discharge.
    fs_hz : float
    lookahead : int
        Samples from a discharge to its decision.
    longest : int
        Most samples in a hop.

    Attributes
    ----------
    held_back, blanked : int
        Discharges, since the start; those in blank stretches are not among those held back.
    sound : bool
        Whether the sources could be acted on at the newest sample.
    """

    def __init__(
        self,
        threshold: NDArray[np.float32],
        height: NDArray[np.float32],
        fs_hz: float,
        lookahead: int,
        longest: int,
    ) -> None:
        units = len(threshold)
        least, most = SWING
        self.held_back = 0
        self.sound = True
        self._blanks = np.full((MOST_BLANKS, 2), _NEVER, np.int64)  # first and last sample
        self._blanks_put = 0
        self._blanked = np.zeros(1, np.int64)
        self._height = np.ascontiguousarray(height, np.float32)
        self._most = np.float32(MOST_TIMES) * self._height
        self._levels = np.stack(
            [CLIP * threshold, threshold, height / DEAF_TIMES, least * height, most * height]
        ).astype(np.float32)  # (5, units)
        self._keep = np.exp([-1.0 / (MEMORY_S * fs_hz), -1.0 / (USUAL_S * fs_hz)])
        self._deaf_units_and_latch = np.array([_deaf_units(units), math.ceil(LATCH_S * fs_hz)])
        self._lookahead = lookahead
        self._together = _together(lookahead, fs_hz)
        self._crowd = _crowd(units)
        self._power = np.zeros((2, units))  # fast, slow
        self._background = np.zeros((longest, units), np.float32)
        self._swings = np.zeros((longest + lookahead + self._together + 1, units), np.bool_)  # by sample, in a ring
        self._sound = np.ones(longest, np.bool_)
        self._first = self._settled_at = 0
        self._unsound_until = _NEVER

    @property
    def blanked(self) -> int:
        """Discharges in blank stretches."""
        return int(self._blanked[0])

    def blank(self, first: int, last: int) -> None:
        """Report no discharge from sample `first` to `last`; what has been reported stays."""
        self._blanks[self._blanks_put % MOST_BLANKS] = first, last
        self._blanks_put += 1

    def reset(self, settled_at: int) -> None:
        """Forget the past but for what is usual; until sample `settled_at` the sources mean nothing."""
        self._power[0] = 0.0
        self._swings[:] = False
        self._settled_at = settled_at

    def forgive(self) -> None:
        """Forget all there was, and the count."""
        self._power[:] = 0.0
        self._swings[:] = False
        self._unsound_until = _NEVER
        self._blanks[:] = _NEVER
        self._blanked[0] = 0
        self.held_back = 0
        self.sound = True

    def exchange(self, threshold: NDArray[np.float32]) -> None:
        """From the next sample on these units are looked for; one whose threshold is infinite is lost, not deaf."""
        self._levels[_DEAF] = np.where(np.isfinite(threshold), self._height / DEAF_TIMES, np.inf)

    def follow(self, sources: NDArray[np.float32], first_sample: int, first_row: int = 0) -> None:
        """Take sources, float32 (samples, units), of which the first is `first_sample`, in row `first_row` of a hop."""
        rows = slice(first_row, first_row + len(sources))
        self._first = first_sample - first_row
        self._unsound_until = _follow_kernel(
            sources, first_sample, self._levels, self._settled_at, self._keep, self._deaf_units_and_latch,
            self._unsound_until, self._blanks, self._power, self._background[rows], self._swings, self._sound[rows],
        )  # fmt: skip
        self.sound = bool(self._sound[rows.stop - 1])

    def sieve(self, detector: Detector | CancellingDetector) -> int:
        """Hold back discharges of the hop that do not stand out; how many are left in `detector`."""
        found, blanked = detector.count, self.blanked
        if found:
            detector.count = _sieve_kernel(
                detector.unit, detector.sample, detector.height, found, self._first - self._lookahead,
                self._background, self._most, self._swings, self._together, self._crowd, self._blanks, self._blanked,
            )  # fmt: skip
            self.held_back += found - detector.count - (self.blanked - blanked)
        return detector.count

    def sound_at(self, sample: int) -> bool:
        """Whether the sources of a sample of the hop can be acted on."""
        return bool(self._sound[sample - self._first])
