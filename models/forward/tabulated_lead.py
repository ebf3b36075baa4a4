"""The lead field of one conductor as a mean unit asks for it: tabulated, with its slopes.

The logarithm is tabulated: it is smooth where the field itself falls by orders of magnitude.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .conductors import Conductor
from .lead_table import LeadTable, TableNodes
from .sloped_table import SlopedTable

SMALLEST = 1e-8  # of the longest wave's field at the same place: what is below is nothing in a waveform
DEPTHS, LATERALS = 48, 48


class TabulatedLead:
    """Lead field of one conductor at one set of wavenumbers, differentiated by hand.

    The same calls as `planar_family.PlanarFamily`; fat and anisotropy are the conductor's own, so that what a unit
    says of them changes nothing.

    Parameters
    ----------
    values : ndarray, shape (depths, laterals, wavenumbers)
        Positive, at `nodes`, even in lateral distance; 1/(S/m).
    nodes : TableNodes
    like : Tensor
        Of the dtype to look up with.
    """

    def __init__(self, values: NDArray[np.float64], nodes: TableNodes, like: Tensor) -> None:
        self._logs = SlopedTable(nodes, np.log(np.maximum(values, SMALLEST * values[..., :1])), like)

    @classmethod
    def of(cls, conductor: Conductor, wavenumber: Tensor, reach_mm: float) -> TabulatedLead:
        """Tabulate a conductor that is alike all along the fibres and even in lateral distance.

        One that is itself a table is taken at its own nodes: nothing is interpolated twice, nor beyond its range.

        Parameters
        ----------
        conductor : Conductor
            The same for every unit.
        wavenumber : Tensor, shape (wavenumbers,), rad/mm
        reach_mm : float
            Largest lateral distance that is tabulated.
        """
        with torch.no_grad():
            lead = conductor.lead_field(wavenumber.double(), reach_mm)
            if isinstance(lead, LeadTable):
                nodes = lead.nodes
            else:
                nodes = TableNodes(reach_mm=reach_mm, depths=DEPTHS, laterals=LATERALS)
            lateral = torch.as_tensor(nodes.lateral_mm())[None, :, None]
            depth = torch.as_tensor(nodes.depth_mm())[:, None, None]
            values = lead(lateral, depth)[:, 0]  # (depths, laterals, wavenumbers)
        return cls(values.numpy(), nodes, wavenumber)

    def __call__(self, lateral_mm: Tensor, depth_mm: Tensor, fat_mm: Tensor, anisotropy: Tensor) -> Tensor:
        """Lead field, shape (units, places, wavenumbers); see `conductors.LeadField`."""
        return self._logs(lateral_mm, depth_mm).exp()

    def with_slopes(
        self, lateral_mm: Tensor, depth_mm: Tensor, fat_mm: Tensor, anisotropy: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same, and its derivatives by `planar_family.SLOPES`, shape (4, units, places, wavenumbers)."""
        logs = self._logs.with_slopes(lateral_mm, depth_mm)  # (units, places, 3, wavenumbers)
        field = logs[:, :, 0].exp()
        slopes = logs[:, :, 1:] * field[:, :, None]
        return field, torch.cat([slopes, torch.zeros_like(slopes)], dim=2).permute(2, 0, 1, 3)
