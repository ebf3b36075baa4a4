"""Samples counted against time stamps: which came, which are missing, which came twice.

An amplifier's samples are evenly spaced, so each stamp is compared with the one expected. The real rate is tracked
(stamp_line.py); what the stamps deviate beyond it is jitter, a gap or a jump of the clock:

- Stamps good to half a sample period (`timing` "exact"): whole periods ahead are a gap of as many samples.
- Worse stamps ("estimated"): only what no jitter of the last minute comes near is a gap, to the nearest period.
- Until some stamps are known, one a chunk, it is not clear which of the two they are. A gap below `EARLY_S` is then
  counted when it is, and `timing` is "estimated" as long as one is open. Those no longer than the jitter are not.
- A sample that was seen before is a repeat (seen_stamps.py): its stamp is the same, and its values where the caller
  gives their prints. Other stamps that go back are jitter or a clock that jumped, and so are stamps that run ahead of
  the local clock although no time has passed here.
- Samples of a chunk that all carry one stamp are new ones with bad stamps. Among exact stamps they are told by the
  periods before them, which they fill, or by being more than two. A stamp that comes just when due, twice, is a chunk
  of one sample sent twice, and so is one whose values come twice, unless they are those of the sample before as well.
  A chunk of one stamp that is sent twice at once looks like a longer one: it is taken as new.
- Where only the first of such a chunk came with a pull, it looked like a gap: the others, `EARLY_S` of them at most,
  are dropped, for their periods are counted already. This happens once, since `timing` is "estimated" from then on.
- A clock set back by whole periods (to 2 ns), by less than `REPEAT_S`, gives stamps that were all seen before. Their
  values were not: with prints it costs nothing. Without them, or where every channel is dead, only the pace tells it
  from repeats: the samples of the first `PACED_S` are dropped, and counted lost.

With a counter in the stream (see counter.py) the stamps only say when: `follow` takes the count as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .seen_stamps import NEW_VALUES, OTHER, Even, SeenStamps
from .stamp_lead import StampLead
from .stamp_line import CLEAN_PERIODS, EARLY_S, SHORT_S, SPREAD_TIMES, StampLine

REPEAT_S = 1.0  # how far back a repeated sample is recognised
PACED_S = 0.05  # repeats that come for so long no faster than samples do: the clock was set back by whole periods
SENT_TWICE = 2  # a sample sent twice has its stamp twice: that many more with it are a chunk of one stamp
ODD_TIMES = 1.5  # largest deviations: a gap leaves no more over whole periods


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
    counted : bool
        Whether the stream itself counts its samples, so that the stamps need not.
    """

    def __init__(self, fs_hz: float) -> None:
        self.clock_jumps = 0
        self.counted = False
        self._line = StampLine(fs_hz)
        self._seen = SeenStamps(max(2, math.ceil(REPEAT_S * fs_hz)))
        self._unknown = np.zeros(64, np.int64)  # prints of samples whose values are not given
        self._learning = True
        self._suspected: list[int] = []  # while learning: gaps there may have been, periods
        self._lead = StampLead()
        self._returned = False
        self._repeats_in_a_row = 0
        self._repeats_since = 0.0
        self._hole = 0  # periods of the newest gap that samples with the stamp at its end may yet claim
        self._hole_end = 0  # samples seen before it
        self._stretch = Stretch()

    @property
    def period(self) -> float:
        """Tracked sample period, s."""
        return self._line.period

    @property
    def exact(self) -> bool:
        """Whether the stamps are good enough to count every missing sample."""
        return self._line.exact

    @property
    def timing(self) -> str:
        """How samples are counted: "counted" by the stream, "exact" by good stamps, or "estimated"."""
        return "counted" if self.counted else "exact" if self.exact and not self._suspected else "estimated"

    @property
    def newest(self) -> float:
        """Time of the newest sample accounted for, s on the stamps' clock."""
        return self._line.next - self._line.period

    @property
    def limit(self) -> float:
        """Largest deviation that is not looked into, s."""
        return self._line.limit

    def returned(self) -> None:
        """The amplifier was away and is back: the next sample ends its absence, whatever its clock says."""
        self._returned = self._line.samples > 0
        self._lead.forget()

    def deviation(self, stamp: float) -> float:
        """How far the stamp of the next sample is from the one expected, s."""
        return stamp - self._line.next if self._line.samples else 0.0

    def missing(self, stamp: float, now: float) -> float:
        """Sample periods that the stamps say are missing before `stamp`; 0 where the clock jumped."""
        ahead = stamp - self._line.next
        if not math.isfinite(ahead) or self._line.samples == 0:
            return 0.0
        away = now - self._lead.received
        if self._returned and abs(ahead - away) > REPEAT_S:
            return max(0.0, away / self.period)
        if self._lead.ran_ahead(stamp, ahead, now):
            return 0.0
        return ahead / self.period

    def account(self, stamps: NDArray[np.float64], now: float, prints: NDArray[np.int64] | None = None) -> Stretch:
        """Account for the first samples of `stamps`, up to the next break.

        Parameters
        ----------
        stamps : ndarray of float64, shape (samples,), s
            At least one.
        now : float
            When the samples were received, s on the local clock.
        prints : ndarray of int64, shape (samples,), or None
            Of their values (`seen_stamps.print_rows`).

        Returns
        -------
        Stretch
            The same object at every call. The caller passes what it did not cover again.
        """
        stretch, line = self._stretch, self._line
        stretch.repeats = stretch.lost = 0
        samples = len(stamps)
        first, last = stamps.item(0), stamps.item(samples - 1)
        if not (math.isfinite(first) and math.isfinite(last)):
            return self._count_only()
        if prints is None:
            prints = self._no_prints(samples)
        if line.samples == 0:
            line.begin(first)

        ahead, suspected = first - line.next, len(self._suspected)
        if self._returned:
            stretch.lost += self._end_absence(first, now)
            ahead = 0.0
        else:
            limit = line.limit
            if first < line.newest or -ahead > limit or (self._hole and first == line.newest):
                stretch.repeats = self._repeated(stamps, prints, first)
                if stretch.repeats and not self._set_back(stretch, samples, first, now):
                    stretch.samples = 0
                    return stretch
                ahead, limit = first - line.next, line.limit
            if ahead > limit or (self._learning and ahead > line.jitter_seen):
                ahead = self._skip(stretch, stamps, prints, ahead, now)
            elif ahead < 0:
                ahead = self._behind(first, ahead)

        if self._learning and len(self._suspected) <= suspected:  # the samples after a gap tell whether it is one
            stretch.lost += self._learn()
        exact = line.exact
        limit = 0.5 * line.period if exact else line.jitter_limit
        samples = self._seen.take(stamps, prints, not exact, Even(line.next, line.period, limit))
        if samples < len(stamps):
            last = stamps.item(samples - 1)
        self._accept(samples, first, last, ahead, now)
        stretch.samples = samples
        return stretch

    def follow(self, stamps: NDArray[np.float64], lost: int, now: float) -> None:
        """Take all of `stamps`, before which `lost` periods are missing: the stream says so itself."""
        while len(stamps):
            taken = self._follow(stamps, lost, now)
            stamps, lost = stamps[taken:], 0

    def _follow(self, stamps: NDArray[np.float64], lost: int, now: float) -> int:
        """Take the first of `stamps`, up to a jump of the clock; returns how many these are."""
        line, samples = self._line, len(stamps)
        first, last = stamps.item(0), stamps.item(samples - 1)
        line.next += lost * line.period
        if not (math.isfinite(first) and math.isfinite(last)):
            line.count(samples)
            return samples
        if line.samples == 0:
            line.begin(first)
        self._learning = False
        self._suspected.clear()
        line.apart(lost)
        ahead = first - line.next
        limit = line.jitter_limit
        if abs(ahead) > limit:
            if not self._returned:
                self.clock_jumps += 1
            line.begin(first)
            self._lead.forget()
            ahead = 0.0
        self._returned = False
        if abs(last - line.next - (samples - 1) * line.period - ahead) > limit:  # the clock jumps in between
            samples = self._break(stamps, limit)
            stamps, last = stamps[:samples], stamps.item(samples - 1)
        self._seen.take(stamps, self._no_prints(samples), False)
        self._accept(samples, first, last, ahead, now)
        return samples

    def _no_prints(self, samples: int) -> NDArray[np.int64]:
        if samples > len(self._unknown):
            self._unknown = np.zeros(2 * samples, np.int64)
        return self._unknown

    # what a stamp that is not the one expected means

    def _skip(
        self, stretch: Stretch, stamps: NDArray[np.float64], prints: NDArray[np.int64], ahead: float, now: float
    ) -> float:
        """Judge stamps `ahead` seconds late; returns what is left of it as a deviation."""
        line = self._line
        if self._lead.ran_ahead(line.next + ahead, ahead, now):
            self._jump(line.next + ahead)
            return 0.0
        lost = round(ahead / line.period)
        left = ahead - lost * line.period
        odd = abs(left) > max(CLEAN_PERIODS * line.nominal, ODD_TIMES * line.spread)
        if self._learning and ahead < EARLY_S and not line.counts_on(left):
            self._suspected.append(lost)
            line.move(lost)
            return left
        if line.exact and (equal := self._one_stamp(stamps, prints, lost)) > 1:
            whole = equal < len(stamps)  # else more of its chunk may follow
            lost = max(0, lost + 1 - equal) if whole or ahead >= EARLY_S else 0
            stretch.lost += lost
            line.move(lost)
            return self._not_exact(ahead - lost * line.period)
        if ahead < SHORT_S and (odd or ahead < SPREAD_TIMES * line.spread):
            return self._not_exact(ahead)  # a hiccup of the program that stamps, or stamps that are just not good
        stretch.lost += lost
        self._hole, self._hole_end = lost if line.exact and ahead < EARLY_S else 0, line.samples
        if line.clean:
            line.move_good(lost, left)
            return 0.0
        line.move(lost)
        return left

    def _behind(self, stamp: float, ahead: float) -> float:
        """Judge stamps before the one expected that are no repeats; returns what counts as deviation."""
        if -ahead <= self._line.limit:
            return ahead
        if -ahead < (EARLY_S if self._learning else SHORT_S):
            return self._not_exact(ahead)
        self._jump(stamp)
        return 0.0

    def _not_exact(self, deviation: float, shortest: float = SHORT_S) -> float:
        """The stamps turn out to be worse than half a sample; suspected gaps below `shortest` seconds were that.

        Returns `deviation` with these in it.
        """
        line = self._line
        if self._suspected:
            shortest = max(shortest, SPREAD_TIMES * -deviation)
            short = sum(gap for gap in self._suspected if gap * line.nominal < shortest)
            self._suspected = [gap for gap in self._suspected if gap * line.nominal >= shortest]
            line.next -= short * line.period
            line.deviates(short * line.period)
            deviation += short * line.period
        line.deviates(deviation)
        return deviation

    def _learn(self) -> int:
        """Once the stamps are known: the periods of those suspected gaps that are longer than their jitter."""
        line = self._line
        if not line.exact:
            self._not_exact(0.0)
        if not line.known:
            return 0
        self._learning = False
        shortest = 0.0 if line.exact else line.jitter_seen
        lost = sum(gap for gap in self._suspected if gap * line.period > shortest)
        self._suspected.clear()
        return lost

    def _end_absence(self, stamp: float, now: float) -> int:
        """Periods that the amplifier was away: by its stamps, or by our clock where it has another one now."""
        line = self._line
        lost = max(0, round(self.missing(stamp, now)))
        if abs(stamp - line.next - lost * line.period) > REPEAT_S:
            self.clock_jumps += 1
        self._returned = False
        line.apart(lost)
        line.begin(stamp)
        return lost

    def _jump(self, stamp: float) -> None:
        self.clock_jumps += 1
        self._lead.jumped(stamp - self._line.next)
        self._line.begin(stamp)

    def _count_only(self) -> Stretch:
        """Take the next sample as the one expected: a stamp that is no number says nothing."""
        self._line.next += self._line.period
        self._stretch.samples = 1
        return self._stretch

    # repeats

    def _repeated(self, stamps: NDArray[np.float64], prints: NDArray[np.int64], first: float) -> int:
        """How many of the first samples were seen before; a clock set back by whole periods is followed."""
        line = self._line
        good = line.exact and not self._learning
        if first == line.newest and not (good and self._seen.again(prints.item(0))):
            if self._hole and line.samples == self._hole_end + 1:
                return self._fill(_equal(stamps))
            if not self._repeats_in_a_row and not good:
                if self._suspected:
                    self._not_exact(first - line.next, EARLY_S)
                return 0  # some amplifiers give all samples of a chunk one stamp
            if line.exact and (equal := _equal(stamps)) >= SENT_TWICE:
                self._stretch.lost += self._repeats_in_a_row  # what was dropped of them
                line.move(self._repeats_in_a_row)
                self._not_exact(equal * line.period)
                return 0
        repeats = self._seen.repeats(stamps, prints)
        if repeats == NEW_VALUES:
            if line.exact and first < line.newest:
                self._jump(first)
            return 0
        if repeats == OTHER:
            by_chance = stamps.item(1) <= line.newest or not line.exact
            return 0 if by_chance else 1
        return repeats

    def _one_stamp(self, stamps: NDArray[np.float64], prints: NDArray[np.int64], missing: int) -> int:
        """How many of the first samples carry one stamp because their chunk does; 1 where they do not.

        Before the last of a chunk `missing` periods seem to be missing, and its other samples are what fills them. One
        that leaves some and is followed by the very next sample is a chunk of one sample, sent twice after a gap. So is
        one whose values come again at once.
        """
        equal, mark = _equal(stamps), prints.item(0)
        if equal > 1 and mark != 0 and mark == prints.item(1) and not self._seen.newest_has(mark):
            return 1
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

    def _set_back(self, stretch: Stretch, samples: int, stamp: float, now: float) -> bool:
        """Whether what looks like repeats is a clock set back by whole periods: it goes on at the pace of samples.

        Those dropped as repeats until this was clear are lost. Repeats that new ones follow among the `samples` at hand
        were late with the pull, no more.
        """
        if self._repeats_in_a_row == 0:
            self._repeats_since = max(now, self._lead.received)
        dropped = self._repeats_in_a_row
        self._repeats_in_a_row += stretch.repeats
        passed = now - self._repeats_since
        if passed < PACED_S or dropped * self.period > 2.0 * passed or stretch.repeats < samples:
            return False
        self._seen.forget()
        stretch.repeats = 0
        stretch.lost = dropped
        self._line.apart(dropped)
        self._jump(stamp)
        return True

    def _break(self, stamps: NDArray[np.float64], limit: float) -> int:
        """How many of the first samples come without a break."""
        line = self._line
        for i, stamp in enumerate(stamps.tolist()):
            if i and not abs(stamp - line.next - i * line.period) <= limit:
                return i
        return len(stamps)

    def _accept(self, samples: int, first: float, last: float, error: float, now: float) -> None:
        """Take samples of which the first is `error` seconds off the line."""
        line = self._line
        last_error = last - line.next - (samples - 1) * line.period
        line.accept(samples, first, last, error, last_error)
        self._repeats_in_a_row = 0
        self._lead.accept(last, now, samples * line.nominal)


def _equal(stamps: NDArray[np.float64]) -> int:
    """How many of the first samples carry the same stamp."""
    equal = 1
    while equal < len(stamps) and stamps[equal] == stamps[0]:
        equal += 1
    return equal
