"""What is inverted: from a unit's parameters to its waveform at the electrodes and to its slopes.

A search asks for nothing but `Generator`. `ColumnGenerator` is one around anything that takes the parameters of
`mean_current.COLUMNS`: some of these are free, within bounds, and the others have one value for all units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...stream.geometry import Geometry
from ..forward import fibres
from ..forward.conductors import Conductor
from ..forward.electrodes import Electrodes
from ..forward.mean_current import COLUMNS, TENDON_SPREAD_MM
from ..forward.mean_unit import MeanUnit
from ..forward.planar_layers import PlanarLayers
from ..forward.territory import CENTRE, DISC
from .space import InSpace, Space

BOTH_ENDS = "half_length_mm"  # one length from the innervation zone to either end
MOVES = {name: (name,) for name in COLUMNS} | {BOTH_ENDS: ("half_length_low_mm", "half_length_high_mm")}
FAT, ANISOTROPY = "fat_mm", "anisotropy"
USUAL = {name: value for name, value in fibres.ORDINARY.items() if name in COLUMNS} | {FAT: 3.0, ANISOTROPY: 5.0}
BATCH = 20  # units at once: what stays in a core's cache
VELOCITIES = 5  # nodes over the scatter of conduction velocity, where there is one


class Generator(Protocol):
    """From parameters to waveforms. Deterministic; the amplitude is that of a unit of some size, the same for all.

    Attributes
    ----------
    space : Space
        Its names may be any; "lateral_mm" and "depth_mm", where they are among them, are places in the cross-section.
    channels, samples : int
        Of a waveform.
    fires_at : int
        Sample of the window at which the unit fires: its action potential leaves the innervation zone.
    """

    space: Space
    channels: int
    samples: int
    fires_at: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of the space."""
        ...

    @property
    def low(self) -> NDArray[np.float64]:
        """Lower bounds of the space."""
        ...

    @property
    def high(self) -> NDArray[np.float64]:
        """Higher bounds of the space."""
        ...

    def waveforms(self, theta: Tensor) -> Tensor:
        """Filtered waveforms of units.

        Parameters
        ----------
        theta : Tensor, shape (units, parameters)
            In the order and units of the space.

        Returns
        -------
        Tensor of float32, shape (units, channels, samples), uV
        """
        ...

    def with_slopes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and their derivatives by every parameter, (units, parameters, channels, samples), uV per unit."""
        ...


@dataclass(frozen=True)
class FiringWindow:
    """When a waveform is computed.

    Parameters
    ----------
    fs_hz : float
    length_ms : float
    fires_ms : float
        From the window's beginning to the unit's firing, rounded to a sample.
    """

    fs_hz: float
    length_ms: float = 50.0
    fires_ms: float = 10.0

    @property
    def samples(self) -> int:
        """Of the window."""
        return round(self.length_ms * self.fs_hz / 1e3)

    @property
    def fires_at(self) -> int:
        """Sample of the firing."""
        return round(self.fires_ms * self.fs_hz / 1e3)

    @property
    def delay_ms(self) -> float:
        """Time of the firing in the window, at that sample exactly."""
        return self.fires_at * 1e3 / self.fs_hz


class UnitModel(Protocol):
    """Waveforms by `COLUMNS`: `mean_unit.MeanUnit`, or anything that answers as it does."""

    def __call__(self, theta: Tensor) -> Tensor:
        """Waveforms, shape (units, channels, samples), of theta, shape (units, `COLUMNS`)."""
        ...

    def with_slopes(self, theta: Tensor, *, groups: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """The same, and their slopes by groups of columns that move together, (units, groups, channels, samples)."""
        ...


class ColumnGenerator(InSpace):
    """A `Generator` of which some columns are free.

    Parameters
    ----------
    model : UnitModel
    channels : int
    window : FiringWindow
        As the model was made for.
    ranges : mapping of str to (float, float)
        The free parameters, each with its bounds: names of `MOVES`.
    fixed : mapping of str to float
        The others, where they are not as `USUAL` says.
    batch : int
        Units worked on at once.
    """

    def __init__(
        self,
        model: UnitModel,
        channels: int,
        window: FiringWindow,
        ranges: Mapping[str, tuple[float, float]],
        fixed: Mapping[str, float] | None = None,
        batch: int = BATCH,
    ) -> None:
        self._columns = Columns(ranges, fixed or {}, window.delay_ms)
        self.space, self.channels = Space.of(ranges), channels
        self.samples, self.fires_at = window.samples, window.fires_at
        self._model, self._batch = model, batch

    @property
    def fixed(self) -> dict[str, float]:
        """What all units have in common, by column."""
        return self._columns.fixed

    @torch.no_grad()
    def waveforms(self, theta: Tensor) -> Tensor:
        """See `Generator`."""
        found = torch.empty(len(theta), self.channels, self.samples)
        for part in self._parts(theta):
            found[part] = self._model(self._columns(theta[part]))
        return found

    @torch.no_grad()
    def with_slopes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """See `Generator`."""
        found = torch.empty(len(theta), self.channels, self.samples)
        slopes = torch.empty(len(theta), len(self.space), self.channels, self.samples)
        for part in self._parts(theta):
            found[part], slopes[part] = self._model.with_slopes(self._columns(theta[part]), groups=self._columns.groups)
        return found, slopes

    def _parts(self, theta: Tensor) -> list[slice]:
        if theta.dim() != 2 or theta.shape[1] != len(self.space):
            raise ValueError(f"parameters of shape {tuple(theta.shape)}: {len(self.space)} are searched for each unit")
        return [slice(i, i + self._batch) for i in range(0, len(theta), self._batch)]


class Columns:
    """From the parameters that are searched to all columns."""

    def __init__(self, ranges: Mapping[str, tuple[float, float]], fixed: Mapping[str, float], delay_ms: float) -> None:
        for name in (*ranges, *fixed):
            if name not in MOVES or name == "delay_ms":
                known = ", ".join(name for name in MOVES if name != "delay_ms")
                raise ValueError(f'"{name}" is no parameter of a unit: there are {known}')
        freed = [column for name in ranges for column in MOVES[name]]
        held = {column: value for name, value in fixed.items() for column in MOVES[name]}
        twice = {column for column in freed if freed.count(column) > 1 or column in held}
        if twice:
            raise ValueError(f"{', '.join(sorted(twice))}: either searched, once, or fixed")
        self.fixed = {name: float(value) for name, value in (USUAL | held).items() if name not in freed}
        self.groups = [[COLUMNS.index(column) for column in MOVES[name]] for name in ranges]
        whole = self.fixed | {"delay_ms": delay_ms}
        self._fixed = torch.tensor([whole.get(name, 0.0) for name in COLUMNS])
        self._free = torch.zeros(len(ranges), len(COLUMNS))
        for place, group in enumerate(self.groups):
            self._free[place, group] = 1.0

    def __call__(self, theta: Tensor) -> Tensor:
        """Shape (units, `COLUMNS`)."""
        return self._fixed + theta.to(self._free) @ self._free


class PhysicsGenerator(ColumnGenerator):
    """Mean units in a conductor of which every place is known.

    Parameters
    ----------
    geometry : Geometry
    window : FiringWindow
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    ranges : mapping of str to (float, float), optional
        The free parameters, each with its bounds: names of `MOVES`; by default `usual_ranges`.
    fixed : mapping of str to float, optional
        The others, where they are not as `USUAL` says.
    conductor : Conductor, optional
        By default plane layers of `fat_mm` and `anisotropy`, one for each unit where one of these is free.
    montage : str
        "monopolar" or "single-differential".
    tendon_spread_mm : float
        Full width of the scatter of the fibres' ends.
    batch : int
        Units worked on at once.
    """

    def __init__(
        self,
        geometry: Geometry,
        window: FiringWindow,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
        ranges: Mapping[str, tuple[float, float]] | None = None,
        fixed: Mapping[str, float] | None = None,
        conductor: Conductor | None = None,
        montage: str = "monopolar",
        tendon_spread_mm: float = TENDON_SPREAD_MM,
        batch: int = BATCH,
    ) -> None:
        ranges, held = ranges or usual_ranges(geometry), USUAL | dict(fixed or {})
        bodies = [name for name in (FAT, ANISOTROPY) if name in ranges]
        if conductor is not None and bodies:
            raise ValueError(f"{' and '.join(bodies)} cannot be searched in a conductor that is given")
        if conductor is None and not bodies:
            conductor = PlanarLayers(fat_mm=held[FAT], anisotropy=held[ANISOTROPY])  # one table, not a family
        super().__init__(
            MeanUnit(
                Electrodes.from_geometry(geometry, montage),
                window.fs_hz,
                window.samples,
                sections,
                velocities=velocities(ranges, held),
                places=places(ranges, held),
                reach_mm=math.ceil(_largest("lateral_mm", ranges, held) + _largest("radius_mm", ranges, held)),
                conductor=conductor,
                tendon_spread_mm=tendon_spread_mm,
            ),
            len(geometry),
            window,
            ranges,
            fixed,
            batch,
        )


def usual_ranges(geometry: Geometry) -> dict[str, tuple[float, float]]:
    """Bounds of what is searched where nothing is known: places about the array, the rest as muscles have it."""
    along, across = geometry.along_mm(), geometry.across_mm()
    reach = 1.5 * geometry.ied_mm  # units may be innervated just off the array
    return {
        "innervation_zone_mm": (float(along.min() - reach), float(along.max() + reach)),
        "conduction_velocity_m_s": (2.5, 5.5),
        "depth_mm": (2.0, 25.0),
        "lateral_mm": (float(across.min() - reach), float(across.max() + reach)),
        BOTH_ENDS: (40.0, 90.0),
    }


def velocities(ranges: Mapping[str, tuple[float, float]], held: Mapping[str, float]) -> int:
    """Nodes that the scatter of conduction velocity needs: one where there is none."""
    return VELOCITIES if _largest("cv_sd_m_s", ranges, held) else 1


def places(ranges: Mapping[str, tuple[float, float]], held: Mapping[str, float]) -> NDArray[np.float64]:
    """Nodes that the territory needs: one where it has no size."""
    return DISC if _largest("radius_mm", ranges, held) else CENTRE


def _largest(name: str, ranges: Mapping[str, tuple[float, float]], held: Mapping[str, float]) -> float:
    return max(map(abs, ranges[name])) if name in ranges else abs(held[name])
