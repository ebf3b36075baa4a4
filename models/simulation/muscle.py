"""Where the units of a pool lie in the muscle under the array, and the waveform of each at the electrodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from ...stream.geometry import Geometry
from ..forward.conductors import Conductor
from ..forward.cylinder import Cylinder
from ..forward.electrodes import Electrodes
from ..forward.fibres import Fibres, UnitParameters, place, random_deviates
from ..forward.half_space import HalfSpace
from ..forward.planar_layers import PlanarLayers
from ..forward.waveform import WaveformModel, Window
from .pool import Pool

CONDUCTORS = ("half-space", "planar", "cylinder")
RINGING_MS, RINGING_SAMPLES = 5.0, 14  # of the low-pass, before the discharge and after the end; the longer counts
AFTER_AP_MM = 14.0  # length of the action potential (the authors' figure); it dies out after the fibre's end
TOGETHER = 60  # fibres computed at once: what stays in a core's cache


@dataclass(frozen=True)
class MuscleSettings:
    """Ranges that the muscle's units are drawn from, uniform where nothing else is said.

    Parameters
    ----------
    conductor : str
        "half-space", "planar" or "cylinder".
    fat_mm, skin_mm : float
        Thickness, mm; in the half-space this much muscle without fibres lies on top instead.
    anisotropy : float
        Conductivity of muscle along the fibres over that across them (0.1 S/m).
    top_mm, bottom_mm : float
        Depths below the muscle's surface between which territories lie, mm.
    beside_mm : float
        How far territories reach out to either side of the array's outer columns, mm.
    radius_mm : tuple of float
        Of the territory of a unit of 15 fibres and of one of 1500, mm; grows as a power of the number.
    iz_mm : float
        Centre of the muscle's innervation zone from the array's centre along the fibres, mm.
    iz_range_mm : float
        Units' innervation-zone centres lie this far from it at most, mm.
    iz_spread_mm, tendon_spread_mm : tuple of float
        Full width of the scatter of innervation points and of fibre ends within a unit, mm.
    half_length_mm : tuple of float
        From the muscle's innervation zone to a unit's fibre ends, for either side, mm.
    cv_mean_m_s, cv_sd_m_s : float
        Conduction velocity over the units, normal, m/s; kept within `cv_limits_m_s`.
    cv_size_correlation : float
        Between conduction velocity and recruitment order: large units conduct faster.
    cv_limits_m_s : tuple of float
    within_cv_sd_m_s : tuple of float
        Scatter of conduction velocity within a unit, m/s.
    ap_scale : tuple of float
        Length of the intracellular action potential relative to Rosenfalck's.
    most_fibres : int
        A unit with more fibres is computed with this many, each standing for several; by default none has.
    electrode_mm : float
        Diameter of the electrodes, mm; 0 is a point.
    """

    conductor: str = "half-space"
    fat_mm: float = 3.0
    skin_mm: float = 1.0
    anisotropy: float = 5.0
    top_mm: float = 1.0
    bottom_mm: float = 20.0
    beside_mm: float = 8.0
    radius_mm: tuple[float, float] = (3.0, 8.0)
    iz_mm: float = 0.0
    iz_range_mm: float = 10.0
    iz_spread_mm: tuple[float, float] = (2.0, 15.0)
    tendon_spread_mm: tuple[float, float] = (5.0, 10.0)
    half_length_mm: tuple[float, float] = (55.0, 70.0)
    cv_mean_m_s: float = 4.0
    cv_sd_m_s: float = 0.3
    cv_size_correlation: float = 0.7
    cv_limits_m_s: tuple[float, float] = (2.5, 5.5)
    within_cv_sd_m_s: tuple[float, float] = (0.0, 0.2)
    ap_scale: tuple[float, float] = (0.9, 1.1)
    most_fibres: int = 1500
    electrode_mm: float = 0.0

    def make_conductor(self) -> Conductor:
        """The volume conductor."""
        if self.conductor == "half-space":
            return HalfSpace(anisotropy=self.anisotropy)
        if self.conductor == "planar":
            return PlanarLayers(self.fat_mm, self.skin_mm, anisotropy=self.anisotropy)
        if self.conductor == "cylinder":
            return Cylinder(fat_mm=self.fat_mm, skin_mm=self.skin_mm, anisotropy=self.anisotropy)
        raise ValueError(f'the conductor "{self.conductor}" is none of {", ".join(CONDUCTORS)}')

    def draw(self, pool: Pool, electrodes: Electrodes, rng: np.random.Generator) -> UnitParameters:
        """The units of a pool, from the first recruited to the last."""
        units = len(pool)
        radius = self.territory_mm(pool)
        above = self.fat_mm + self.skin_mm - self.make_conductor().cover_mm  # muscle that stands in for fat and skin
        side = float(np.abs(electrodes.across_mm).max()) + self.beside_mm
        order = ndtri((np.arange(units) + 0.5) / units)
        own = rng.standard_normal(units)
        velocity = self.cv_size_correlation * order + math.sqrt(1.0 - self.cv_size_correlation**2) * own
        centre = rng.uniform(-self.iz_range_mm, self.iz_range_mm, units)
        return as_parameters(
            {
                "innervation_zone_mm": self.iz_mm + centre,
                "conduction_velocity_m_s": (self.cv_mean_m_s + self.cv_sd_m_s * velocity).clip(*self.cv_limits_m_s),
                "depth_mm": above + _inside(self.top_mm + radius, self.bottom_mm - radius, rng),
                "lateral_mm": _inside(radius - side, side - radius, rng),
                "half_length_low_mm": rng.uniform(*self.half_length_mm, units) + centre,
                "half_length_high_mm": rng.uniform(*self.half_length_mm, units) - centre,
                "iz_spread_mm": rng.uniform(*self.iz_spread_mm, units),
                "tendon_spread_mm": rng.uniform(*self.tendon_spread_mm, units),
                "radius_mm": radius,
                "cv_sd_m_s": rng.uniform(*self.within_cv_sd_m_s, units),
                "fibres": pool.fibres.astype(np.float64),
                "ap_scale": rng.uniform(*self.ap_scale, units),
            }
        )

    def territory_mm(self, pool: Pool) -> NDArray[np.float64]:
        """Radius of every unit's territory, mm, shape (units,)."""
        share = np.log(pool.fibres / 15.0) / np.log(100.0)
        radius: NDArray[np.float64] = self.radius_mm[0] * (self.radius_mm[1] / self.radius_mm[0]) ** share
        return radius


