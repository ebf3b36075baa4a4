"""A generator of whatever table there is of a person's own muscle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from .generator import FiringWindow, Generator
from .lead_field_unit import LeadFieldGenerator
from .table import LeadFields
from .waveform_table import WaveformTable
from .waveform_table_generator import WaveformTableGenerator


def generator_of(
    table: LeadFields | WaveformTable,
    geometry: Geometry,
    window: FiringWindow,
    sections: Sequence[Sequence[float]] | NDArray[np.float64],
    montage: str = "monopolar",
) -> Generator:
    """What a recording's units are searched in, with the bounds that the table sets.

    Parameters
    ----------
    table : LeadFields or WaveformTable
    geometry : Geometry
        Of the recording's channels.
    window : FiringWindow
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    montage : str
        Of the recording.

    Raises
    ------
    MuscleModelError
        The table does not fit the recording.
    """
    if isinstance(table, LeadFields):
        return LeadFieldGenerator(table.at(geometry, montage), window, sections)
    return WaveformTableGenerator(table.at(geometry, montage), window, sections)
