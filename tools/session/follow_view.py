"""Target and level in the terminal while a person follows: two curves in braille, drawn anew 12 times a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from .target import TICK_S, Target

REFRESH_S = 0.075
HEIGHT = 14  # lines
MOST_COLUMNS = 110
ABOVE = 1.4  # times the highest target, that is shown
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a braille cell, by column and row


class View(Protocol):
    """Shows how it goes."""

    def update(self, time_s: float, level: float) -> None:
        """The level at a time since the start."""


class NoView:
    """Nobody watches."""

    def update(self, time_s: float, level: float) -> None:
        """Nothing."""


class FollowView:
    """Draws target and level.

    Parameters
    ----------
    live : rich.live.Live
    width : int
        Columns of the terminal.
    target : Target or None
        None shows a bar alone: the reference contraction, whose scale is not known yet.
    seconds : float

    Attributes
    ----------
    drawn : int
        How often it was drawn.
    """

    def __init__(self, live: Live, width: int, target: Target | None, seconds: float) -> None:
        self._live, self._target, self._seconds = live, target, seconds
        self._columns = max(20, min(MOST_COLUMNS, width - 2))
        self._level = np.full(2 * self._columns, np.nan)  # a value a column of dots
        self._highest = 1e-9
        self._at = -np.inf
        self.drawn = 0

    def update(self, time_s: float, level: float) -> None:
        """Remember the level, and draw when it is time."""
        self._highest = max(self._highest, level)
        place = int(len(self._level) * time_s / self._seconds)
        if 0 <= place < len(self._level):
            self._level[place] = level
        now = time.monotonic()
        if now - self._at >= REFRESH_S:
            self._at = now
            self.drawn += 1
            self._live.update(self._picture(time_s, level), refresh=True)

    def _picture(self, time_s: float, level: float) -> Group:
        if self._target is None:
            filled = round(self._columns * max(0.0, level) / self._highest)
            bar = Text("█" * filled + "░" * (self._columns - filled), style="bold cyan")
            return Group(bar, Text(f"{level:.0f}, highest {self._highest:.0f}   {self._seconds - time_s:.0f} s left"))
        top = ABOVE * self._target.highest
        wanted = float(self._target.at(np.array([time_s]))[0])
        off = level - wanted
        style = "bold green" if abs(off) <= 0.05 else "bold yellow"
        times = self._seconds * (np.arange(len(self._level)) + 0.5) / len(self._level)
        curves = draw_curves(self._target.at(times), self._level, top)
        words = Text.assemble(
            (f" {self._target.word(time_s)} ", style), f"  target {100 * wanted:.0f} %   you {100 * level:.0f} %   "
            f"{max(0.0, self._seconds - time_s):.0f} s left",
        )  # fmt: skip
        return Group(curves, words)


def draw_curves(target: NDArray[np.float64], level: NDArray[np.float64], top: float, height: int = HEIGHT) -> Text:
    """Two curves in braille, from 0 below to `top`; NaN is left out, and where both are, the level shows.

    Parameters
    ----------
    target, level : ndarray of float64, shape (2 * columns,)
        A value a column of dots.
    """
    columns = len(target) // 2
    layers = []
    for values in (target, level):
        cells = np.zeros((height, columns), np.int64)
        last = None
        for x, value in enumerate(values):
            if not np.isfinite(value):
                continue
            y = round((1.0 - min(max(value / top, 0.0), 1.0)) * (4 * height - 1))
            begin = y if last is None else last
            for dot in range(min(begin, y), max(begin, y) + 1):
                cells[dot // 4, x // 2] |= DOTS[x % 2][dot % 4]
            last = y
        layers.append(cells)
    picture = Text()
    for line in range(height):
        for column in range(columns):
            behind, front = int(layers[0][line, column]), int(layers[1][line, column])
            picture.append(chr(0x2800 + (behind | front)), style="bold cyan" if front else "dim")
        picture.append("\n" if line < height - 1 else "")
    return picture


@contextmanager
def shown(console: Console | None, target: Target | None, seconds: float) -> Iterator[View]:
    """A view on this console; None, or a console that is no terminal, shows nothing."""
    if console is None or not console.is_terminal:
        yield NoView()
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield FollowView(live, console.width, target, seconds)


def ticks_of(seconds: float) -> NDArray[np.float64]:
    """Middles of the ticks of so many seconds, s."""
    return TICK_S * (np.arange(int(seconds / TICK_S + 1e-9)) + 0.5)