def as_parameters(values: dict[str, NDArray[np.float64]]) -> UnitParameters:
    """Units from arrays of shape (units,)."""
    return UnitParameters.of(**{name: torch.as_tensor(v, dtype=torch.float32) for name, v in values.items()})


class Muscle:
    """A pool's units in a muscle under an array.

    Parameters
    ----------
    settings : MuscleSettings
    pool : Pool
    geometry : Geometry
        The array, monopolar.
    rng : Generator

    Attributes
    ----------
    parameters : UnitParameters
        What was asked of each unit.
    fibres : list of Fibres
        What was drawn for each, one unit each.
    """

    def __init__(self, settings: MuscleSettings, pool: Pool, geometry: Geometry, rng: np.random.Generator) -> None:
        self.settings, self.geometry = settings, geometry
        self.conductor = settings.make_conductor()
        self.electrodes = Electrodes.from_geometry(geometry, size_mm=settings.electrode_mm)
        self.parameters = settings.draw(pool, self.electrodes, rng)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        self.fibres: list[Fibres] = []
        for unit, count in enumerate(pool.fibres):
            deviates = random_deviates(1, min(int(count), settings.most_fibres), generator)
            self.fibres.append(place(self.parameters[unit : unit + 1], deviates))

    def __len__(self) -> int:
        return len(self.fibres)

    @property
    def cover_mm(self) -> float:
        """From the electrodes to the muscle's surface, by which the depths of the conductor count, mm."""
        return self.conductor.cover_mm

    def window(self, fs_hz: float) -> Window:
        """Long enough for the slowest fibre; starts a whole number of samples before the discharge."""
        last = 0.0
        for unit in self.fibres:
            length = torch.maximum(unit.high_end_mm - unit.innervation_mm, unit.innervation_mm - unit.low_end_mm)
            behind = AFTER_AP_MM * unit.ap_scale[:, None]
            last = max(last, float(((length + behind) / unit.velocity_m_s).max()))
        before = max(RINGING_SAMPLES, math.ceil(RINGING_MS * fs_hz / 1000.0))
        samples = before + math.ceil(last * fs_hz / 1000.0) + before
        return Window(fs_hz, samples, -before * 1000.0 / fs_hz, samples * 1000.0 / fs_hz)

    def muaps(self, window: Window, progress: Callable[[float], None] | None = None) -> NDArray[np.float32]:
        """Waveform of every unit, shape (units, channels, time), uV: that of all its fibres together."""
        reach = float(max(unit.lateral_mm.abs().max() for unit in self.fibres))
        model = WaveformModel(self.conductor, self.electrodes, window, reach_mm=reach)
        result = np.zeros((len(self), len(self.electrodes), window.samples), np.float32)
        with torch.no_grad(), _one_thread():
            for number, unit in enumerate(self.fibres):
                waveform = sum(model.of_fibres(part) for part in _parts(unit))
                result[number] = waveform[0].numpy()
                if progress is not None:
                    progress((number + 1) / len(self))
        return result

    def truth(self) -> list[dict[str, float]]:
        """Of every unit: the parameters drawn for it (`_centre` where the fibres' mean is another), and those means."""
        asked = {field.name: getattr(self.parameters, field.name).tolist() for field in fields(self.parameters)}
        units = []
        for number, fibres in enumerate(self.fibres):
            values = {name: float(column[number]) for name, column in asked.items()}
            means = {
                "innervation_zone_mm": fibres.mean_innervation_mm(),
                "conduction_velocity_m_s": fibres.mean_velocity_m_s(),
                "depth_mm": fibres.depth_mm.mean(),
                "lateral_mm": fibres.lateral_mm.mean(),
                "half_length_low_mm": (fibres.innervation_mm - fibres.low_end_mm).mean(),
                "half_length_high_mm": (fibres.high_end_mm - fibres.innervation_mm).mean(),
            }
            for name, mean in means.items():
                stem, _, unit = name.partition("_m")
                values[f"{stem}_centre_m{unit}"] = values.pop(name)
                values[name] = float(mean)
            values["fibres_computed"] = float(fibres.weight.shape[1])
            values["cover_mm"] = float(self.cover_mm)
            units.append(values)
        return units


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order: the same bits whatever the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _inside(low: NDArray[np.float64], high: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Uniform between the bounds; in their middle where they cross (a territory larger than the room)."""
    share = rng.random(len(low))
    return np.where(high > low, low + share * (high - low), (low + high) / 2.0)


def _parts(unit: Fibres) -> list[Fibres]:
    """A unit's fibres in portions."""

    def portion(value: Tensor, part: slice) -> Tensor:
        return value[:, part] if value.dim() == 2 else value

    return [
        Fibres(*(portion(getattr(unit, field.name), slice(i, i + TOGETHER)) for field in fields(unit)))
        for i in range(0, unit.weight.shape[1], TOGETHER)
    ]
