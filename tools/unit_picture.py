"""The units of a decoder where they lie in the muscle: in its cross-section and along its fibres, as one SVG file."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable, Iterable
from html import escape

from ..stream.decoder_file import DecoderInfo
from ..stream.geometry import Geometry
from .palette import MEASURED, NINETY, SOFT
from .svg import LABEL_SIZE, Panel, element, printable, px, sized, text
from .unit_looks import KEY_HEIGHT, Looks, draw_key, looks_of
from .unit_panels import HEADROOM, draw_along, draw_beside, draw_cross_section
from .unit_places import Known, UnitPlace, UnitPlaces, unit_places
from .whole_file import written_whole

WIDTH, LEFT, RIGHT, BETWEEN, TOP, BENEATH_PANEL = 1152.0, 66.0, 26.0, 84.0, 100.0, 58.0  # px
HEIGHT, LEAST_HEIGHT, MOST_HEIGHT = 440.0, 260.0, 560.0  # px, of a panel beside another, and of those below each other
EDGE = 18.0  # px between a panel's edge and what lies furthest out
FONT = "'DejaVu Sans', Verdana, sans-serif"  # Matplotlib's, which the other pictures have, and one as wide
METHODS = {"bmiss": "BMISS", "cbss": "blind separation"}
LONGEST_NAME, LONGEST_METHOD = 60, 20  # characters
NOTE_LENGTH, NOTE_HEIGHT = 150, 18.0  # characters, px
WIDE = 1.5  # times as far across as along, from which the panels stand below each other
BEYOND_MM = 20.0  # of the array, or half its length, that fibres are followed at least
LEAST_DEPTH_MM = 10.0
MORE_DEPTH = 1.2  # times the deepest unit's, that is shown where intervals reach so far


def draw_units(
    info: DecoderInfo, path: str | os.PathLike[str], recording: str | None = None, fat_mm: float | None = None
) -> None:
    """Draw a decoder's units to an SVG file, whole or not at all.

    Parameters
    ----------
    info : DecoderInfo
        Its units' `parameters` hold ``{"value": ..., "sd": ...}`` by name; what is null is left out, with a note.
    path : path
    recording : str, optional
        What the title calls the recording; by default the file or stream that the decoder was made from.
    fat_mm : float, optional
        Between electrodes and muscle; by default the units' own, where they agree on one.

    Raises
    ------
    DecoderError
        There is no unit, or none has a place in the muscle.
    RecordingError
        `path` cannot be written.
    """
    drawn = unit_picture(info, recording, fat_mm)
    with written_whole(path) as temporary:
        temporary.write_text(drawn, encoding="utf-8", newline="\n")


def unit_picture(info: DecoderInfo, recording: str | None = None, fat_mm: float | None = None) -> str:
    """The same as text of an SVG file; the same decoder gives the same bytes."""
    places = unit_places(info)
    geometry = info.channels.geometry()
    looks = looks_of(places)
    if places.crossed:
        fat = places.fat_mm() if fat_mm is None else fat_mm
        cross, along = _panels(places, geometry, fat or 0.0)
        panels = [
            draw_cross_section(cross, places, geometry, looks, fat),
            draw_along(along, places, geometry, looks),
        ]
    else:
        low, high = _along_range(places, geometry)
        along = Panel(LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT, -0.7, len(places.units) - 0.3, high, low)
        panels = [draw_beside(along, places, geometry, looks)]
    notes = _notes(places, looks)
    for panel, where in zip(panels, ("in the cross-section", "along the fibres"), strict=False):
        if panel.unnumbered:
            notes.append(f"No room for the number of {_units(panel.unnumbered)} {where}.")
    title, key_top = _title(info, recording), along.bottom + BENEATH_PANEL
    lines = [line for note in notes for line in textwrap.wrap(note, NOTE_LENGTH)]
    height = key_top + KEY_HEIGHT + NOTE_HEIGHT * len(lines) + 20.0
    soft = sized(LABEL_SIZE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {px(WIDTH)} {px(height)}" width="{px(WIDTH)}" '
        f'height="{px(height)}" role="img" aria-labelledby="units-title units-words" font-family="{FONT}" '
        f'font-size="{LABEL_SIZE:g}">',
        element("title", escape(title), id="units-title"),
        element("desc", escape(" ".join([_described(places), *notes])), id="units-words"),
        element("rect", width=WIDTH, height=height, fill="white"),
        text(LEFT - 44, 34, title, MEASURED, more=sized(17.0)),
        text(LEFT - 44, 56, _array_words(geometry), SOFT, more=soft),
        *(panel.svg for panel in panels),
        draw_key(LEFT, key_top, looks, places.crossed),
        *(
            text(LEFT - 44, key_top + KEY_HEIGHT + NOTE_HEIGHT * (number + 0.7), line, SOFT, more=soft)
            for number, line in enumerate(lines)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panels(places: UnitPlaces, geometry: Geometry, fat_mm: float) -> tuple[Panel, Panel]:
    """Beside each other, or below each other where the array is wide."""
    low, high = _along_range(places, geometry)
    across = [*geometry.across_mm().tolist(), *(unit.lateral.value for unit in places.units if unit.lateral)]
    left, right = min(across), max(across)
    left, right = (left, right) if right > left else (left - 1.0, right + 1.0)
    depths = [unit.depth.value for unit in places.units if unit.depth]
    ends = [unit.depth.value + NINETY * (unit.depth.sd or 0.0) for unit in places.units if unit.depth]
    deepest = max(LEAST_DEPTH_MM, *depths, min(max(ends), MORE_DEPTH * max(depths)))
    highest = max(fat_mm, -min(depths))  # above the muscle's surface
    whole = WIDTH - LEFT - RIGHT
    wide = right - left > WIDE * (high - low)
    width = whole if wide else (whole - BETWEEN) / 2
    left, right = _wider(left, right, width)
    if wide:
        scale = whole / (right - left)  # px/mm
        tall = min(max(scale * (high - low), LEAST_HEIGHT), MOST_HEIGHT)
        shallow = min(max(scale * (deepest + highest), LEAST_HEIGHT), MOST_HEIGHT)
    else:
        tall = shallow = HEIGHT
    scale = (shallow - HEADROOM - EDGE) / (deepest + highest)
    cross = Panel(LEFT, TOP, width, shallow, left, right, -highest - HEADROOM / scale, deepest + EDGE / scale)
    if wide:
        return cross, Panel(LEFT, cross.bottom + BENEATH_PANEL + 34.0, width, tall, left, right, high, low)
    return cross, Panel(LEFT + width + BETWEEN, TOP, width, tall, left, right, high, low)


def _along_range(places: UnitPlaces, geometry: Geometry) -> tuple[float, float]:
    """The array and all zones, and fibres to their ends unless these are far beyond the array, mm."""
    rows = geometry.along_mm()
    beyond = max(BEYOND_MM, float(rows.max() - rows.min()) / 2)
    zones = [(unit.zone.value, unit) for unit in places.units if unit.zone]
    lowest = min((zone - (unit.low.value if unit.low else 0.0) for zone, unit in zones), default=0.0)
    highest = max((zone + (unit.high.value if unit.high else 0.0) for zone, unit in zones), default=0.0)
    low = min([rows.min(), max(lowest, rows.min() - beyond), *(zone for zone, _ in zones)])
    high = max([rows.max(), min(highest, rows.max() + beyond), *(zone for zone, _ in zones)])
    return _wider(float(low), float(high), HEIGHT)


def _wider(low: float, high: float, size: float) -> tuple[float, float]:
    """A range with EDGE px of `size` left free on either side."""
    edge = (high - low) * EDGE / (size - 2 * EDGE)
    return low - edge, high + edge


def _title(info: DecoderInfo, recording: str | None) -> str:
    source = re.split(r"[\\/]", str(info.created_by.get("source", "")))[-1] if recording is None else recording
    name = printable(source)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 + 1 :]}"
    method = printable(str(info.created_by.get("method", "")))[:LONGEST_METHOD]
    count = f"{len(info.units)} motor unit{'s' if len(info.units) > 1 else ''}"
    return count + (f" of {name}" if name else "") + (f", by {METHODS.get(method, method)}" if method else "")


def _array_words(geometry: Geometry) -> str:
    return (
        f"{len(geometry)} channels of the {geometry.grid_rows} x {geometry.grid_cols} grid, {geometry.ied_mm:g} mm "
        "apart; millimetres from its centre, along the fibres towards higher rows"
    )


def _described(places: UnitPlaces) -> str:
    if not places.crossed:
        return "Fibres and innervation zones of the units side by side, over the rows of electrodes."
    return (
        "Two panels. The muscle's cross-section: each unit a dot at its place across the fibres and its depth. "
        "Along the fibres: each unit a line from end to end of its fibres, with its innervation zone, over the "
        "electrodes. Colours are conduction velocities."
    )


def _notes(places: UnitPlaces, looks: Looks) -> list[str]:
    """What the picture cannot show, and why."""
    units, notes = places.units, []
    if not places.crossed:
        notes.append(
            "Depth and place across the fibres cannot be told on a linear array, so there is no cross-section."
            if places.linear
            else "No unit has both a depth and a place across the fibres, so there is no cross-section."
        )
    else:
        notes += _missing(units, lambda unit: unit.lateral, "no place across the fibres", "left out of both panels")
        placed = [unit for unit in units if unit.lateral]
        notes += _missing(placed, lambda unit: unit.depth, "no depth", "left out of the cross-section")
        units = placed
    notes += _missing(units, lambda unit: unit.zone, "no innervation zone", "left out along the fibres")
    zoned = [unit for unit in units if unit.zone]
    units = units if places.crossed else zoned
    ends = _missing(zoned, lambda unit: unit.low and unit.high, "fibre ends not known", "drawn as far as they are")
    without = _missing(units, lambda unit: unit.speed, "no conduction velocity", "grey")
    return notes + ends + without + _about_areas(places, looks) + _about_intervals(units)


def _about_areas(places: UnitPlaces, looks: Looks) -> list[str]:
    if not places.crossed or looks.strength is None:
        return []
    units = [unit for unit in places.units if unit.in_cross_section]
    notes = _missing(units, lambda unit: unit.strength, "strength not known", "drawn smallest")
    weak = [unit.unit for unit in units if looks.too_weak(unit)]
    if weak:
        notes.append(
            f"The {len(weak)} weakest of the {len(units)} units are drawn larger than their strength, to be seen."
            if len(weak) > 1
            else f"Unit {weak[0]} is drawn larger than its strength, to be seen."
        )
    return notes


def _about_intervals(units: Iterable[UnitPlace]) -> list[str]:
    known = [one for unit in units for one in (unit.lateral, unit.depth, unit.zone) if one is not None]
    if known and all(one.sd is None for one in known):
        return ["No parameter says how sure it is, so there are no intervals."]
    return []


def _missing(units: Iterable[UnitPlace], which: Callable[[UnitPlace], Known | None], what: str, so: str) -> list[str]:
    """One note for each reason that units lack something for."""
    found: dict[str, list[int]] = {}
    for unit in units:
        if not which(unit):
            found.setdefault(unit.reason, []).append(unit.unit)
    return [
        f"{_units(numbers).capitalize()}: {what}{f' ({reason})' if reason else ''}, {so}."
        for reason, numbers in found.items()
    ]


def _units(numbers: list[int]) -> str:
    return ("unit " if len(numbers) == 1 else "units ") + ", ".join(map(str, sorted(numbers)))
