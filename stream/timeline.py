"""Samples counted against time stamps: which came, which are missing, which came twice.

An amplifier's samples are evenly spaced, so each stamp is compared with the one expected. The real rate is tracked;
what the stamps deviate beyond it is jitter, a gap or a jump of the clock:

- Stamps good to half a sample period (`timing` "exact"): whole periods ahead are a gap of as many samples.
- Worse stamps ("estimated"): only what no jitter of the last minute comes near is a gap, to the nearest period.
- In the first `LEARN_S` it is not known which of the two they are. A short gap is then counted at their end.
- A sample whose stamp was seen before, exactly, is a repeat. Other stamps that go back are jitter or a clock that
  jumped, and so are stamps that run ahead of the local clock although no time has passed here.
- Samples of a chunk that all carry one stamp are new ones with bad stamps. Among exact stamps they are told by the
  periods before them, which they fill, or by being more than two. A stamp that comes just when due, twice, is a chunk
  of one sample sent twice. A chunk of one stamp that is sent twice at once looks like a longer one: it is taken as new.
- Where only the first of such a chunk came with a pull, it looked like a gap: the others, `EARLY_S` of them at most,
  are dropped, for their periods are counted already. This happens once, since `timing` is "estimated" from then on.
- A clock set back by whole periods (to 2 ns), by less than `REPEAT_S`, gives stamps that were all seen before. Only
  the pace tells it from repeats: the samples of the first `PACED_S` are dropped, and counted lost. Set back by anything
  else it costs nothing.

With a counter in the stream (see counter.py) the stamps only say when: `follow` takes the count as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRACK_S = 0.5  # time constant of the phase tracking
LEARN_S = 0.25  # longer than any usual chunk, inside which liblsl makes the stamps even
SHORT_S = 0.02  # a hiccup of a program that stamps its chunks as it sends them; longer ones are rare
EARLY_S = 0.1  # the same while little is known
SETTLED_S = 0.1  # the first stamps are trusted as if so much had been seen before them
JITTER_S = 5.0  # memory of the mean deviation
SPREAD_S = 60.0  # memory of the largest deviation
JITTER_TIMES = 8.0  # mean deviations; 6 standard deviations of a Gaussian one
SPREAD_TIMES = 2.0  # largest deviations
GOOD_PERIODS = 0.45  # stamps that deviate by less are good to half a sample
CLEAN_PERIODS = 0.1  # stamps made by counting samples deviate by less
REPEAT_S = 1.0  # how far back a repeated sample is recognised
PACED_S = 0.05  # repeats that come for so long no faster than samples do: the clock was set back by whole periods
SENT_TWICE = 2  # a sample sent twice has its stamp twice: that many more with it are a chunk of one stamp
LARGEST_RATE_ERROR = 0.01
LEAD_FALLS = 1e-3  # per second: faster than any two clocks drift apart
SAME_CLOCK_S = 60.0  # stamps further than this from the local clock are of another clock
NEVER = -math.inf


@dataclass
class Stretch:
    """What the next samples are: `repeats` to drop first, then `lost` periods, then `samples` without a break."""

    repeats: int = 0
    lost: int = 0
    samples: int = 0


class Timeline:
    """Follows the time stamps of one stream.

    Parameters
    ----------
    fs_hz : float
        Nominal rate.

    Attributes
    ----------
    clock_jumps : int
        Times the stamps jumped without samples missing.
    period : float
        Tracked sample period, s.
    counted : bool
        Whether the stream itself counts its samples, so that the stamps need not.
    """

    def __init__(self, fs_hz: float) -> None:
        self.period = 1.0 / fs_hz
        self.clock_jumps = 0
        self.counted = False
        self._nominal = 1.0 / fs_hz
        self._next = 0.0  # stamp expected of the next sample
        self._jitter = 0.0  # mean deviation
        self._spread = 0.0  # largest deviation of late
        self._seen = 0
        self._updates = 0
        self._apart = 0.0  # samples since the centre of the last stretch
        self._learning = True
        self._suspected = 0  # while learning: periods that may be missing
        self._lead = NEVER  # stamps ahead of the local clock, at most; falls behind slowly
        self._received = NEVER  # when the last samples were, on the local clock
        self._returned = False
        self._recent = np.full(max(2, math.ceil(REPEAT_S * fs_hz)), np.nan)  # stamps of the last samples, a ring
        self._match = np.zeros(len(self._recent), np.bool_)
        self._distance = np.zeros(len(self._recent))
        self._newest = NEVER  # last stamp
        self._repeats_in_a_row = 0
        self._repeats_since = 0.0
        self._hole = 0  # periods of the newest gap that samples with the stamp at its end may yet claim
        self._hole_end = 0  # samples seen before it
        self._stretch = Stretch()

    @property
    def exact(self) -> bool:
        """Whether the stamps are good enough to count every missing sample."""
        return self._spread < GOOD_PERIODS * self._nominal

    @property
    def timing(self) -> str:
        """How samples are counted: "counted" by the stream, "exact" by good stamps, or "estimated"."""
        return "counted" if self.counted else "exact" if self.exact else "estimated"

    @property
    def newest(self) -> float:
        """Time of the newest sample accounted for, s on the stamps' clock."""
        return self._next - self.period

    @property
    def limit(self) -> float:
        """Largest deviation that is not looked into, s."""
        if self.exact:
            return 0.5 * self.period
        return self._jitter_limit()

    def _jitter_limit(self) -> float:
        least = EARLY_S if self._seen * self._nominal < 2 * LEARN_S else SHORT_S
        return max(least, SPREAD_TIMES * self._spread, JITTER_TIMES * self._jitter)

    def returned(self) -> None:
        """The amplifier was away and is back: the next sample ends its absence, whatever its clock says."""
        self._returned = self._seen > 0
        self._lead = NEVER

    def deviation(self, stamp: float) -> float:
        """How far the stamp of the next sample is from the one expected, s."""
        return stamp - self._next if self._seen else 0.0

    def missing(self, stamp: float, now: float) -> float:
        """Sample periods that the stamps say are missing before `stamp`; 0 where the clock jumped."""
        ahead = stamp - self._next
        if not math.isfinite(ahead) or self._seen == 0:
            return 0.0
        away = now - self._received
        if self._returned and abs(ahead - away) > REPEAT_S:
            return max(0.0, away / self.period)
        if self._ran_ahead(ahead, now):
            return 0.0
        return ahead / self.period

    def account(self, stamps: NDArray[np.float64], now: float) -> Stretch:
        """Account for the first samples of `stamps`, up to the next break.

        Parameters
        ----------
        stamps : ndarray of float64, shape (samples,), s
            At least one.
        now : float
            When the samples were received, s on the local clock.

        Returns
        -------
        Stretch
            The same object at every call. The caller passes what it did not cover again.
        """
        stretch = self._stretch
        stretch.repeats = stretch.lost = 0
        samples = len(stamps)
        first = float(stamps[0])
        if not (math.isfinite(first) and math.isfinite(stamps[samples - 1])):
            return self._count_only()
        if self._seen == 0:
            self._next = first

        ahead = first - self._next
        if self._returned:
            stretch.lost += self._end_absence(first, now)
            ahead = 0.0
        else:
            if first < self._newest or -ahead > self.limit or (self._hole and first == self._newest):
                stretch.repeats = self._repeated(stamps, first)
                if stretch.repeats and not self._set_back(stretch, samples, first, now):
                    stretch.samples = 0
                    return stretch
                ahead = first - self._next
            if ahead > self.limit:
                ahead = self._skip(stretch, stamps, ahead, now)
            elif ahead < 0:
                ahead = self._behind(first, ahead)

        if self._learning and not self.exact:
            self._not_exact(0.0)
        if self._learning and self._seen * self._nominal >= LEARN_S:
            self._learning = False
            stretch.lost += self._suspected
            self._suspected = 0
        limit = self.limit
        if samples > 1 and not self.exact:
            samples = self._before_repeats(stamps)
        last_error = float(stamps[samples - 1]) - self._next - (samples - 1) * self.period
        if abs(last_error) > limit and samples > 1:
            samples = self._break(stamps[:samples], limit)
            last_error = float(stamps[samples - 1]) - self._next - (samples - 1) * self.period
        self._accept(stamps[:samples], ahead, last_error, now)
        stretch.samples = samples
        return stretch

    def follow(self, stamps: NDArray[np.float64], lost: int, now: float) -> None:
        """Take all of `stamps`, before which `lost` periods are missing: the stream says so itself."""
        while len(stamps):
            taken = self._follow(stamps, lost, now)
            stamps, lost = stamps[taken:], 0

    def _follow(self, stamps: NDArray[np.float64], lost: int, now: float) -> int:
        """Take the first of `stamps`, up to a jump of the clock; returns how many these are."""
        samples = len(stamps)
        first, last = float(stamps[0]), float(stamps[samples - 1])
        self._next += lost * self.period
        if not (math.isfinite(first) and math.isfinite(last)):
            self._next += samples * self.period
            self._seen += samples
            return samples
        if self._seen == 0:
            self._next = first
        self._learning = False
        self._repeats_in_a_row = 0
        self._apart += lost
        ahead = first - self._next
        if abs(ahead) > self._jitter_limit():
            if not self._returned:
                self.clock_jumps += 1
            self._next = first
            self._lead = NEVER
            ahead = 0.0
        self._returned = False
        last_error = last - self._next - (samples - 1) * self.period
        if abs(last_error - ahead) > self._jitter_limit():  # the clock jumps in between
            samples = self._break(stamps, self._jitter_limit())
            stamps = stamps[:samples]
            last_error = float(stamps[samples - 1]) - self._next - (samples - 1) * self.period
        self._accept(stamps, ahead, last_error, now)
        return samples

    # what a stamp that is not the one expected means

    def _ran_ahead(self, ahead: float, now: float) -> bool:
        """Whether the clock jumped forward: the stamps lead the local clock as never before, and no time has passed.

        Samples may come late, and then many at once; they never come earlier after their stamps than they did before.
        """
        if ahead < SHORT_S or now - self._received > 0.5 * ahead:
            return False
        most = max(self._lead, 0.0) if abs(self._lead) < SAME_CLOCK_S else self._lead
        return self._next + ahead - now > most + SHORT_S

    def _skip(self, stretch: Stretch, stamps: NDArray[np.float64], ahead: float, now: float) -> float:
        """Judge stamps `ahead` seconds late; returns what is left of it as a deviation."""
        if self._ran_ahead(ahead, now):
            self._jump(self._next + ahead)
            return 0.0
        lost = round(ahead / self.period)
        left = ahead - lost * self.period
        if self._learning and ahead < EARLY_S:
            self._suspected += lost
            self._move(lost, 0.0)
            return left
        if self.exact and (equal := self._one_stamp(stamps, lost)) > 1:
            whole = equal < len(stamps)  # else more of its chunk may follow
            lost = max(0, lost + 1 - equal) if whole or ahead >= EARLY_S else 0
            stretch.lost += lost
            self._move(lost, 0.0)
            return self._not_exact(ahead - lost * self.period)
        if ahead < SHORT_S:
            odd = max(CLEAN_PERIODS, 2.0 * self._spread / self._nominal) * self._nominal
            if abs(left) > odd:  # no whole number of periods: a hiccup of the program that stamps
                return self._not_exact(ahead)
        stretch.lost += lost
        self._hole, self._hole_end = lost if self.exact and ahead < EARLY_S else 0, self._seen
        if self._spread < CLEAN_PERIODS * self._nominal:
            self._move(lost, left)  # a good stamp after a gap is a better anchor than the count
            self._turn(left / (lost + TRACK_S / self._nominal))  # and a long gap shows the rate well
            return 0.0
        self._move(lost, 0.0)
        return left

    def _behind(self, stamp: float, ahead: float) -> float:
        """Judge stamps before the one expected that are no repeats; returns what counts as deviation."""
        if -ahead <= self.limit:
            return ahead
        if -ahead < (EARLY_S if self._learning else SHORT_S):
            return self._not_exact(ahead)
        self._jump(stamp)
        return 0.0

    def _not_exact(self, deviation: float) -> float:
        """The stamps turn out to be worse than half a sample; what was suspected to be gaps was that."""
        self._spread = max(self._spread, abs(deviation), GOOD_PERIODS * self._nominal)
        self._next -= self._suspected * self.period
        self._spread = max(self._spread, self._suspected * self.period)
        deviation += self._suspected * self.period
        self._suspected = 0
        self._learning = False
        return deviation

    def _end_absence(self, stamp: float, now: float) -> int:
        """Periods that the amplifier was away: by its stamps, or by our clock where it has another one now."""
        lost = max(0, round(self.missing(stamp, now)))
        if abs(stamp - self._next - lost * self.period) > REPEAT_S:
            self.clock_jumps += 1
        self._returned = False
        self._apart += lost
        self._next = stamp
        return lost

    def _move(self, lost: int, left: float) -> None:
        self._next += lost * self.period + left
        self._apart += lost

    def _jump(self, stamp: float) -> None:
        self.clock_jumps += 1
        self._next = stamp
        self._lead = NEVER

    def _count_only(self) -> Stretch:
        """Take the next sample as the one expected: a stamp that is no number says nothing."""
        self._next += self.period
        self._stretch.samples = 1
        return self._stretch

    # repeats

    def _place(self, stamp: float) -> int:
        """Where the stamp stands in the ring of those seen; -1 where it does not."""
        same = max(2e-9, 8.0 * math.ulp(stamp))
        np.subtract(self._recent, stamp, out=self._distance)
        np.abs(self._distance, out=self._distance)
        np.less_equal(self._distance, same, out=self._match)
        place = int(self._match.argmax())
        return place if self._match[place] else -1

    def _repeated(self, stamps: NDArray[np.float64], first: float) -> int:
        """How many of the first samples were seen before: their stamps follow one another in the ring."""
        if first == self._newest:
            if self._hole and self._seen == self._hole_end + 1:
                return self._fill(_equal(stamps))
            if not self._repeats_in_a_row and (self._learning or not self.exact):
                return 0  # some amplifiers give all samples of a chunk one stamp
            if self.exact and (equal := _equal(stamps)) >= SENT_TWICE:
                self._stretch.lost += self._repeats_in_a_row  # what was dropped of them
                self._move(self._repeats_in_a_row, 0.0)
                self._not_exact(equal * self.period)
                return 0
        place = self._place(first)
        if place < 0:
            return 0
        newest = (self._seen - 1) % len(self._recent)
        repeats, same = 1, max(2e-9, 8.0 * math.ulp(first))
        while repeats < len(stamps) and place != newest:
            place = (place + 1) % len(self._recent)
            if abs(self._recent[place] - stamps[repeats]) > same:
                by_chance = repeats == 1 and (stamps[1] <= self._newest or not self.exact)
                return 0 if by_chance else repeats
            repeats += 1
        return repeats

    def _one_stamp(self, stamps: NDArray[np.float64], missing: int) -> int:
        """How many of the first samples carry one stamp because their chunk does; 1 where they do not.

        Before the last of a chunk `missing` periods seem to be missing, and its other samples are what fills them. One
        that leaves some and is followed by the very next sample is a chunk of one sample, sent twice after a gap.
        """
        equal = _equal(stamps)
        if 1 < equal < len(stamps) and equal <= missing and stamps[equal] - stamps[0] < 1.5 * self.period:
            return 1
        return equal

    def _fill(self, equal: int) -> int:
        """How many of `equal` samples with the newest stamp to drop: their periods were counted as a gap before it.

        Its stamp came alone, so it was not seen that the stamps had turned bad.
        """
        self._not_exact(self._hole * self.period)
        filled = min(equal, self._hole)
        self._hole -= filled
        return filled

    def _before_repeats(self, stamps: NDArray[np.float64]) -> int:
        """How many of the first samples come before one whose stamp was seen before."""
        backward = self._match[: len(stamps) - 1]
        if len(backward) != len(stamps) - 1:
            return len(stamps)
        np.less(stamps[1:], stamps[:-1], out=backward)
        if not backward[backward.argmax()]:
            return len(stamps)
        for i in (np.flatnonzero(backward) + 1).tolist():  # a few, and only where stamps are bad
            stamp = float(stamps[i])
            if (stamps[:i] == stamp).any() or self._place(stamp) >= 0:
                return int(i)
        return len(stamps)

    def _set_back(self, stretch: Stretch, samples: int, stamp: float, now: float) -> bool:
        """Whether what looks like repeats is a clock set back by whole periods: it goes on at the pace of samples.

        Those dropped as repeats until this was clear are lost. Repeats that new ones follow among the `samples` at hand
        were late with the pull, no more.
        """
        if self._repeats_in_a_row == 0:
            self._repeats_since = max(now, self._received)
        dropped = self._repeats_in_a_row
        self._repeats_in_a_row += stretch.repeats
        passed = now - self._repeats_since
        if passed < PACED_S or dropped * self.period > 2.0 * passed or stretch.repeats < samples:
            return False
        self._recent[:] = np.nan  # the stamps to come are seen for the first time
        stretch.repeats = 0
        stretch.lost = dropped
        self._apart += dropped
        self._jump(stamp)
        return True

    def _remember(self, stamps: NDArray[np.float64]) -> None:
        length = len(self._recent)
        stamps = stamps[-length:]
        place = self._seen % length
        fits = min(len(stamps), length - place)
        self._recent[place : place + fits] = stamps[:fits]
        if fits < len(stamps):
            self._recent[: len(stamps) - fits] = stamps[fits:]

    # tracking

    def _break(self, stamps: NDArray[np.float64], limit: float) -> int:
        """How many of the first samples come without a break."""
        for i in range(1, len(stamps)):
            if not abs(float(stamps[i]) - self._next - i * self.period) <= limit:
                return i
        return len(stamps)

    def _accept(self, stamps: NDArray[np.float64], first_error: float, last_error: float, now: float) -> None:
        samples = len(stamps)
        if len(stamps) <= len(self._recent):
            self._remember(stamps)
        self._newest = float(stamps[samples - 1])
        self._received = now
        self._repeats_in_a_row = 0
        self._lead = max(self._newest - now, self._lead - LEAD_FALLS * samples * self._nominal)
        self._track(0.5 * (first_error + last_error), samples)
        if self._updates > 2:  # before, the real rate is not known
            largest = max(abs(first_error), abs(last_error))
            self._spread = max(largest, self._spread * math.exp(-samples * self._nominal / SPREAD_S))

    def _track(self, error: float, samples: int) -> None:
        """Follow phase and rate: a least-squares line at first, then one that forgets with `TRACK_S`."""
        self._updates += 1
        k = 1.0 + (self._seen + SETTLED_S / self._nominal) / samples
        share = min(1.0, samples * self._nominal / TRACK_S)
        phase = min(1.0, max(2.0 * (2 * k - 1) / (k * (k + 1)), share))
        rate = max(6.0 / (k * (k + 1)), 0.25 * share * share)
        self._apart += 0.5 * samples
        self._next += samples * self.period + phase * error
        before = self.period
        self._turn(min(1.0, rate) * error / self._apart)
        self._next += 0.5 * samples * (self.period - before)  # the line turns about the centre of the stretch
        self._apart = 0.5 * samples
        self._seen += samples
        length = min(self._seen, JITTER_S / self._nominal)  # a plain mean at first
        self._jitter += min(1.0, samples / length) * (abs(error) - self._jitter)

    def _turn(self, change: float) -> None:
        least, most = self._nominal * (1 - LARGEST_RATE_ERROR), self._nominal * (1 + LARGEST_RATE_ERROR)
        self.period = min(most, max(least, self.period + change))


def _equal(stamps: NDArray[np.float64]) -> int:
    """How many of the first samples carry the same stamp."""
    equal = 1
    while equal < len(stamps) and stamps[equal] == stamps[0]:
        equal += 1
    return equal
