"""The panels of a picture of units: the muscle's cross-section, and along its fibres."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..stream.geometry import Geometry
from .labels import place_labels
from .palette import BENEATH, FAINT, MEASURED, NINETY, PALE, SOFT, ZONE
from .svg import Panel, element, px, sized, text, ticks
from .unit_looks import DIAMOND, Looks, described, diamond
from .unit_places import Known, UnitPlace, UnitPlaces

NUMBER_SIZE, BAND_WORDS_SIZE = 10.5, 10.5
ELECTRODE_TICK = 7.0  # px
CAP = 3.0  # px, half the width of a fibre's end
HALO = ' stroke="white" stroke-width="2.6" stroke-linejoin="round" paint-order="stroke"'  # legible across lines
HEADROOM = 14.0  # px above the skin
ALL_NUMBERS = 40  # units side by side, whose numbers all fit beneath


@dataclass(frozen=True)
class Drawn:
    """A panel.

    Attributes
    ----------
    svg : str
    unnumbered : list of int
        Units whose number found no room.
    """

    svg: str
    unnumbered: list[int]


def draw_cross_section(
    panel: Panel, places: UnitPlaces, geometry: Geometry, looks: Looks, fat_mm: float | None
) -> Drawn:
    """Units that have a place in it; `fat_mm` is the layer between electrodes and muscle, None where not known."""
    units = _strongest_first(unit for unit in places.units if unit.in_cross_section)
    skin = panel.y(-(fat_mm or 0.0))
    columns = "".join(f"M{px(panel.x(at))} {px(skin)}v{-ELECTRODE_TICK:g}" for at in np.unique(geometry.across_mm()))
    drawn = [_layer(panel, fat_mm)] if fat_mm else []
    drawn += [
        element("path", d=f"M{px(panel.left)} {px(skin)}H{px(panel.right)}", stroke=FAINT, stroke_width=1.2),
        element("path", class_="electrodes", d=columns, stroke=MEASURED, stroke_width=3.0),
        *(_bars(panel, unit, looks) for unit in units),
    ]
    marks = []
    for unit in units:
        x, y, radius = panel.x(_of(unit.lateral)), panel.y(_of(unit.depth)), looks.radius(unit)
        marks.append((x, y, radius))
        drawn.append(
            element(
                "circle", element("title", described(unit, looks)), class_="place", data_unit=str(unit.unit), cx=x,
                cy=y, r=radius, fill=looks.colour(unit), fill_opacity=0.9, stroke="white", stroke_width=0.8,
            )
        )  # fmt: skip
    numbers, unnumbered = _numbers(panel, units, marks)
    deep = [at for at in ticks(0.0, panel.y_to) if at >= 0]
    title = "Cross-section, seen along the fibres" + _stretch(panel)
    axes = panel.axes(title, "across the fibres (mm)", "depth below the muscle's surface (mm)", y_ticks=deep)
    return Drawn("\n".join([element("g", "\n".join(drawn + numbers), class_="cross-section"), axes]), unnumbered)


def draw_along(panel: Panel, places: UnitPlaces, geometry: Geometry, looks: Looks) -> Drawn:
    """Units that have a place across and an innervation zone, where they lie."""
    units = _strongest_first(unit for unit in places.units if unit.lateral and unit.zone)
    dots = (
        element("circle", cx=panel.x(x), cy=panel.y(y), r=1.6)
        for x, y in zip(geometry.across_mm().tolist(), geometry.along_mm().tolist(), strict=True)
    )
    drawn = [element("g", "".join(dots), class_="electrodes", fill=BENEATH)]
    drawn += _fibres(panel, units, looks, lambda unit: _of(unit.lateral))
    marks = [(panel.x(_of(unit.lateral)), panel.y(_of(unit.zone)), DIAMOND) for unit in units]
    numbers, unnumbered = _numbers(panel, units, marks)
    axes = panel.axes("Along the fibres; dots are the electrodes", "across the fibres (mm)", "along the fibres (mm)")
    if not units:
        drawn.append(_say(panel, "no unit has an innervation zone"))
    return Drawn("\n".join([element("g", "\n".join(drawn + numbers), class_="along"), axes]), unnumbered)


def draw_beside(panel: Panel, places: UnitPlaces, geometry: Geometry, looks: Looks) -> Drawn:
    """Units that have an innervation zone, side by side, where places across are not known."""
    order = {unit.unit: place for place, unit in enumerate(places.units)}
    rows = "".join(f"M{px(panel.left)} {px(panel.y(at))}H{px(panel.right)}" for at in np.unique(geometry.along_mm()))
    units = [unit for unit in places.units if unit.zone]
    drawn = [element("path", class_="electrodes", d=rows, stroke=PALE)]
    drawn += _fibres(panel, units, looks, lambda unit: float(order[unit.unit]))
    step = 1 if len(order) <= ALL_NUMBERS else 5
    numbers = [(float(place), str(unit)) for unit, place in order.items() if place % step == 0]
    axes = panel.axes(
        "Along the fibres, unit by unit; lines are the electrode rows", "unit", "along the fibres (mm)", numbers
    )
    return Drawn("\n".join([element("g", "\n".join(drawn), class_="along"), axes]), [])


def _strongest_first(units: Iterable[UnitPlace]) -> list[UnitPlace]:
    """Weak units are drawn over strong ones, which would hide them; strong ones choose their number's place first."""
    return sorted(units, key=lambda unit: (-unit.strength.value if unit.strength else 0.0, unit.unit))


