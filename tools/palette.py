"""Colours and intervals that the pictures of recordings and units share."""

from __future__ import annotations

# Okabe & Ito (2008): told apart with any kind of colour vision, and by lightness in print.
MEASURED, MODEL, ZONE, CLASSICAL, ENCODER = "#22262e", "#0072b2", "#d55e00", "#e69f00", "#009e73"
FAINT, PALE, BENEATH = "#8a93a3", "#e3e7ed", "#a9b1be"
SOFT = "#5b6473"  # of words beside the matter; on white still 5.9 to 1
NINETY = 1.645  # standard deviations on either side of a 90 % interval
# From dark to light, so that the order shows with any kind of colour vision and in print: viridis, evenly spaced
# stops, without its lightest end, which white paper swallows.
RAMP = ("#440154", "#3b528b", "#21918c", "#5ec962", "#bddf26")


def ramp(share: float) -> str:
    """The ramp's colour at `share` of its way, straight lines between the stops."""
    place = min(max(share, 0.0), 1.0) * (len(RAMP) - 1)
    stop = min(int(place), len(RAMP) - 2)
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in RAMP[stop : stop + 2]]
    mixed = [round(a + (place - stop) * (b - a)) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


# Of units, neighbours unlike each other: Okabe & Ito's, each as light or dark as its background asks for (3 to 1).
UNITS_LIGHT = ("#0072b2", "#d55e00", "#00805d", "#a66f00", "#b3558f", "#4a5160")
UNITS_DARK = ("#56b4e9", "#f0854a", "#2ec49a", "#e6b73c", "#e39ac4", "#c3cad6")
