r"""A unit of very many fibres: the mean of their waveforms, most of it in closed form, with its derivatives.

Its current is `mean_current.py`'s; what reaches the electrodes from a territory does not depend on what moves a fibre
along z, so it is the mean of the lead field over the territory. One waveform costs what five fibres cost in
`waveform.py`, whose equations these are, and no fibre is left to chance. The decoder's causal filter and the delay of a
waveform in its window are factors of the spectrum and cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .conductors import Conductor
from .electrodes import Electrodes
from .mean_current import (
    EACH,
    FAT,
    FIBRES,
    IZ,
    RATIO,
    STRENGTH,
    TENDON_SPREAD_MM,
    MeanCurrent,
)
from .planar_family import ANISOTROPY, FAT_MM, PlanarFamily
from .tabulated_lead import TabulatedLead
from .territory import DISC, Territory
from .wavenumbers import Wavenumbers


class MeanUnit:
    """Filtered waveforms of mean units at given electrodes, each unit in its own planar conductor.

    Parameters
    ----------
    electrodes : Electrodes
        Points.
    fs_hz : float
    samples : int
        Of the window; a unit of delay d leaves its innervation point d ms after the window's first sample.
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    velocities : int
        Nodes over the scatter of conduction velocity.
    places : ndarray, shape (places, 3)
        Nodes over the territory, `territory.DISC` or `CENTRE`.
    reach_mm : float
        How far from the array's centre, across the fibres, units may lie.
    conductor : Conductor, optional
        Of all units; by default each unit has its own planar layers, as its `fat_mm` and `anisotropy` say.
    tendon_spread_mm : float
        Full width of the scatter of the fibres' ends.
    """

    def __init__(
        self,
        electrodes: Electrodes,
        fs_hz: float,
        samples: int,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
        velocities: int = 5,
        places: NDArray[np.float64] = DISC,
        reach_mm: float = 60.0,
        conductor: Conductor | None = None,
        tendon_spread_mm: float = TENDON_SPREAD_MM,
    ) -> None:
        if electrodes.size_mm:
            raise ValueError(f"electrodes of {electrodes.size_mm:g} mm: a mean unit is seen by points")
        thinnest = (ANISOTROPY[0], 1.0 + FAT_MM[0]) if conductor is None else _thinnest(conductor)
        grid, width = Wavenumbers().grid(*thinnest)
        self._wavenumber = _real(grid)  # (wavenumbers,)
        self._measure = _real(grid * width * (STRENGTH * FIBRES / math.pi))  # (wavenumbers,)
        columns, column = np.unique(np.round(electrodes.across_mm, 6), return_inverse=True)
        self._columns, self._column = _real(columns), torch.as_tensor(column)  # (columns,), (channels,)
        self._along, self._step = _real(electrodes.along_mm), electrodes.step_mm  # (channels,)
        reach = reach_mm + float(np.abs(columns).max())
        self._lead = (
            PlanarFamily(self._wavenumber, reach)
            if conductor is None
            else TabulatedLead.of(conductor, self._wavenumber, reach)
        )
        self._current = MeanCurrent(self._wavenumber, fs_hz, samples, sections, velocities, tendon_spread_mm)
        self._territory = Territory(places)

    def __call__(self, theta: Tensor, view: Tensor | None = None) -> Tensor:
        """Waveforms.

        Parameters
        ----------
        theta : Tensor, shape (units, `COLUMNS`)
        view : Tensor, shape (units, seen, channels), optional
            What of the channels is looked at.

        Returns
        -------
        Tensor, shape (units, channels or seen, samples), uV
        """
        lateral, depth = self._places(theta)
        field = self._lead(lateral, depth, theta[:, FAT], theta[:, RATIO])  # (units, nodes x columns, wavenumbers)
        lead = torch.einsum("p,upck->uck", self._territory.share, self._by_node(field))
        weight = self._at_channels(lead) * self._waves(theta, view)[0]
        return self._current.waveforms(theta, weight.flatten(2))

    def with_slopes(
        self, theta: Tensor, view: Tensor | None = None, groups: Sequence[Sequence[int]] = EACH
    ) -> tuple[Tensor, Tensor]:
        """Waveforms, and their derivatives, shape (units, groups, channels or seen, samples).

        Parameters
        ----------
        theta, view : Tensor
            As above.
        groups : sequence
            Columns that are moved together; by default each of `COLUMNS` alone.
        """
        lateral, depth = self._places(theta)
        field, slopes = self._lead.with_slopes(lateral, depth, theta[:, FAT], theta[:, RATIO])
        waves, along = self._waves(theta, view)  # (units, seen, 2, wavenumbers)
        share = self._territory.share
        lead = self._at_channels(torch.einsum("p,upck->uck", share, self._by_node(field)))
        by_lateral, by_depth, by_fat, by_ratio = self._by_node(slopes)  # (units, nodes, columns, wavenumbers)
        asked = {column for group in groups for column in group}
        moved = {IZ: along * lead}
        for column, (across, down) in self._territory.slopes(theta).items():
            if column in asked:  # the lead field's lateral distance is the column's place less the unit's
                moved[column] = torch.einsum("up,upck->uck", down, by_depth)
                moved[column] -= torch.einsum("up,upck->uck", across, by_lateral)
        for column, slope in ((FAT, by_fat), (RATIO, by_ratio)):
            if column in asked:
                moved[column] = torch.einsum("p,upck->uck", share, slope)
        moved = {
            column: (slope if column == IZ else waves * self._at_channels(slope)).flatten(2)
            for column, slope in moved.items()
        }
        return self._current.with_slopes(theta, (waves * lead).flatten(2), moved, groups)

    def _places(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Lateral distance and depth from every node in the territory to every column, (units, nodes x columns)."""
        lateral, depth = self._territory.places(theta)
        distance = self._columns - lateral[..., None]  # (units, nodes, columns)
        return distance.flatten(1), depth[..., None].expand_as(distance).flatten(1)

    def _by_node(self, field: Tensor) -> Tensor:
        """From (..., nodes x columns, wavenumbers) to (..., nodes, columns, wavenumbers)."""
        return field.unflatten(-2, (-1, len(self._columns)))

    def _at_channels(self, lead: Tensor) -> Tensor:
        """From columns to channels, and to even and odd waves, (units, channels, 1, wavenumbers)."""
        return (lead * self._measure)[:, self._column, None]

    def _waves(self, theta: Tensor, view: Tensor | None) -> tuple[Tensor, Tensor]:
        """Even and odd waves at the channels, from the innervation zone, and their derivatives by its place.

        A view must not mix columns: the lead field is taken to be that of the channel's own.
        """
        k = self._wavenumber
        place = self._along - theta[:, IZ, None]  # (units, channels)
        phase = place[..., None] * k
        even, odd = torch.cos(phase), torch.sin(phase)
        if self._step:
            further = phase + self._step * k
            even, odd = torch.cos(further) - even, torch.sin(further) - odd
        waves = torch.stack([even, odd], dim=2)  # (units, channels, 2, wavenumbers)
        if view is not None:
            waves = (view @ waves.flatten(2)).unflatten(2, (2, -1))
        return waves, torch.stack([waves[:, :, 1] * k, -waves[:, :, 0] * k], dim=2)


def _thinnest(conductor: Conductor) -> tuple[float, float]:
    return float(conductor.anisotropy), float(conductor.cover_mm)


def _real(array: NDArray[np.float64]) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)
