"""A closed loop to start from: a virtual hand that follows the command, and how late it is.

The loop is that of a controller: every millisecond it asks for the command, which is 0 when in doubt, and moves the
hand. Whatever draws the hand must not hold it up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pylsl

from ..stream.client import Client
from ..stream.latency import LatencyHistogram
from ..stream.messages import Drive

PERIOD_S = 0.001
SHOW_S = 1 / 30
BAR = 40  # characters


class Hand:
    """Closes to the command, no faster than its motor.

    Parameters
    ----------
    closing_s : float
        From open to closed at full speed.

    Attributes
    ----------
    closed : float
        From 0, open, to 1.
    """

    def __init__(self, closing_s: float = 0.25) -> None:
        self.closed = 0.0
        self._speed = 1.0 / closing_s

    def move(self, command: float, seconds: float) -> None:
        """Move towards `command` for a while."""
        most = self._speed * max(0.0, seconds)
        self.closed += min(most, max(-most, command - self.closed))


@dataclass
class Followed:
    """How a loop went.

    Attributes
    ----------
    turns, acted, stops : int
        Turns of the loop, new drive messages acted on, and times that the command ended for want of a drive to act on.
    delay : LatencyHistogram
        From the newest sample that a drive message knew to the hand's order, ms.
    group_delay_s : float
        What the drive declares on top: smoothing and look-ahead.
    """

    turns: int = 0
    acted: int = 0
    stops: int = 0
    delay: LatencyHistogram = field(default_factory=LatencyHistogram)
    group_delay_s: float = 0.0


def follow(
    client: Client,
    hand: Hand,
    *,
    stop: Callable[[], bool],
    show: Callable[[Hand, float, str], None] = lambda hand, command, why: None,
    clock: Callable[[], float] = pylsl.local_clock,
    sleep: Callable[[float], None] = time.sleep,
) -> Followed:
    """Move `hand` as the pipeline says until told to stop.

    Parameters
    ----------
    client : Client
        Subscribed to "drive/".
    hand : Hand
    stop : callable
        Asked every turn whether to stop.
    show : callable
        Takes the hand, the command and why it is 0, 30 times a second.
    clock, sleep : callable
        The LSL clock of this machine, and what waits.
    """
    followed = Followed()
    acted_on: Drive | None = None
    following = False
    before = shown = due = clock()
    while not stop():
        command = client.command()
        now = clock()
        hand.move(command, now - before)
        before = now
        followed.turns += 1
        drive = client.newest(Drive)
        why = client.why_not(now)
        if not why and drive is not None and drive is not acted_on:
            acted_on = drive
            followed.acted += 1
            followed.delay.record(1e3 * (client.age_s(drive, clock()) + drive.t_pub - drive.t))
            followed.group_delay_s = drive.delay_s
        followed.stops += following and bool(why)
        following = not why
        if now - shown >= SHOW_S:
            shown = now
            show(hand, command, why)
        due = max(due + PERIOD_S, now)  # a turn that came late does not make the next ones hurry
        sleep(max(0.0, due - clock()))
    return followed


def drawn(hand: Hand, command: float, why: str) -> str:
    """The hand as one line of text."""
    filled = round(BAR * hand.closed)
    fingers = "\\|/" if hand.closed < 0.33 else "(|)" if hand.closed < 0.67 else "(@)"
    return f"{fingers} {'█' * filled}{'░' * (BAR - filled)} command {command:4.2f}  {why}"
