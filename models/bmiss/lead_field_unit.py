"""Mean units seen through a table of lead fields, and the generator made of them.

The current of a fibre is 0 outside its ends, so its product with the potential along it is a sum over the waves of any
period that holds the fibre: exact, whatever the potential is beyond the table's ends. It is led there from one end back
to the other, smoothly, so that few waves are enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..forward.mean_current import (
    COLUMNS,
    EACH,
    FIBRES,
    IZ,
    SPREAD,
    STRENGTH,
    TENDON_SPREAD_MM,
    MeanCurrent,
)
from ..forward.territory import DISC, Territory
from .generator import ANISOTROPY, BATCH, BOTH_ENDS, FAT, USUAL, ColumnGenerator, FiringWindow, places, velocities
from .muscle_model import MuscleModelError
from .table import LeadFields
from .uneven_cubic import UnevenCubic

MILLIVOLTS = 1e-3  # mV per S/m mm mV of current, of 1 V/A
RETURN_MM = 50.0  # beyond the table, from the one end back to the other
HIGHEST = 1.35  # rad/mm; shorter waves do not reach the skin, as `Wavenumbers.shallowest_mm` has it
LEAST_SHARE = 1e-3  # of the root mean square of what is seen: shorter waves that make less are left out


class LeadFieldUnit:
    """Filtered waveforms of mean units in anybody's muscle; the same calls as `mean_unit.MeanUnit`.

    Parameters
    ----------
    fields : LeadFields
    fs_hz : float
    samples : int
        Of the window; a unit of delay d leaves its innervation point d ms after the window's first sample.
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    velocities : int
        Nodes over the scatter of conduction velocity.
    places : ndarray, shape (places, 3)
        Nodes over the territory, `territory.DISC` or `CENTRE`.
    tendon_spread_mm : float
        Full width of the scatter of the fibres' ends.
    """

    def __init__(
        self,
        fields: LeadFields,
        fs_hz: float,
        samples: int,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
        velocities: int = 5,
        places: NDArray[np.float64] = DISC,
        tendon_spread_mm: float = TENDON_SPREAD_MM,
    ) -> None:
        wavenumber, waves = spectra(fields)
        self._wavenumber = torch.as_tensor(wavenumber, dtype=torch.float32)
        measure = wavenumber * (wavenumber[0] / math.pi * MILLIVOLTS * STRENGTH * FIBRES)
        table = torch.as_tensor(waves * measure.astype(np.float32))  # (laterals, depths, channels, 2, wavenumbers)
        self._shape, self._table = table.shape[2:], table.flatten(2).flatten(0, 1)  # (places, numbers)
        self._across, self._down = UnevenCubic(fields.lateral_mm), UnevenCubic(fields.depth_mm)
        self._depths = len(fields.depth_mm)
        self._current = MeanCurrent(self._wavenumber, fs_hz, samples, sections, velocities, tendon_spread_mm)
        self._territory = Territory(places)

    def __call__(self, theta: Tensor) -> Tensor:
        """Waveforms, shape (units, channels, samples), uV, of theta, shape (units, `COLUMNS`)."""
        index, (value, _, _) = self._taps(theta)
        lead = self._looked_up(index, (value * self._territory.share[:, None])[:, None])[:, 0]
        return self._current.waveforms(theta, self._about_zone(theta, lead).flatten(2))

    def with_slopes(self, theta: Tensor, *, groups: Sequence[Sequence[int]] = EACH) -> tuple[Tensor, Tensor]:
        """The same, and their derivatives by groups of columns moved together, (units, groups, channels, samples)."""
        index, (value, by_lateral, by_depth) = self._taps(theta)
        weights = {IZ: value * self._territory.share[:, None]}
        asked = {column for group in groups for column in group}
        for column, (across, down) in self._territory.slopes(theta).items():
            if column in asked:
                weights[column] = across[..., None] * by_lateral + down[..., None] * by_depth
        found = self._looked_up(index, torch.stack(list(weights.values()), dim=1))
        lead = {column: self._about_zone(theta, field) for column, field in zip(weights, found.unbind(1), strict=True)}
        here = lead[IZ]  # (units, channels, 2, wavenumbers)
        lead[IZ] = torch.stack([here[:, :, 1], -here[:, :, 0]], dim=2) * self._wavenumber
        moved = {column: field.flatten(2) for column, field in lead.items()}
        return self._current.with_slopes(theta, here.flatten(2), moved, groups)

    def _taps(self, theta: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Rows of the table, and weights of the value and its slopes by both places, each (units, nodes, 16)."""
        lateral, depth = self._territory.places(theta)  # (units, nodes)
        column, across, across_slope = self._across(lateral)
        row, down, down_slope = self._down(depth)
        taps = torch.arange(4)
        index = (column[..., None] + taps)[..., None] * self._depths + (row[..., None] + taps)[..., None, :]
        pairs = ((across, down), (across_slope, down), (across, down_slope))
        return index.flatten(-2), tuple((x[..., :, None] * y[..., None, :]).flatten(-2) for x, y in pairs)

    def _looked_up(self, index: Tensor, weight: Tensor) -> Tensor:
        """Weighted rows, (units, weights, channels, 2, wavenumbers), of weights (units, weights, nodes, 16)."""
        found = []
        for rows, shares in zip(index, weight.flatten(2), strict=True):
            rows, place = rows.flatten().unique(return_inverse=True)  # the nodes of a territory have many in common
            share = weight.new_zeros(len(shares), len(rows)).index_add_(1, place, shares)
            found.append(share @ self._table[rows])
        return torch.stack(found).unflatten(2, self._shape)

    def _about_zone(self, theta: Tensor, lead: Tensor) -> Tensor:
        """Even and odd waves about the innervation zone instead of about the array's centre."""
        phase = self._wavenumber * theta[:, IZ, None]  # (units, wavenumbers)
        cos, sin = torch.cos(phase)[:, None], torch.sin(phase)[:, None]
        even, odd = lead.unbind(2)
        return torch.stack([even * cos + odd * sin, odd * cos - even * sin], dim=2)


