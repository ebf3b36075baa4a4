"""Numbers beside the marks of a picture, where they cover neither marks nor each other."""

from __future__ import annotations

from collections.abc import Sequence

DIGIT = 0.64  # of the font's size, width of a digit in DejaVu Sans and Verdana
CAPITAL = 0.76  # their height
AROUND = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))  # in order of preference

Box = tuple[float, float, float, float]  # left, top, right, bottom


def place_labels(
    marks: Sequence[tuple[float, float, float]], words: Sequence[str], size: float, frame: Box, gap: float = 1.5
) -> list[tuple[float, float] | None]:
    """Where each mark's label goes.

    Parameters
    ----------
    marks : sequence of (x, y, radius), px
        The first choose first.
    words : sequence of str
        Digits, one label for each mark.
    size : float, px
        Of the font.
    frame : tuple of float, px
        Left, top, right and bottom of where labels may be.
    gap : float, px
        Between a label and everything else.

    Returns
    -------
    list of (x, y) or None
        Middle of the label, on its baseline; None where there is no room.
    """
    discs = [(x - r, y - r, x + r, y + r) for x, y, r in marks]
    labels: list[Box] = []
    found: list[tuple[float, float] | None] = []
    for mark, ((x, y, radius), told) in enumerate(zip(marks, words, strict=True)):
        others = discs[:mark] + discs[mark + 1 :]
        half, tall = DIGIT * size * len(told) / 2, CAPITAL * size / 2
        place = None
        for right, down in AROUND:
            reach = radius + gap + 0.01
            slack = 0.75 if right and down else 1.0  # in a corner, the disc leaves room that its square takes
            box = _about(x + right * (slack * reach + half), y + down * (slack * reach + tall), half, tall)
            if _inside(box, frame) and not any(_touch(box, other, gap) for other in (*others, *labels)):
                place = ((box[0] + box[2]) / 2, box[3])
                labels.append(box)
                break
        found.append(place)
    return found


def _about(x: float, y: float, half: float, tall: float) -> Box:
    return (x - half, y - tall, x + half, y + tall)


def _inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _touch(one: Box, other: Box, gap: float) -> bool:
    return one[0] < other[2] + gap and other[0] < one[2] + gap and one[1] < other[3] + gap and other[1] < one[3] + gap
