"""The separator that `bench bmiss` measures: inversion of mean units in a half-space, whatever made the EMG.

What it knows of the muscle beforehand is what the matched rows are made with (the conductor, the spreads of innervation
and tendons, the territory's radius, one velocity in each unit), and ranges wider than those that units are drawn from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..models.bandpass import design_filter
from ..models.bmiss.generator import BOTH_ENDS, FiringWindow, Generator, PhysicsGenerator
from ..models.bmiss.search import Inversion, Round, invert
from ..models.bmiss.settings import BmissSettings
from ..models.forward.half_space import HalfSpace
from ..stream.geometry import Geometry
from .bench_bmiss_waveforms import SPREAD_MM

MARGIN_MM = 8.0  # beyond the array's edge columns
FIXED = {"iz_spread_mm": SPREAD_MM, "radius_mm": SPREAD_MM, "cv_sd_m_s": 0.0, "ap_scale": 1.0}


@dataclass(frozen=True)
class Step:
    """What was held after a round; see `bench_bmiss.Step`."""

    stage: str
    units: int
    trains: Sequence[NDArray[np.int64]]


@dataclass(frozen=True)
class Separated:
    """What inversion found; see `bench_bmiss.Found`."""

    trains: Sequence[NDArray[np.int64]]
    parameters: Mapping[str, NDArray[np.float64]]
    log: Sequence[Step]
    iterations: int
    starts: int
    local_minima: int


@dataclass(frozen=True)
class BmissSeparator:
    """Inverts.

    Parameters
    ----------
    settings : BmissSettings
    """

    settings: BmissSettings = field(default_factory=BmissSettings)

    def __call__(
        self,
        emg: NDArray[np.float32],
        geometry: Geometry,
        fs_hz: float,
        progress: Callable[[float, int], None],
    ) -> Separated:
        """See `bench_bmiss.Separator`."""
        found = invert(emg, geometry, half_space(geometry, fs_hz), self.settings, fs_hz=fs_hz, progress=progress)
        return Separated(
            trains=found.trains,
            parameters=dict(zip(found.names, found.theta.T, strict=True)),
            log=[*(_step(number, one) for number, one in enumerate(found.log, 1)), _final(found)],
            iterations=len(found.log),
            starts=sum(one.starts for one in found.log),
            local_minima=sum(one.astray for one in found.log),
        )


def half_space(geometry: Geometry, fs_hz: float) -> Callable[[NDArray[np.int64]], Generator]:
    """The generator over some of an array's channels."""
    across = geometry.across_mm()
    ranges = {
        "innervation_zone_mm": (-24.0, 24.0),
        "conduction_velocity_m_s": (2.8, 4.7),
        "depth_mm": (5.0, 26.0),
        "lateral_mm": (float(across.min()) - MARGIN_MM, float(across.max()) + MARGIN_MM),
        BOTH_ENDS: (45.0, 75.0),
    }
    sections = design_filter(fs_hz).sections

    def of(channels: NDArray[np.int64]) -> Generator:
        return PhysicsGenerator(
            geometry.select(channels), FiringWindow(fs_hz), sections, ranges, FIXED, HalfSpace(),
            tendon_spread_mm=SPREAD_MM,
        )  # fmt: skip

    return of


def _step(number: int, one: Round) -> Step:
    return Step(f"round {number}", one.held, one.trains)


def _final(found: Inversion) -> Step:
    return Step("credible", len(found.trains), found.trains)
