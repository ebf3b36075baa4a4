"""What a unit's mark looks like, and the key to it: colour by conduction velocity, area by strength."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .palette import BENEATH, FAINT, MEASURED, RAMP, SOFT, ZONE, ramp
from .svg import LABEL_SIZE, TICK_SIZE, element, px, signed, sized, text, ticks
from .unit_places import STRENGTHS, Known, UnitPlace, UnitPlaces

LARGEST, LARGEST_OF_MANY, SMALLEST = 14.0, 10.0, 3.0  # radius, px
MANY = 60  # units
DIAMOND = 4.2  # px, half of a zone's mark
KEY_HEIGHT, BAR_WIDTH, SIZES_AT, ZONES_AT = 64.0, 220.0, 280.0, 590.0  # px


@dataclass(frozen=True)
class Looks:
    """Scales that all marks share.

    Attributes
    ----------
    slowest, fastest : float or None, m/s
        Ends of the colours; None where no unit has a velocity.
    strength : str or None
        Name of STRENGTHS.
    strongest : float
    largest : float, px
        Radius of the strongest unit.
    """

    slowest: float | None
    fastest: float | None
    strength: str | None
    strongest: float
    largest: float

    def colour(self, unit: UnitPlace) -> str:
        """By conduction velocity; grey where there is none."""
        if unit.speed is None or self.slowest is None or self.fastest is None:
            return BENEATH
        return ramp((unit.speed.value - self.slowest) / (self.fastest - self.slowest))

    def radius(self, unit: UnitPlace) -> float:
        """Its square is proportional to the strength, px; all alike where no unit has one."""
        if self.strength is None:
            return 0.6 * self.largest
        return max(SMALLEST, self.of(unit.strength.value) if unit.strength else 0.0)

    def of(self, strength: float) -> float:
        """Radius of a strength, px, were it not for the least that can be seen."""
        return self.largest * math.sqrt(max(0.0, strength) / self.strongest)

    def too_weak(self, unit: UnitPlace) -> bool:
        """Whether it is drawn larger than it should be."""
        return self.strength is not None and unit.strength is not None and self.of(unit.strength.value) < SMALLEST


def looks_of(places: UnitPlaces) -> Looks:
    """Scales over all units."""
    speeds = [unit.speed.value for unit in places.units if unit.speed is not None]
    strongest = max((unit.strength.value for unit in places.units if unit.strength is not None), default=0.0)
    slowest = math.floor(10 * min(speeds)) / 10 if speeds else None
    fastest = max(math.ceil(10 * max(speeds)) / 10, math.floor(10 * min(speeds)) / 10 + 0.1) if speeds else None
    largest = LARGEST if len(places.units) <= MANY else LARGEST_OF_MANY
    return Looks(slowest, fastest, places.strength if strongest > 0 else None, strongest, largest)


def described(unit: UnitPlace, looks: Looks) -> str:
    """A unit in words: shown where one points at it, and read to those who cannot see it."""
    facts = [
        _told(unit.depth, "{} mm deep"), _told(unit.lateral, "{} mm across"),
        _told(unit.zone, "innervation zone {} mm"),
        _told(unit.low, "fibres {} mm towards lower rows"), _told(unit.high, "{} mm towards higher rows"),
        _told(unit.speed, "{} m/s"),
    ]  # fmt: skip
    if looks.strength is not None:
        words, measure = STRENGTHS[looks.strength]
        facts.append(_told(unit.strength, " ".join(filter(None, (words, "{}", measure)))))
    return f"unit {unit.unit}: " + ", ".join(filter(None, facts))


def _told(known: Known | None, words: str) -> str:
    if known is None:
        return ""
    return words.format(f"{known.value:.3g}" + (f" ± {known.sd:.2g}" if known.sd is not None else "")).replace("-", "−")


def diamond(x: float, y: float, size: float = DIAMOND) -> str:
    """Path of an innervation zone's mark, at px."""
    return f"M{px(x)} {px(y - size)}L{px(x + size)} {px(y)}L{px(x)} {px(y + size)}L{px(x - size)} {px(y)}z"


