"""How far stamps lead the local clock: what tells a clock that jumped forward from samples that are missing.

Samples may come late, and then many at once; they never come earlier after their stamps than they did before.
"""

from __future__ import annotations

import math

from .stamp_line import SHORT_S

LEAD_FALLS = 1e-3  # per second: faster than any two clocks drift apart
SAME_CLOCK_S = 60.0  # stamps further than this from the local clock are of another clock
NEVER = -math.inf


class StampLead:
    """The largest lead of late.

    Attributes
    ----------
    received : float
        When the last samples were, s on the local clock.
    """

    def __init__(self) -> None:
        self.received = NEVER
        self._most = NEVER  # falls slowly
        self._jumped = False  # so that the stamps' clock is not ours, however close the two are

    def forget(self) -> None:
        """The stamps to come are of another clock, or may be."""
        self._most = NEVER
        self._jumped = False

    def jumped(self, seconds: float) -> None:
        """The stamps' clock jumped by so much."""
        self._most += seconds
        self._jumped = True

    def accept(self, stamp: float, now: float, seconds: float) -> None:
        """Samples of so many seconds were received, the last of which has this stamp."""
        self.received = now
        self._most = max(stamp - now, self._most - LEAD_FALLS * seconds)

    def ran_ahead(self, stamp: float, ahead: float, now: float) -> bool:
        """Whether the clock jumped, if `stamp` is `ahead` seconds late: a lead as never before, and no time passed."""
        if ahead < SHORT_S or now - self.received > 0.5 * ahead:
            return False
        same_clock = abs(self._most) < SAME_CLOCK_S and not self._jumped
        most = max(self._most, 0.0) if same_clock else self._most
        return stamp - now > most + SHORT_S
