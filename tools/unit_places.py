"""Where a decoder's units lie in the muscle, as far as their parameters say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..stream.decoder_file import DecoderInfo
from ..stream.errors import DecoderError
from .svg import printable

# How strong a unit is, best as seen at the electrodes: the first of these that any unit has is used for all.
STRENGTHS = {
    "peak_to_peak_uv": ("peak-to-peak voltage", "µV"),
    "muap_peak_to_peak_uv": ("peak-to-peak voltage", "µV"),
    "gain": ("gain of the modelled waveform", ""),
}
LONGEST_REASON = 120  # characters
LARGEST = 1e6  # beyond it, no parameter of a muscle; not a number is no better
FEWEST_COLUMNS = 3  # of electrodes, that tell depth and place across the fibres apart


@dataclass(frozen=True)
class Known:
    """A parameter that has a value.

    Attributes
    ----------
    value : float
    sd : float or None
        Standard deviation of its error, where it is told.
    """

    value: float
    sd: float | None


@dataclass(frozen=True)
class UnitPlace:
    """What is known of one unit; None where nothing is.

    Attributes
    ----------
    unit : int
    lateral, depth : Known or None, mm
        Across the fibres from the array's centre, and below the muscle's surface.
    zone : Known or None, mm
        Innervation zone, along the fibres from the array's centre.
    low, high : Known or None, mm
        From the innervation zone to the fibres' ends, towards lower and towards higher rows.
    speed : Known or None, m/s
    fat : Known or None, mm
    strength : Known or None
        Whichever of STRENGTHS the units have.
    reason : str
        Why something is not known; empty where that is not told.
    """

    unit: int
    lateral: Known | None
    depth: Known | None
    zone: Known | None
    low: Known | None
    high: Known | None
    speed: Known | None
    fat: Known | None
    strength: Known | None
    reason: str

    @property
    def in_cross_section(self) -> bool:
        """Whether it has a place in the cross-section."""
        return self.lateral is not None and self.depth is not None


@dataclass(frozen=True)
class UnitPlaces:
    """All units of a decoder.

    Attributes
    ----------
    units : list of UnitPlace
    strength : str or None
        Name of STRENGTHS.
    linear : bool
        Whether the electrodes are too few across the fibres to tell depth and place across apart.
    """

    units: list[UnitPlace]
    strength: str | None
    linear: bool

    @property
    def crossed(self) -> bool:
        """Whether there is a cross-section to draw."""
        return any(unit.in_cross_section for unit in self.units)

    def fat_mm(self) -> float | None:
        """Thickness of what lies between electrodes and muscle, where all units agree on one."""
        found = {unit.fat.value for unit in self.units if unit.fat is not None}
        return found.pop() if len(found) == 1 and min(found) > 0 else None


def unit_places(info: DecoderInfo) -> UnitPlaces:
    """Read the places of a decoder's units.

    Raises
    ------
    DecoderError
        There is no unit, or none has a place.
    """
    if not info.units:
        raise DecoderError("the decoder has no motor unit, so there is none to draw: calibrate again")
    parameters = [unit.parameters for unit in info.units]
    strength = next((name for name in STRENGTHS if any(known(one, name) for one in parameters)), None)
    units = [
        UnitPlace(
            unit=unit.id,
            lateral=known(one, "lateral_mm"),
            depth=known(one, "depth_mm"),
            zone=known(one, "innervation_zone_mm", "iz_mm"),
            low=known(one, "half_length_low_mm", "half_length_mm"),
            high=known(one, "half_length_high_mm", "half_length_mm"),
            speed=known(one, "conduction_velocity_m_s", "cv_m_s"),
            fat=known(one, "fat_mm"),
            strength=known(one, strength) if strength else None,
            reason=printable(str(one.get("reason") or ""))[:LONGEST_REASON],
        )
        for unit, one in zip(info.units, parameters, strict=True)
    ]
    if not any(unit.in_cross_section or unit.zone for unit in units):
        reasons = ", ".join(sorted({unit.reason for unit in units if unit.reason}))
        raise DecoderError(
            f"none of the decoder's {len(units)} motor units has a place in the muscle"
            + (f" ({reasons})" if reasons else "")
            + ", so there is nothing to draw: calibrate with --method bmiss, on a longer or stronger contraction"
        )
    return UnitPlaces(units, strength, len(set(info.channels.col)) < FEWEST_COLUMNS)


def known(parameters: Mapping[str, Any], *names: str) -> Known | None:
    """The first of `names` that has a value, ``{"value": ..., "sd": ...}`` or the value alone."""
    for name in names:
        entry = parameters.get(name)
        value, sd = (entry.get("value"), entry.get("sd")) if isinstance(entry, Mapping) else (entry, None)
        if _is_number(value):
            return Known(float(value), float(sd) if _is_number(sd) and sd >= 0 else None)
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