def _of(known: Known | None) -> float:
    assert known is not None, "only units that have it are drawn"
    return known.value


def _reach(known: Known | None) -> float:
    return NINETY * known.sd if known is not None and known.sd is not None else 0.0


def _layer(panel: Panel, fat_mm: float) -> str:
    top, bottom = panel.y(-fat_mm), panel.y(0.0)
    drawn = element("rect", class_="fat", x=panel.left, y=top, width=panel.width, height=bottom - top, fill=PALE)
    if bottom - top >= 1.3 * BAND_WORDS_SIZE:
        drawn += text(panel.left + 6, (top + bottom) / 2 + 4, f"fat and skin, {fat_mm:.2g} mm", SOFT,
                      more=sized(BAND_WORDS_SIZE))  # fmt: skip
    return drawn


def _bars(panel: Panel, unit: UnitPlace, looks: Looks) -> str:
    """90 % intervals of both, where they reach out of the dot."""
    x, y, radius = _of(unit.lateral), _of(unit.depth), looks.radius(unit)
    across, down = _reach(unit.lateral), _reach(unit.depth)
    paths = []
    if panel.x(x + across) - panel.x(x) > radius:
        paths.append(panel.span((x - across, y), (x + across, y)))
    if panel.y(y + down) - panel.y(y) > radius:
        paths.append(panel.span((x, y - down), (x, y + down)))
    return element("path", class_="bars", data_unit=str(unit.unit), d="".join(paths), fill="none", stroke=BENEATH,
                   stroke_width=1.2) if paths else ""  # fmt: skip


def _fibres(panel: Panel, units: Sequence[UnitPlace], looks: Looks, place: Callable[[UnitPlace], float]) -> list[str]:
    """Fibres as lines from end to end, then the zones over them."""
    lines, zones = [], []
    for unit in units:
        x, zone, reach = place(unit), _of(unit.zone), _reach(unit.zone)
        number, words = str(unit.unit), element("title", described(unit, looks))
        ends = [zone - (unit.low.value if unit.low else 0.0), zone + (unit.high.value if unit.high else 0.0)]
        if ends[0] < ends[1]:
            least, most = sorted((panel.y_from, panel.y_to))
            known = [end for end, half in zip(ends, (unit.low, unit.high), strict=True) if half]
            caps = "".join(
                f"M{px(panel.x(x) - CAP)} {px(panel.y(end))}h{px(2 * CAP)}" for end in known if least <= end <= most
            )
            path = element("path", d=panel.span((x, ends[0]), (x, ends[1])) + caps, fill="none",
                           stroke=looks.colour(unit), stroke_width=1.7)  # fmt: skip
            lines.append(element("g", words + path, class_="fibres", data_unit=number))
        sure = ""
        if panel.height * reach / abs(panel.y_to - panel.y_from) > 0.5:
            sure = element("path", d=panel.span((x, zone - reach), (x, zone + reach)), stroke=ZONE, stroke_width=5.0,
                           stroke_opacity=0.35, fill="none")  # fmt: skip
        mark = element("path", d=diamond(panel.x(x), panel.y(zone)), fill=ZONE, stroke="white", stroke_width=0.8)
        zones.append(element("g", words + sure + mark, class_="zone", data_unit=number))
    return lines + zones


def _numbers(
    panel: Panel, units: Sequence[UnitPlace], marks: Sequence[tuple[float, float, float]]
) -> tuple[list[str], list[int]]:
    frame = (panel.left + 2, panel.top, panel.right, panel.bottom - 2)
    spots = place_labels(marks, [str(unit.unit) for unit in units], NUMBER_SIZE, frame)
    drawn = [
        text(*spot, str(unit.unit), MEASURED, "middle", sized(NUMBER_SIZE) + HALO)
        for unit, spot in zip(units, spots, strict=True)
        if spot is not None
    ]
    return drawn, sorted(unit.unit for unit, spot in zip(units, spots, strict=True) if spot is None)


def _stretch(panel: Panel) -> str:
    """What is said where a millimetre is not the same both ways."""
    ratio = (panel.height / abs(panel.y_to - panel.y_from)) / (panel.width / abs(panel.x_to - panel.x_from))
    if 1 / 1.05 < ratio < 1.05:
        return ""
    return f"; depth drawn {ratio:.1f} times as large" if ratio > 1 else f"; width drawn {1 / ratio:.1f} times as large"


def _say(panel: Panel, words: str) -> str:
    return text(panel.left + panel.width / 2, panel.top + panel.height / 2, words, SOFT, "middle")
