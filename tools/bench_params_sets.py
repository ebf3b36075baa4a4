"""Test units of the table of accuracies: one unit's average waveform with noise, and what is true of it.

Nothing here is the estimators' own: units, fibres and conductors are drawn by their own ranges, every unit has a
conductor for itself, and waveforms go through the live path's filter, sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.bandpass import design_filter
from ..models.forward.conductors import Conductor
from ..models.forward.cylinder import Cylinder
from ..models.forward.electrodes import Electrodes
from ..models.forward.fibres import Fibres, UnitParameters, place, random_deviates
from ..models.forward.half_space import HalfSpace
from ..models.forward.planar_layers import PlanarLayers
from ..models.forward.waveform import WaveformModel, Window
from ..models.waveforms import UnitAverage
from ..stream.average import MEMORY
from ..stream.average_window import SNR_WINDOW_S, window_samples
from ..stream.decoder_file import FilterSettings
from ..stream.filter import CausalFilter
from ..stream.geometry import Geometry
from .estimation_methods import Array
from .grids import grid

FS_HZ = 2048.0
FIBRES = 30  # drawn for each unit
SKIN_MM = 1.0
DELAY_MS = (2.0, 20.0)  # from the window's start to the discharge
LEAD_SAMPLES = 40  # computed before the window, for the filter to have seen all of the waveform
SLOWEST_MS = 90.0  # by then the slowest potential of any range has died out

Pair = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """What test units are drawn from, uniformly; as the table of accuracies states it.

    Parameters
    ----------
    cv_m_s, depth_mm, fat_mm, anisotropy, iz_spread_mm, half_length_mm, cv_sd_m_s, ap_scale : (float, float)
    iz_beyond : (float, float) or None
        Spacings that innervation zones lie beyond either end of the array; None: over it less one spacing at each end.
    tendon_spread_mm, radius_mm, fibres : (float, float)
        Nuisances of which the table says nothing.
    beside_mm : float
        How far beside the outer columns units lie at most.
    """

    cv_m_s: Pair = (2.5, 5.5)
    iz_beyond: Pair | None = None
    depth_mm: Pair = (3.0, 20.0)
    fat_mm: Pair = (1.0, 6.0)
    anisotropy: Pair = (4.0, 6.5)
    iz_spread_mm: Pair = (2.0, 15.0)
    half_length_mm: Pair = (45.0, 80.0)
    cv_sd_m_s: Pair = (0.0, 0.2)
    ap_scale: Pair = (0.85, 1.15)
    tendon_spread_mm: Pair = (2.0, 10.0)
    radius_mm: Pair = (2.0, 6.0)
    fibres: Pair = (100.0, 300.0)
    beside_mm: float = 5.0


INSIDE = "inside"
RANGES = {  # beside the table's, where no training goes, not even its wider draws
    INSIDE: Ranges(),
    "CV 6.5-8 m/s": Ranges(cv_m_s=(6.5, 8.0)),
    "CV 1.5-2.2 m/s": Ranges(cv_m_s=(1.5, 2.2)),
    "IZ off array": Ranges(iz_beyond=(1.5, 4.0)),
    "depth 25-35 mm": Ranges(depth_mm=(25.0, 35.0)),
    "fat 9-14 mm": Ranges(fat_mm=(9.0, 14.0)),
}


@dataclass(frozen=True)
class UnitSet:
    """Units to estimate, and their truth.

    Attributes
    ----------
    array : Array
        And the filter that waveforms have passed.
    averages : list of UnitAverage
        As `estimate` averages them; no numbers in channels that calibration left out.
    zones_mm, speeds_m_s : ndarray of float64, shape (units,)
        Means of the drawn fibres.
    unmatched : int
        Units found that are none of the simulated ones; not in the set.
    recordings : int
        That the units were found in; 0 where waveforms were made directly.
    """

    array: Array
    averages: list[UnitAverage]
    zones_mm: NDArray[np.float64]
    speeds_m_s: NDArray[np.float64]
    unmatched: int = 0
    recordings: int = 0

    def __len__(self) -> int:
        return len(self.averages)


@cache
def array(name: str, montage: str = "monopolar") -> Geometry:
    """The arrays of the table; 13x5 with a corner missing. Differential channels are those that have a next row.

    Raises
    ------
    KeyError
        It is none of them.
    """
    if name == "13x5":
        geometry = grid("GR08MM1305")
    else:
        rows, columns, ied_mm = {"16x1": (16, 1, 5.0), "8x8": (8, 8, 8.0), "10x32": (10, 32, 8.0)}[name]
        row, col = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
        geometry = Geometry(row, col, ied_mm, rows, columns)
    if montage == "monopolar":
        return geometry
    there = set(zip(geometry.row.tolist(), geometry.col.tolist(), strict=True))
    paired = [(row + 1, col) in there for row, col in zip(geometry.row.tolist(), geometry.col.tolist(), strict=True)]
    return geometry.select(np.flatnonzero(paired))


def zone_range_mm(geometry: Geometry) -> Pair:
    """Where the table draws innervation zones: over the array less one spacing at each end, mm."""
    along = geometry.along_mm()
    return float(along.min() + geometry.ied_mm), float(along.max() - geometry.ied_mm)


def conductor_of(kind: str, fat_mm: float, anisotropy: float) -> Conductor:
    """A volume conductor; in the half-space muscle takes the place of fat and skin."""
    if kind == "half-space":
        return HalfSpace(anisotropy=anisotropy)
    return {"planar": PlanarLayers, "cylinder": Cylinder}[kind](fat_mm=fat_mm, skin_mm=SKIN_MM, anisotropy=anisotropy)


def drawn_set(
    name: str,
    units: int,
    snr_db: float,
    seed: int,
    conductor: str = "planar",
    ranges: Ranges | None = None,
    montage: str = "monopolar",
    progress: Callable[[float], None] = lambda share: None,
) -> UnitSet:
    """Draw units and make their waveforms; the first units of a larger set are those of a smaller one.

    Parameters
    ----------
    name : str
        Of the array.
    units : int
    snr_db : float
        Of a waveform, see `noise_variance`.
    seed : int
    conductor : {"planar", "half-space", "cylinder"}
    ranges : Ranges, optional
        By default those of the table.
    montage : str
    """
    geometry, band = array(name, montage), design_filter(FS_HZ)
    electrodes = Electrodes.from_geometry(geometry, montage)
    averages, zones, speeds = [], np.empty(units), np.empty(units)
    for unit, of_unit in enumerate(np.random.SeedSequence(seed).spawn(units)):
        rng = np.random.default_rng(of_unit)
        body, fibres = _draw(ranges or Ranges(), geometry, conductor, rng)
        clean = _waveform(body, fibres, electrodes, band, rng.uniform(*DELAY_MS))
        variance = noise_variance(clean, snr_db)
        noisy = clean + np.sqrt(variance) * rng.standard_normal(clean.shape)
        noise = np.full(len(geometry), variance)
        averages.append(UnitAverage(noisy.astype(np.float32), noise, MEMORY, 0, snr_db))
        zones[unit], speeds[unit] = float(fibres.mean_innervation_mm()), float(fibres.mean_velocity_m_s())
        progress((unit + 1) / units)
    return UnitSet(Array(geometry, FS_HZ, band, montage), averages, zones, speeds)


def noise_variance(waveform: NDArray[np.float32], snr_db: float) -> float:
    """Variance of noise at a stated SNR, uV^2: the mean square over all channels in a fixed 40 ms, less `snr_db`."""
    energy = float(np.square(waveform, dtype=np.float64).sum())
    return energy / (len(waveform) * SNR_WINDOW_S * FS_HZ) * 10.0 ** (-snr_db / 10.0)


def _draw(ranges: Ranges, geometry: Geometry, kind: str, rng: np.random.Generator) -> tuple[Conductor, Fibres]:
    """One unit's conductor and fibres."""
    fat_mm = rng.uniform(*ranges.fat_mm)
    body = conductor_of(kind, fat_mm, rng.uniform(*ranges.anisotropy))
    if ranges.iz_beyond is None:
        zone = rng.uniform(*zone_range_mm(geometry))
    else:
        end = geometry.along_mm().max() + rng.uniform(*ranges.iz_beyond) * geometry.ied_mm
        zone = rng.choice([-end, end])
    beside = float(np.abs(geometry.across_mm()).max()) + ranges.beside_mm
    parameters = UnitParameters.of(
        innervation_zone_mm=zone,
        lateral_mm=rng.uniform(-beside, beside),
        depth_mm=rng.uniform(*ranges.depth_mm) + fat_mm + SKIN_MM - body.cover_mm,
        conduction_velocity_m_s=rng.uniform(*ranges.cv_m_s),
        half_length_low_mm=rng.uniform(*ranges.half_length_mm),
        half_length_high_mm=rng.uniform(*ranges.half_length_mm),
        iz_spread_mm=rng.uniform(*ranges.iz_spread_mm),
        tendon_spread_mm=rng.uniform(*ranges.tendon_spread_mm),
        radius_mm=rng.uniform(*ranges.radius_mm),
        cv_sd_m_s=rng.uniform(*ranges.cv_sd_m_s),
        fibres=rng.uniform(*ranges.fibres),
        ap_scale=rng.uniform(*ranges.ap_scale),
    )
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return body, place(parameters, random_deviates(1, FIBRES, generator))


def _waveform(
    body: Conductor, fibres: Fibres, electrodes: Electrodes, band: FilterSettings, delay_ms: float
) -> NDArray[np.float32]:
    """What the live path averages of one unit, shape (channels, samples), uV."""
    samples = LEAD_SAMPLES + sum(window_samples(FS_HZ))
    window = Window(FS_HZ, samples, -delay_ms - LEAD_SAMPLES * 1e3 / FS_HZ, SLOWEST_MS)
    reach = float(fibres.lateral_mm.abs().max()) + 1.0
    with torch.no_grad():
        raw = WaveformModel(body, electrodes, window, reach_mm=reach).of_fibres(fibres)[0]
    filtered = np.ascontiguousarray(raw.numpy().T)  # (samples, channels)
    CausalFilter(band.sections, filtered.shape[1])(filtered)
    return np.ascontiguousarray(filtered[LEAD_SAMPLES:].T)
