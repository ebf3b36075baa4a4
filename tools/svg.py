"""Pieces of SVG files written by hand: text stays text, numbers are short, the same picture is the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .palette import FAINT, MEASURED

CHARACTER = 0.62  # of the font's size, that a character of a sentence takes, on the safe side
ARROW = 5.0  # px
TICK, TICK_SIZE, LABEL_SIZE, TITLE_SIZE = 4.0, 11.3, 12.0, 12.7


def printable(words: str) -> str:
    """`words` without what no XML file may hold, such as control characters of a file's name."""
    return "".join(character for character in words if character.isprintable())


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """One element; `content` is SVG already. ``stroke_width=1.5`` becomes ``stroke-width="1.5"``, ``class_`` class."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{value if isinstance(value, str) else px(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>"


def px(value: float) -> str:
    """A length as text, to a hundredth of a pixel."""
    return f"{round(value, 2) + 0.0:.10g}"  # + 0.0: no minus zero


def text(x: float, y: float, words: str, colour: str, anchor: str = "start", more: str = "") -> str:
    """Words that start, end or are centred at x; `more` are further attributes, as SVG."""
    return f'<text x="{px(x)}" y="{px(y)}" fill="{colour}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def sized(size: float) -> str:
    """A font's size, for `text`."""
    return f' font-size="{size:g}"'


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers from `low` to `high`, `most` at most."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * mantissa for mantissa in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [step * number for number in range(first, last + 1)]
    raise ValueError(f"no ticks from {low:g} to {high:g}")


def signed(value: float) -> str:
    """A tick's number, with the minus sign of the other pictures."""
    return f"{value:g}".replace("-", "−")


@dataclass(frozen=True)
class Panel:
    """A rectangle of the picture, in px, and the numbers that it shows.

    Attributes
    ----------
    left, top, width, height : float, px
    x_from, x_to : float
        What its left and its right edge stand for.
    y_from, y_to : float
        What its upper and its lower edge stand for.
    """

    left: float
    top: float
    width: float
    height: float
    x_from: float
    x_to: float
    y_from: float
    y_to: float

    def x(self, value: float) -> float:
        """Where a number stands across the picture, px."""
        return self.left + (value - self.x_from) / (self.x_to - self.x_from) * self.width

    def y(self, value: float) -> float:
        """Where a number stands down the picture, px."""
        return self.top + (value - self.y_from) / (self.y_to - self.y_from) * self.height

    @property
    def right(self) -> float:
        """Its right edge, px."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge, px."""
        return self.top + self.height

    def axes(
        self,
        title: str,
        x_words: str,
        y_words: str,
        x_ticks: Sequence[tuple[float, str]] | None = None,
        y_ticks: Sequence[float] | None = None,
    ) -> str:
        """Title, both axes and their ticks: round numbers unless they are given, along x with their words."""
        across = [(at, signed(at)) for at in ticks(self.x_from, self.x_to)] if x_ticks is None else x_ticks
        up = ticks(*sorted((self.y_from, self.y_to))) if y_ticks is None else y_ticks
        middle = self.top + self.height / 2
        marks = "".join(f"M{px(self.x(at))} {px(self.bottom)}v{TICK:g}" for at, _ in across)
        marks += "".join(f"M{px(self.left)} {px(self.y(at))}h{-TICK:g}" for at in up)
        frame = f"M{px(self.left)} {px(self.top)}V{px(self.bottom)}H{px(self.right)}"
        small, usual = sized(TICK_SIZE), sized(LABEL_SIZE)
        turned = f' transform="rotate(-90 {px(self.left - 44)} {px(middle)})"'
        return "\n".join(
            [
                text(self.left, self.top - 12, title, MEASURED, more=sized(TITLE_SIZE)),
                element("path", d=frame + marks, fill="none", stroke=FAINT),
                *(text(self.x(at), self.bottom + 17, told, MEASURED, "middle", small) for at, told in across),
                *(text(self.left - 8, self.y(at) + 4, signed(at), MEASURED, "end", small) for at in up),
                text(self.left + self.width / 2, self.bottom + 37, x_words, MEASURED, "middle", usual),
                text(self.left - 44, middle, y_words, MEASURED, "middle", usual + turned),
            ]
        )

    def span(self, start: tuple[float, float], end: tuple[float, float]) -> str:
        """Path of a line between two places that lie beside or above each other; an arrow where it leaves the panel."""
        drawn, arrows = [], ""
        for x, y in (start, end):
            there = (self.x(x), self.y(y))
            cut = (min(max(there[0], self.left), self.right), min(max(there[1], self.top), self.bottom))
            drawn.append(cut)
            if math.dist(there, cut) > 0.005:
                away = [(b > a) - (b < a) for a, b in zip(cut, there, strict=True)]
                for side in (-1, 1):
                    from_x = cut[0] - ARROW * away[0] + side * 0.7 * ARROW * away[1]
                    from_y = cut[1] - ARROW * away[1] + side * 0.7 * ARROW * away[0]
                    arrows += f"M{px(from_x)} {px(from_y)}L{px(cut[0])} {px(cut[1])}"
        (x1, y1), (x2, y2) = drawn
        return f"M{px(x1)} {px(y1)}L{px(x2)} {px(y2)}{arrows}"
