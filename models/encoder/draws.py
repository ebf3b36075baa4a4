"""Motor units in random muscles under large arrays, from which training cuts smaller ones: the simulator's shards.

Seven shards in ten hold units as the table of accuracies draws them; the others range wider, in the unit and in what
conducts. The cylinder is never drawn: it is what the encoder is tested on without having seen it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...stream.geometry import Geometry
from ..forward.conductors import Conductor
from ..forward.electrodes import Electrodes
from ..forward.fibres import UnitParameters, place, random_deviates
from ..forward.half_space import HalfSpace
from ..forward.planar_layers import PlanarLayers
from ..forward.waveform import WaveformModel, Window
from .quantities import truth

FS_HZ = 2048.0
MODEL_MS = 50.0  # of waveform that is computed
UNITS = 64  # in a shard: they share the muscle
LARGE_ARRAYS = ((20, 8), (20, 8), (20, 8), (32, 6), (10, 16))  # rows, columns
WIDE_SHARE, HALF_SPACE_SHARE = 0.3, 0.1
SPACINGS_MM = (3.0, 10.0)
USUAL_SPACINGS_MM = (4.0, 5.0, 8.0, 10.0)
REACH_MM = 100.0
WIDE = {  # what the wider shards draw; the exported model names these as its range
    "cv_m_s": (2.2, 6.5), "depth_mm": (2.0, 25.0), "half_length_low_mm": (38.0, 92.0),
    "half_length_high_mm": (38.0, 92.0), "iz_spread_mm": (1.0, 20.0),
}  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """Units of one muscle.

    Attributes
    ----------
    waveform : Tensor, shape (units, rows, columns, samples), uV
        From 5 ms before the action potentials leave the innervation points; not filtered.
    truth : Tensor, shape (units, quantities)
        Places from the large array's centre; delay 0.
    ied_mm : float
    conductor : Conductor
    table : bool
        Drawn as the table draws.
    """

    waveform: Tensor
    truth: Tensor
    ied_mm: float
    conductor: Conductor
    table: bool


def window() -> Window:
    """The physics' own window."""
    return Window(fs_hz=FS_HZ, samples=round(MODEL_MS * 1e-3 * FS_HZ))


def large_array(rows: int, columns: int, ied_mm: float) -> Geometry:
    """A full grid."""
    row, col = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    return Geometry(row, col, ied_mm, rows, columns)


def draw_shard(generator: torch.Generator, device: torch.device | str = "cpu", units: int = UNITS) -> Shard:
    """Draw a muscle, an array and units.

    Parameters
    ----------
    generator : torch.Generator
        On the CPU, whatever `device` computes: the same draws everywhere.
    """

    def uniform(low: float, high: float, count: int = units) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def one(low: float, high: float) -> float:
        return float(uniform(low, high, 1))

    table = one(0.0, 1.0) >= WIDE_SHARE
    rows, columns = LARGE_ARRAYS[int(one(0.0, len(LARGE_ARRAYS)))]
    usual = USUAL_SPACINGS_MM[int(one(0.0, len(USUAL_SPACINGS_MM)))]
    ied_mm = usual if one(0.0, 1.0) < 0.6 else one(*SPACINGS_MM)
    conductor = _draw_conductor(table, one)
    along = (rows - 1) / 2.0 * ied_mm
    across = (columns - 1) / 2.0 * ied_mm
    edge = -1.0 if table else 1.5  # spacings beyond the array
    parameters = UnitParameters.of(
        innervation_zone_mm=uniform(-1.0, 1.0) * (along + edge * ied_mm),
        conduction_velocity_m_s=uniform(2.5, 5.5) if table else uniform(*WIDE["cv_m_s"]),
        depth_mm=uniform(3.0, 20.0) if table else uniform(*WIDE["depth_mm"]),
        lateral_mm=uniform(-1.0, 1.0) * (across + (5.0 if table else 10.0)),
        half_length_low_mm=uniform(45.0, 80.0) if table else uniform(*WIDE["half_length_low_mm"]),
        half_length_high_mm=uniform(45.0, 80.0) if table else uniform(*WIDE["half_length_high_mm"]),
        iz_spread_mm=uniform(2.0, 15.0) if table else uniform(*WIDE["iz_spread_mm"]),
        tendon_spread_mm=uniform(2.0, 10.0),
        radius_mm=uniform(2.0, 6.0) if table else uniform(1.5, 8.0),
        cv_sd_m_s=uniform(0.0, 0.2) if table else uniform(0.0, 0.3),
        fibres=uniform(100.0, 300.0),
        ap_scale=uniform(0.85, 1.15) if table else uniform(0.75, 1.25),
    )
    count = int(one(20.0, 60.0))
    fibres = place(parameters, random_deviates(units, count, generator))
    electrodes = Electrodes.from_geometry(large_array(rows, columns, ied_mm), "monopolar")
    model = WaveformModel(conductor, electrodes, window(), reach_mm=REACH_MM, device=device)
    with torch.no_grad():
        waveform = model.of_fibres(fibres)  # (units, channels, samples)
    fat = conductor.fat_mm if isinstance(conductor, PlanarLayers) else 0.0
    expected = truth(parameters, fibres, fat, float(conductor.anisotropy), torch.zeros(units))
    return Shard(waveform.unflatten(1, (rows, columns)), expected.to(device), ied_mm, conductor, table)


def _draw_conductor(table: bool, one: Callable[[float, float], float]) -> Conductor:
    if table:
        return PlanarLayers(fat_mm=one(1.0, 6.0), anisotropy=one(4.0, 6.5))
    if one(0.0, 1.0) < HALF_SPACE_SHARE / WIDE_SHARE:
        return HalfSpace(anisotropy=one(3.5, 7.5))
    return PlanarLayers(
        fat_mm=one(0.5, 9.0), skin_mm=one(0.7, 1.5), anisotropy=one(3.5, 7.5), fat_s_m=one(0.03, 0.06),
        skin_s_m=10.0 ** one(-1.5, 0.0), across_s_m=one(0.08, 0.12),
    )  # fmt: skip
