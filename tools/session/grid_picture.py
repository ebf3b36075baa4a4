"""The channels' quality where they are: in the terminal and as an SVG file."""

from __future__ import annotations

import os

import numpy as np
from rich.table import Table
from rich.text import Text

from ...stream.geometry import Geometry
from ..palette import MEASURED, SOFT
from ..svg import LABEL_SIZE, TICK_SIZE, TITLE_SIZE, element, px, sized, text
from ..unit_picture import FONT
from ..whole_file import written_whole
from .folder import NOT_MEDICAL
from .quality import WORDS, ChannelQuality, Check

# One letter a word, so that it shows without colours; fills of the picture after Okabe & Ito (2008).
LETTERS = {word: word[0].upper() for word in WORDS} | {"not a number": "?"}
STYLES = {
    "good": "green", "weak": "cyan", "noisy": "bold magenta", "mains": "bold yellow", "flat": "bold red",
    "saturated": "bold red", "not a number": "bold red",
}  # fmt: skip
FILLS = {
    "good": "#9fdcc5", "weak": "#b9dcf2", "noisy": "#e5b6d3", "mains": "#f3d37a", "flat": "#e39a6b",
    "saturated": "#e39a6b", "not a number": "#e39a6b",
}  # fmt: skip
CELL, LEFT, TOP, KEY = 62.0, 70.0, 84.0, 24.0  # px


def grid_table(check: Check, geometry: Geometry) -> Table:
    """The grid, a cell a channel: number, first letter of its word, RMS; rows along the fibres upwards."""
    table = Table(title="Channels: number, word, uV between 20 and 500 Hz", show_header=False, box=None, padding=(0, 1))
    table.add_column(justify="right", style="dim")
    for _ in range(geometry.grid_cols):
        table.add_column(justify="right", no_wrap=True)
    shown = [word for word in WORDS if any(one.word == word for one in check.channels)]
    table.caption = ", ".join(f"{LETTERS[word]} = {word}" for word in shown)
    at = _by_place(check, geometry)
    for row in reversed(range(geometry.grid_rows)):
        cells: list[Text] = []
        for col in range(geometry.grid_cols):
            one = at.get((row, col))
            words = "" if one is None else f"{one.channel} {LETTERS[one.word]} {one.rms_uv:.0f}"
            cells.append(Text(words, style="" if one is None else STYLES[one.word]))
        table.add_row(f"row {row}", *cells)
    return table


def worst_table(check: Check) -> Table | None:
    """The channels that are not good, with their numbers; None where all are."""
    worst = [one for one in check.channels if one.word != "good"]
    if not worst:
        return None
    table = Table(title="Not good")
    for name in ("channel", "word", "uV", f"at {check.mains_hz:g} Hz (%)", "neighbours (dB)", "like them", "leave out"):
        table.add_column(name, justify="right")
    for one in worst:
        beside = "-" if one.neighbours_db is None else f"{one.neighbours_db:+.0f}"
        like = "-" if one.like_neighbours is None else f"{one.like_neighbours:.2f}"
        out = "yes" if one.channel in check.leave_out else ""
        table.add_row(
            str(one.channel), one.word, f"{one.rms_uv:.1f}", f"{100 * one.mains_share:.0f}", beside, like, out
        )  # fmt: skip
    return table


def draw_grid(check: Check, geometry: Geometry, path: str | os.PathLike[str], title: str) -> None:
    """The same as an SVG file, whole or not at all; what is proposed to be left out is crossed."""
    drawn = grid_picture(check, geometry, title)
    with written_whole(path) as temporary:
        temporary.write_text(drawn, encoding="utf-8", newline="\n")


def grid_picture(check: Check, geometry: Geometry, title: str) -> str:
    """The picture as text."""
    width = max(560.0, 2 * LEFT + CELL * geometry.grid_cols)
    bottom = TOP + CELL * geometry.grid_rows
    height = bottom + 3 * KEY + 40.0
    small, usual = sized(TICK_SIZE), sized(LABEL_SIZE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {px(width)} {px(height)}" width="{px(width)}" '
        f'height="{px(height)}" role="img" font-family="{FONT}" font-size="{LABEL_SIZE:g}">',
        element("rect", width=width, height=height, fill="white"),
        text(LEFT - 50, 30, title, MEASURED, more=sized(TITLE_SIZE + 3)),
        text(LEFT - 50, 52, "channel, word, µV RMS between 20 and 500 Hz; crossed: to be left out",
             SOFT, more=small),
    ]  # fmt: skip
    parts += [
        text(LEFT - 10, TOP + CELL * (geometry.grid_rows - row - 0.5) + 4, f"row {row}", SOFT, "end", small)
        for row in range(geometry.grid_rows)
    ]
    for (row, col), one in sorted(_by_place(check, geometry).items()):
        x, y = LEFT + CELL * col, TOP + CELL * (geometry.grid_rows - 1 - row)
        middle = x + CELL / 2 - 2
        parts += [
            element("rect", x=x, y=y, width=CELL - 4, height=CELL - 4, rx=6.0, fill=FILLS[one.word]),
            text(middle, y + 17, str(one.channel), MEASURED, "middle", usual),
            text(middle, y + 34, "no number" if one.word == "not a number" else one.word, MEASURED, "middle",
                 sized(10.0)),
            text(middle, y + 50, f"{one.rms_uv:.0f}", MEASURED, "middle", small),
        ]  # fmt: skip
        if one.channel in check.leave_out:
            edge = CELL - 4
            parts.append(
                element("path", d=f"M{px(x)} {px(y)}l{px(edge)} {px(edge)}m0 {px(-edge)}l{px(-edge)} {px(edge)}",
                        stroke=MEASURED, stroke_width=1.2, stroke_opacity=0.55)
            )  # fmt: skip
    counted = ", ".join(f"{count} {word}" for word, count in check.count().items())
    shares = [one.mains_share for one in check.channels]
    mains = f"{check.mains_hz:g} Hz and harmonics: {100 * float(np.median(shares)):.0f} % of the power (median)"
    parts += [
        text(LEFT - 50, bottom + KEY, counted, MEASURED, more=usual),
        text(LEFT - 50, bottom + 2 * KEY, mains, SOFT, more=usual),
        text(LEFT - 50, bottom + 3 * KEY, NOT_MEDICAL, SOFT, more=usual),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _by_place(check: Check, geometry: Geometry) -> dict[tuple[int, int], ChannelQuality]:
    places = zip(geometry.row.tolist(), geometry.col.tolist(), strict=True)
    return dict(zip(places, check.channels, strict=True))
