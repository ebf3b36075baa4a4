"""A table of lead fields made of one of our conductors: for trying the format, and for holding its reader to."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from ..forward.conductors import Conductor
from ..forward.cylinder import Cylinder
from ..forward.wavenumbers import Wavenumbers
from .table import LeadFields

VOLTS_PER_AMPERE = 1e3  # of 1 mV per S/m mm mV


def lead_fields_of(
    conductor: Conductor,
    geometry: Geometry,
    lateral_mm: NDArray[np.float64],
    depth_mm: NDArray[np.float64],
    along_mm: NDArray[np.float64],
) -> LeadFields:
    """Tabulate a conductor at a recording's monopolar channels.

    On a cylinder places across the fibres are arcs along the skin, units' and electrodes' alike, and the shorter way
    round counts.

    Parameters
    ----------
    conductor : Conductor
        Alike all along the fibres.
    geometry : Geometry
    lateral_mm, depth_mm, along_mm : ndarray of float64
        Axes of the table, see `LeadFields`.
    """
    grid, width = Wavenumbers().grid(float(conductor.anisotropy), conductor.cover_mm)
    electrode, column = np.unique(np.round(geometry.across_mm(), 6), return_inverse=True)
    lateral = np.abs(electrode[:, None] - lateral_mm)  # (columns, laterals)
    if isinstance(conductor, Cylinder):
        round_mm = 2.0 * math.pi * conductor.skin_radius_mm
        lateral = np.abs((lateral + round_mm / 2.0) % round_mm - round_mm / 2.0)
    distance, place = np.unique(np.round(lateral, 6), return_inverse=True)
    lead = conductor.lead_field(torch.as_tensor(grid), float(distance.max()) + 1.0)
    with torch.no_grad():
        field = lead(torch.as_tensor(distance)[None, :, None], torch.as_tensor(depth_mm)[:, None, None])[:, 0].numpy()
    field = field * (width * VOLTS_PER_AMPERE / math.pi)  # (depths, distances, wavenumbers)
    row_mm, row = np.unique(np.round(geometry.along_mm(), 6), return_inverse=True)
    waves = np.cos((along_mm - row_mm[:, None])[..., None] * grid)  # (rows, points, wavenumbers)
    potential = np.empty((len(lateral_mm), len(depth_mm), len(geometry), len(along_mm)), np.float32)
    place = place.reshape(lateral.shape)
    for i in range(len(lateral_mm)):
        at_columns = field[:, place[:, i]]  # (depths, columns, wavenumbers)
        everywhere = np.einsum("dck,rzk->dcrz", at_columns, waves, optimize=True)
        potential[i] = everywhere[:, column, row]
    return LeadFields(
        np.asarray(lateral_mm, np.float64),
        np.asarray(depth_mm, np.float64),
        np.asarray(along_mm, np.float64),
        potential,
        geometry.row.copy(),
        geometry.col.copy(),
        geometry.ied_mm,
    )
