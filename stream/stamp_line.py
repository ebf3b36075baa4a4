"""The line that evenly spaced stamps lie on, and how far off it they are: phase, real rate and jitter, tracked."""

from __future__ import annotations

import math

TRACK_S = 0.5  # time constant of the phase tracking
SETTLED_S = 0.1  # the first stamps are trusted as if so much had been seen before them
LEARN_S = 0.25  # before, and before `KNOWN_STAMPS`, it is not known how good the stamps are
KNOWN_STAMPS = 8  # so many that do not count on evenly from the one before, as the first of a chunk does not
EVEN_S = 0.5  # or stamps that count on for so long: longer than any usual chunk, inside which liblsl makes them even
EVEN_PERIODS = 1e-3  # stamps that count on are whole periods apart to so much; hardly any jitter is
JITTER_S = 5.0  # memory of the mean deviation
SPREAD_S = 60.0  # memory of the largest deviation
JITTER_TIMES = 8.0  # mean deviations; 6 standard deviations of a Gaussian one
SPREAD_TIMES = 2.0  # largest deviations
FEW_TIMES = 16.0  # over the stamps known: the largest of few is soon passed
SHORT_S = 0.02  # a hiccup of a program that stamps its chunks as it sends them; longer ones are rare
EARLY_S = 0.1  # the same while little is known
GOOD_PERIODS = 0.45  # stamps that deviate by less are good to half a sample
CLEAN_PERIODS = 0.1  # stamps made by counting samples deviate by less
LARGEST_RATE_ERROR = 0.01


class StampLine:
    """Tracks the stamps of one stream.

    Parameters
    ----------
    fs_hz : float
        Nominal rate.

    Attributes
    ----------
    period, nominal : float
        Tracked and nominal sample period, s.
    next : float
        Stamp expected of the next sample, s.
    newest : float
        Stamp of the last sample, s.
    samples : int
        Taken so far.
    spread, jitter : float
        Largest and mean deviation of late, s.
    """

    def __init__(self, fs_hz: float) -> None:
        self.period = self.nominal = 1.0 / fs_hz
        self.next = 0.0
        self.newest = -math.inf
        self.samples = 0
        self.spread = 0.0
        self.jitter = 0.0
        self._updates = 0
        self._apart = 0.0  # samples since the centre of the last stretch
        self._stamps = 0  # that do not count on evenly from the one before
        self._even = 0  # samples since the last of them

    @property
    def exact(self) -> bool:
        """Whether the stamps are good enough to count every missing sample."""
        return self.spread < GOOD_PERIODS * self.nominal

    @property
    def clean(self) -> bool:
        """Whether they are as good as the count itself."""
        return self.spread < CLEAN_PERIODS * self.nominal

    @property
    def known(self) -> bool:
        """Whether enough was seen to say how good they are."""
        seconds = self.samples * self.nominal
        return seconds >= LEARN_S and (self._stamps >= KNOWN_STAMPS or self._even * self.nominal >= EVEN_S)

    def counts_on(self, left: float) -> bool:
        """Whether a gap that leaves `left` seconds over whole periods follows stamps that were even so far."""
        even = self._stamps <= 1 and self._even * self.nominal >= LEARN_S  # the first of all is one
        return even and abs(left) < EVEN_PERIODS * self.nominal

    @property
    def limit(self) -> float:
        """Largest deviation that is not looked into, s."""
        return 0.5 * self.period if self.exact else self.jitter_limit

    @property
    def jitter_limit(self) -> float:
        """The same where stamps are not exact, s."""
        few = self._stamps < KNOWN_STAMPS or self.samples * self.nominal < 2 * LEARN_S
        return max(EARLY_S, self.jitter_seen) if few else self.jitter_seen

    @property
    def jitter_seen(self) -> float:
        """The same by what was seen so far, be it little, s."""
        times = SPREAD_TIMES + FEW_TIMES / max(KNOWN_STAMPS, self._stamps)
        return max(SHORT_S, times * self.spread, JITTER_TIMES * self.jitter)

    def begin(self, stamp: float) -> None:
        """Expect `stamp` next; the rate stays."""
        self.next = stamp

    def move(self, samples: int, left: float = 0.0) -> None:
        """Expect the next stamp `samples` periods and `left` seconds later."""
        self.next += samples * self.period + left
        self._apart += samples

    def move_good(self, samples: int, left: float) -> None:
        """As `move`, where the stamp is a better anchor than the count: a long gap shows the rate well."""
        self.move(samples, left)
        self._turn(left / (samples + TRACK_S / self.nominal))

    def apart(self, samples: int) -> None:
        """So many samples are missing before the stamp expected."""
        self._apart += samples

    def deviates(self, seconds: float) -> None:
        """The stamps are worse than half a sample, and by `seconds` off."""
        self.spread = max(self.spread, abs(seconds), GOOD_PERIODS * self.nominal)

    def count(self, samples: int) -> None:
        """Expect the stamp after `samples` whose own stamps are no numbers."""
        self.next += samples * self.period
        self.samples += samples

    def accept(self, samples: int, first: float, last: float, first_error: float, last_error: float) -> None:
        """Take samples, the first and last of which have these stamps and are so far off the line, s."""
        nominal = self.nominal
        step = (first - self.newest) / nominal
        if not (math.isfinite(step) and abs(step - round(step)) < EVEN_PERIODS and step > 0.5):
            self._stamps += 1
            self._even = 0
        self._even += samples
        self.newest = last
        self._track(0.5 * (first_error + last_error), samples)
        if self._updates > 2:  # before, the real rate is not known
            largest = max(abs(first_error), abs(last_error))
            self.spread = max(largest, self.spread * math.exp(-samples * nominal / SPREAD_S))

    def _track(self, error: float, samples: int) -> None:
        """Follow phase and rate: a least-squares line at first, then one that forgets with `TRACK_S`."""
        nominal = self.nominal
        self._updates += 1
        k = 1.0 + (self.samples + SETTLED_S / nominal) / samples
        share = min(1.0, samples * nominal / TRACK_S)
        phase = min(1.0, max(2.0 * (2 * k - 1) / (k * (k + 1)), share))
        rate = max(6.0 / (k * (k + 1)), 0.25 * share * share)
        self._apart += 0.5 * samples
        self.next += samples * self.period + phase * error
        before = self.period
        self._turn(min(1.0, rate) * error / self._apart)
        self.next += 0.5 * samples * (self.period - before)  # the line turns about the centre of the stretch
        self._apart = 0.5 * samples
        self.samples += samples
        length = min(self.samples, JITTER_S / nominal)  # a plain mean at first
        self.jitter += min(1.0, samples / length) * (abs(error) - self.jitter)

    def _turn(self, change: float) -> None:
        least, most = self.nominal * (1 - LARGEST_RATE_ERROR), self.nominal * (1 + LARGEST_RATE_ERROR)
        self.period = min(most, max(least, self.period + change))
