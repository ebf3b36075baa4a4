"""Waveforms of simulated units, by the conductor and the fibres that make them.

One of the generators is what separation by inversion may assume: mean units in an anisotropic half-space. The others
are what it may meet instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.forward.conductors import Conductor
from ..models.forward.cylinder import Cylinder
from ..models.forward.electrodes import Electrodes
from ..models.forward.fibres import UnitParameters, place, random_deviates
from ..models.forward.half_space import HalfSpace
from ..models.forward.mean_current import (
    AP_SCALE,
    COLUMNS,
    CV,
    DELAY,
    DEPTH,
    FIBRES,
    HIGH,
    IZ,
    LATERAL,
    LOW,
    RADIUS,
    SPREAD,
)
from ..models.forward.mean_unit import MeanUnit
from ..models.forward.planar_layers import PlanarLayers
from ..models.forward.waveform import WaveformModel, Window
from ..stream.geometry import Geometry

MATCHED, FEW_FIBRES = "matched", "fibres"
FIBRE_RANGE = (30, 300)  # of the generator of few fibres: as many as a unit's size says, within these
FIBRES_OF_SIZE_1 = 30.0
# Anisotropy of muscle is 5 where nothing is said. A factor common to all conductivities is a gain, which no
# separation can see: what can be wrong is the conductivity along the fibres relative to that across them.
CONDUCTORS: dict[str, Conductor] = {
    MATCHED: HalfSpace(),
    "conductivity +20 %": HalfSpace(anisotropy=6.0),
    "conductivity -20 %": HalfSpace(anisotropy=4.0),
    "fat 2 mm": PlanarLayers(fat_mm=2.0, skin_mm=1.0),
    "cylinder": Cylinder(),
    FEW_FIBRES: HalfSpace(),
}
GENERATORS = tuple(CONDUCTORS)

SIZE = "size"
PHYSICAL = ("depth_mm", "lateral_mm", "innervation_zone_mm", "conduction_velocity_m_s", "half_length_mm")
PARAMETERS = (SIZE, *PHYSICAL)
SPREAD_MM = 3.0  # of innervation points and of the fibres' ends, full width; also the territory's radius
BEFORE_S = 0.005  # of a waveform before the discharge, for the low-pass to begin
RAW_S = 0.045  # an action potential dies out at its fibre's end 30 ms after the discharge at most
BATCH = 10  # units computed at a time

Progress = Callable[[float], None]
Parameters = Mapping[str, NDArray[np.float64]]


def raw_waveforms(
    generator: str,
    geometry: Geometry,
    fs_hz: float,
    parameters: Parameters,
    seed: int,
    progress: Progress = lambda share: None,
) -> tuple[NDArray[np.float32], Parameters]:
    """Unfiltered waveforms of units.

    Parameters
    ----------
    generator : str
        Of `GENERATORS`.
    geometry : Geometry
    fs_hz : float
    parameters : mapping of str to ndarray, shape (units,)
        By `PARAMETERS`. Depth counts from the electrodes: layers on top of the muscle leave so much less of it above
        the unit. On a cylinder the lateral position is the arc along the skin.
    seed : int
        Of what chance there is in a generator.
    progress : callable
        Told the share done.

    Returns
    -------
    waveforms : ndarray of float32, shape (units, channels, window), uV
        `BEFORE_S` precede the instant at which the action potentials leave the innervation zone.
    parameters : mapping of str to ndarray, shape (units,)
        Those that the units turned out to have: of few fibres, the means of the fibres drawn.
    """
    conductor = CONDUCTORS[generator]
    electrodes = Electrodes.from_geometry(geometry)
    reach_mm = float(np.abs(parameters["lateral_mm"]).max()) + SPREAD_MM
    if generator == FEW_FIBRES:
        window = Window(fs_hz, round(RAW_S * fs_hz), -1e3 * BEFORE_S)
        few = WaveformModel(conductor, electrodes, window, reach_mm=reach_mm)
        return _of_drawn_fibres(few, parameters, torch.Generator().manual_seed(seed), progress)
    mean = MeanUnit(
        electrodes, fs_hz, round(RAW_S * fs_hz), (), velocities=1, reach_mm=reach_mm, conductor=conductor,
        tendon_spread_mm=SPREAD_MM,
    )  # fmt: skip
    theta = torch.zeros(len(parameters[SIZE]), len(COLUMNS))
    theta[:, DEPTH] = _tensor(parameters["depth_mm"] - conductor.cover_mm)
    theta[:, LATERAL] = _tensor(parameters["lateral_mm"])
    theta[:, IZ] = _tensor(parameters["innervation_zone_mm"])
    theta[:, CV] = _tensor(parameters["conduction_velocity_m_s"])
    theta[:, LOW] = theta[:, HIGH] = _tensor(parameters["half_length_mm"])
    theta[:, SPREAD] = theta[:, RADIUS] = SPREAD_MM
    theta[:, AP_SCALE] = 1.0
    theta[:, DELAY] = 1e3 * BEFORE_S
    shapes = []
    for start in range(0, len(theta), BATCH):
        with torch.no_grad():
            shapes.append(_around(mean, theta[start : start + BATCH], conductor, geometry))
        progress(min(1.0, (start + BATCH) / len(theta)))
    return torch.cat(shapes).numpy() * parameters[SIZE].astype(np.float32)[:, None, None], parameters


def _around(model: MeanUnit, theta: torch.Tensor, conductor: Conductor, geometry: Geometry) -> torch.Tensor:
    """Waveforms, on a limb by the shorter way around it: the tables of a conductor end half-way around."""
    if not isinstance(conductor, Cylinder):
        return model(theta)
    around_mm = 2.0 * math.pi * conductor.skin_radius_mm
    across = torch.as_tensor(geometry.across_mm(), dtype=theta.dtype)  # (channels,)
    turns = torch.round((across - theta[:, LATERAL, None]) / around_mm)  # (units, channels)
    waveform = model(theta)
    for turn in (-1.0, 1.0):
        image = theta.clone()
        image[:, LATERAL] += turn * around_mm
        waveform = torch.where((turns == turn)[..., None], model(image), waveform)
    return waveform


def _of_drawn_fibres(
    model: WaveformModel, parameters: Parameters, generator: torch.Generator, progress: Progress
) -> tuple[NDArray[np.float32], Parameters]:
    """Units of few fibres, each placed by chance: their waveforms are no mean unit's."""
    size = parameters[SIZE]
    count = np.clip(np.round(FIBRES_OF_SIZE_1 * size), *FIBRE_RANGE).astype(int)
    means = {name: values.copy() for name, values in parameters.items()}
    shapes = []
    for unit in range(len(size)):
        one = {name: _tensor(values[unit : unit + 1]) for name, values in parameters.items()}
        fibres = place(
            UnitParameters.of(
                depth_mm=one["depth_mm"], lateral_mm=one["lateral_mm"], innervation_zone_mm=one["innervation_zone_mm"],
                conduction_velocity_m_s=one["conduction_velocity_m_s"], half_length_low_mm=one["half_length_mm"],
                half_length_high_mm=one["half_length_mm"], iz_spread_mm=SPREAD_MM, tendon_spread_mm=SPREAD_MM,
                radius_mm=SPREAD_MM, cv_sd_m_s=0.0, fibres=FIBRES * one[SIZE],
            ),
            random_deviates(1, int(count[unit]), generator),
        )  # fmt: skip
        with torch.no_grad():
            shapes.append(model.of_fibres(fibres)[0])
        means["depth_mm"][unit] = float(fibres.depth_mm.mean())
        means["lateral_mm"][unit] = float(fibres.lateral_mm.mean())
        means["innervation_zone_mm"][unit] = float(fibres.mean_innervation_mm())
        means["half_length_mm"][unit] = float((fibres.high_end_mm - fibres.low_end_mm).mean()) / 2.0
        progress((unit + 1) / len(size))
    return torch.stack(shapes).numpy(), means


def _tensor(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