def draw_key(left: float, top: float, looks: Looks, crossed: bool) -> str:
    """The key to colours, areas (where there are dots, `crossed`) and marks."""
    return "\n".join(
        [
            *_speeds(left, top, looks),
            *(_sizes(left + SIZES_AT, top, looks) if crossed else []),
            *_marks(left + (ZONES_AT if crossed else SIZES_AT), top, crossed),
        ]
    )


def _speeds(left: float, top: float, looks: Looks) -> list[str]:
    if looks.slowest is None or looks.fastest is None:
        return [text(left, top + 12, "no unit has a conduction velocity", SOFT, more=sized(LABEL_SIZE))]
    stops = "".join(
        element("stop", offset=f"{100 * number / (len(RAMP) - 1):g}%", stop_color=colour)
        for number, colour in enumerate(RAMP)
    )
    scale = BAR_WIDTH / (looks.fastest - looks.slowest)
    at = [(left + scale * (speed - looks.slowest), speed) for speed in ticks(looks.slowest, looks.fastest, 5)]
    return [
        element("defs", element("linearGradient", stops, id="speeds")),
        text(left, top + 12, "conduction velocity (m/s)", MEASURED, more=sized(LABEL_SIZE)),
        element("rect", x=left, y=top + 20, width=BAR_WIDTH, height=11.0, fill="url(#speeds)"),
        element("path", d="".join(f"M{px(x)} {px(top + 31)}v4" for x, _ in at), stroke=FAINT),
        *(text(x, top + 47, signed(round(speed, 2)), MEASURED, "middle", sized(TICK_SIZE)) for x, speed in at),
    ]


def _sizes(left: float, top: float, looks: Looks) -> list[str]:
    if looks.strength is None:
        return [text(left, top + 12, "areas say nothing: no unit has a strength", SOFT, more=sized(LABEL_SIZE))]
    words, measure = STRENGTHS[looks.strength]
    drawn = [text(left, top + 12, f"area: {words}" + (f" ({measure})" if measure else ""), MEASURED,
                  more=sized(LABEL_SIZE))]  # fmt: skip
    x = left + looks.largest
    power = 10.0 ** math.floor(math.log10(looks.strongest))
    most = max(step * power for step in (1, 2, 5) if step * power <= looks.strongest * (1 + 1e-9))
    for strength in (most, most / 5, most / 25):
        radius = looks.of(strength)
        drawn.append(element("circle", cx=x, cy=top + 33, r=radius, fill="none", stroke=MEASURED))
        told = f"{strength:.3g}"
        drawn.append(text(x + radius + 5, top + 37, told, MEASURED, more=sized(TICK_SIZE)))
        x += radius + 5 + 0.64 * TICK_SIZE * len(told) + 16
    return drawn


def _marks(left: float, top: float, crossed: bool) -> list[str]:
    usual = sized(LABEL_SIZE)
    drawn = [
        element("path", d=f"M{px(left + 6)} {px(top - 1)}v18", stroke=ZONE, stroke_width=5.0, stroke_opacity=0.35),
        element("path", d=diamond(left + 6, top + 8), fill=ZONE, stroke="white", stroke_width=0.8),
        text(left + 20, top + 12, "innervation zone, 90 % interval", MEASURED, more=usual),
        element("path", d=f"M{px(left + 6)} {px(top + 42)}v-17m-3.5 5l3.5 -5l3.5 5", fill="none", stroke=SOFT,
                stroke_width=1.6),
        text(left + 20, top + 37, "fibres; an arrow where they go on", MEASURED, more=usual),
    ]  # fmt: skip
    if crossed:
        drawn += [
            element("path", d=f"M{px(left + 270)} {px(top + 8)}h20m-10 -9v18", stroke=BENEATH, stroke_width=1.2),
            text(left + 298, top + 12, "90 % intervals of place", MEASURED, more=usual),
        ]
    return drawn