def spectra(fields: LeadFields) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Waves along the fibres that make up the potentials.

    Returns
    -------
    wavenumber : ndarray of float64, shape (wavenumbers,), rad/mm
        Even, from the longest wave on.
    waves : ndarray of float32, shape (laterals, depths, channels, 2, wavenumbers), mm V/A
        Integrals of the potential times cos(k z), and times sin(k z).
    """
    step, points = fields.step_mm, len(fields.along_mm)
    extra = math.ceil(RETURN_MM / step)
    wavenumber: NDArray[np.float64] = (
        2.0 * math.pi / ((points + extra) * step) * np.arange(1, (points + extra + 1) // 2)
    )
    wavenumber = wavenumber[wavenumber <= HIGHEST]
    turn = step * np.exp(-1j * wavenumber * fields.along_mm[0])  # the array's centre is z = 0
    shape = (*fields.potential.shape[:3], 2, len(wavenumber))
    waves, power = np.empty(shape, np.float32), np.zeros((*shape[:2], len(wavenumber)))
    for i, potential in enumerate(fields.potential):  # by lateral place: the whole in complex numbers is large
        found = np.fft.rfft(_closed(potential.astype(np.float64), extra))[..., 1 : len(wavenumber) + 1] * turn
        waves[i, ..., 0, :], waves[i, ..., 1, :] = found.real, -found.imag
        power[i] = (np.abs(found * wavenumber) ** 2).sum(1)  # (depths, wavenumbers)
    left = np.cumsum(power[..., ::-1], axis=-1)[..., ::-1]  # of a wave and all shorter ones
    used = int((left > LEAST_SHARE**2 * left[..., :1]).any(axis=(0, 1)).sum())
    return wavenumber[:used], np.ascontiguousarray(waves[..., :used])


def _closed(potential: NDArray[np.float64], extra: int) -> NDArray[np.float64]:
    """Led from its end back to its beginning by a cubic that goes on with both slopes, shape (..., points + extra)."""
    width = extra + 1
    t = np.arange(1, width) / width
    begin, end = potential[..., -1:], potential[..., :1]
    rise, rise_there = width * (begin - potential[..., -2:-1]), width * (potential[..., 1:2] - end)
    change = end - begin
    back = (
        begin + rise * t + (3.0 * change - 2.0 * rise - rise_there) * t**2 + (rise + rise_there - 2.0 * change) * t**3
    )
    return np.concatenate([potential, back], axis=-1)


class LeadFieldGenerator(ColumnGenerator):
    """Mean units in anybody's muscle, as a `generator.Generator`.

    Parameters
    ----------
    fields : LeadFields
        Of the recording's channels, see `LeadFields.at`.
    window : FiringWindow
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    ranges : mapping of str to (float, float), optional
        The free parameters, each with its bounds: names of `generator.MOVES`, less what the table has settled; by
        default `usual_ranges`.
    fixed : mapping of str to float, optional
        The others, where they are not as `generator.USUAL` says.
    tendon_spread_mm : float
        Full width of the scatter of the fibres' ends.
    batch : int
        Units worked on at once.

    Raises
    ------
    MuscleModelError
        Units would lie, or their fibres end, outside the table.
    """

    def __init__(
        self,
        fields: LeadFields,
        window: FiringWindow,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
        ranges: Mapping[str, tuple[float, float]] | None = None,
        fixed: Mapping[str, float] | None = None,
        tendon_spread_mm: float = TENDON_SPREAD_MM,
        batch: int = BATCH,
    ) -> None:
        held = USUAL | _split(fixed or {})
        ranges = ranges or usual_ranges(fields, held[COLUMNS[SPREAD]], tendon_spread_mm)
        for name in (FAT, ANISOTROPY):
            if name in ranges:
                raise ValueError(f"{name} cannot be searched where lead fields are given")
        _check_within(fields, ranges, held, tendon_spread_mm)
        unit = LeadFieldUnit(
            fields,
            window.fs_hz,
            window.samples,
            sections,
            velocities(ranges, held),
            places(ranges, held),
            tendon_spread_mm,
        )
        super().__init__(unit, fields.channels, window, ranges, fixed, batch)


def usual_ranges(
    fields: LeadFields, iz_spread_mm: float = USUAL[COLUMNS[SPREAD]], tendon_spread_mm: float = TENDON_SPREAD_MM
) -> dict[str, tuple[float, float]]:
    """Bounds of what is searched where nothing is known but the table: its cross-section, and fibres that fit in it.

    Raises
    ------
    MuscleModelError
        No fibres fit.
    """
    low, high = float(fields.along_mm[0]), float(fields.along_mm[-1])
    middle, reach = (low + high) / 2.0, (high - low - max(iz_spread_mm, tendon_spread_mm)) / 2.0
    shift, longest = 0.3 * reach, 0.7 * reach
    if longest < 1.5 * iz_spread_mm:
        raise MuscleModelError(
            f"along_mm spans {high - low:g} mm, too short for fibres whose innervation points and ends scatter over "
            f"{iz_spread_mm:g} and {tendon_spread_mm:g} mm: extend it along the fibres."
        )
    return {
        "innervation_zone_mm": (middle - shift, middle + shift),
        "conduction_velocity_m_s": (2.5, 5.5),
        "depth_mm": (max(float(fields.depth_mm[0]), 2.0), float(fields.depth_mm[-1])),
        "lateral_mm": (float(fields.lateral_mm[0]), float(fields.lateral_mm[-1])),
        BOTH_ENDS: (0.5 * longest, longest),
    }


def _check_within(
    fields: LeadFields, ranges: Mapping[str, tuple[float, float]], held: Mapping[str, float], tendon_spread_mm: float
) -> None:
    def bounds(name: str) -> tuple[float, float]:
        ends = ranges.get(BOTH_ENDS) if name.startswith("half_length") else None
        return ranges.get(name) or ends or (held[name], held[name])

    for name, axis in (("lateral_mm", fields.lateral_mm), ("depth_mm", fields.depth_mm)):
        low, high = bounds(name)
        if low < axis[0] - 1e-6 or high > axis[-1] + 1e-6:
            raise MuscleModelError(
                f"units are searched at {name} {low:g} to {high:g}, the lead fields reach from {axis[0]:g} to "
                f"{axis[-1]:g}: extend them, or search less far."
            )
    zone = bounds("innervation_zone_mm")
    low = zone[0] - bounds("half_length_low_mm")[1] - tendon_spread_mm / 2.0
    high = zone[1] + bounds("half_length_high_mm")[1] + tendon_spread_mm / 2.0
    if low < fields.along_mm[0] - 1e-6 or high > fields.along_mm[-1] + 1e-6:
        raise MuscleModelError(
            f"fibres are searched that reach from {low:g} to {high:g} mm along the muscle, the lead fields from "
            f"{fields.along_mm[0]:g} to {fields.along_mm[-1]:g}: extend along_mm, or search shorter fibres."
        )


def _split(fixed: Mapping[str, float]) -> dict[str, float]:
    """One length of both ends as that of each."""
    held = dict(fixed)
    if BOTH_ENDS in held:
        held["half_length_low_mm"] = held["half_length_high_mm"] = held.pop(BOTH_ENDS)
    return held
