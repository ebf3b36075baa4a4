"""What `calibrate` inverts: a person's own muscle where there is a table of it, else planar layers of ordinary kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...stream.decoder_file import FilterSettings
from ...stream.geometry import Geometry
from .generator import FiringWindow, Generator, PhysicsGenerator, usual_ranges
from .personal import generator_of
from .table import LeadFields
from .waveform_table import WaveformTable

MuscleModel = LeadFields | WaveformTable
FEWEST_COLUMNS = 3  # for depth to be told from the place across the fibres


def is_linear(geometry: Geometry) -> bool:
    """Whether an array does not tell depth from the place across the fibres."""
    return len(np.unique(geometry.col)) < FEWEST_COLUMNS


def generator_for(
    geometry: Geometry, fs_hz: float, design: FilterSettings, montage: str, model: MuscleModel | None
) -> Callable[[NDArray[np.int64]], Generator]:
    """What is inverted, over some of a recording's channels.

    Parameters
    ----------
    geometry : Geometry
    fs_hz : float
    design : FilterSettings
    montage : str
    model : LeadFields or WaveformTable, optional
        Of the person's own muscle; by default mean units in planar layers.
    """
    window = FiringWindow(fs_hz)
    if model is not None:
        return lambda channels: generator_of(model, geometry.select(channels), window, design.sections, montage)
    ranges, fixed = searched(geometry)
    return lambda channels: PhysicsGenerator(
        geometry.select(channels), window, design.sections, ranges, fixed, montage=montage
    )


def searched(geometry: Geometry) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Bounds of the parameters that are searched where no model is given, and the values of the others."""
    ranges = usual_ranges(geometry)
    if not is_linear(geometry):
        return ranges, {}
    del ranges["lateral_mm"]
    return ranges, {"lateral_mm": float(geometry.across_mm().mean())}


def description(geometry: Geometry, model: MuscleModel | None, name: str) -> dict[str, object]:
    """The generator, as the decoder says it."""
    if model is not None:
        kind = "lead fields" if isinstance(model, LeadFields) else "waveforms"
        return {"kind": kind, "file": name}
    ranges, fixed = searched(geometry)
    return {"kind": "physics", "conductor": "planar layers", "searched": {k: list(v) for k, v in ranges.items()}} | (
        {"fixed": fixed} if fixed else {}
    )
