"""The parameters that are inverted for, what is known of them beforehand, and random draws of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...stream.geometry import Geometry
from ..forward.mean_current import COLUMNS


@dataclass(frozen=True)
class Parameter:
    """One inverted parameter.

    Attributes
    ----------
    name : str
    mean, sd : float
        Of what is expected.
    least, most : float
        Bounds.
    ranged : bool
        Whether it is expected anywhere in a range alike, of that mean and standard deviation; else normally.
    """

    name: str
    mean: float
    sd: float
    least: float
    most: float
    ranged: bool = False


def _ranged(name: str, low: float, high: float, least: float, most: float) -> Parameter:
    return Parameter(name, (low + high) / 2.0, (high - low) / 12.0**0.5, least, most, True)


PARAMETERS = (
    Parameter("innervation_zone_mm", 0.0, 40.0, -90.0, 90.0),
    _ranged("conduction_velocity_m_s", 2.5, 5.5, 1.5, 8.0),
    _ranged("depth_mm", 3.0, 20.0, 1.5, 35.0),
    Parameter("lateral_mm", 0.0, 25.0, -130.0, 130.0),
    _ranged("half_length_low_mm", 45.0, 80.0, 30.0, 110.0),
    _ranged("half_length_high_mm", 45.0, 80.0, 30.0, 110.0),
    _ranged("iz_spread_mm", 2.0, 15.0, 0.0, 25.0),
    _ranged("ap_scale", 0.85, 1.15, 0.6, 2.0),
    _ranged("cv_sd_m_s", 0.0, 0.2, 0.0, 0.35),
    _ranged("radius_mm", 2.0, 6.0, 0.5, 10.0),
    _ranged("fat_mm", 1.0, 6.0, 0.6, 9.5),
    _ranged("anisotropy", 4.0, 6.5, 3.2, 7.8),
    Parameter("delay_ms", 11.0, 8.0, -4.0, 30.0),
)
NAMES = COLUMNS
DELAY = NAMES.index("delay_ms")
ENCODERS = {"iz_mm": "innervation_zone_mm", "cv_m_s": "conduction_velocity_m_s"}  # names of the same two there


def column(what: str) -> Tensor:
    """One figure of every parameter, such as "mean", shape (parameters,)."""
    return torch.tensor([float(getattr(parameter, what)) for parameter in PARAMETERS])


def prior_draws(units: int, geometry: Geometry, generator: torch.Generator) -> Tensor:
    """Parameter vectors over all that is expected at an array, delay 0, for the dictionary of starts.

    Returns
    -------
    Tensor, shape (units, parameters)
    """
    along, across = geometry.along_mm(), geometry.across_mm()
    reach = 1.5 * geometry.ied_mm  # units may be innervated just off the array
    ranges = {
        "innervation_zone_mm": (along.min() - reach, along.max() + reach),
        "conduction_velocity_m_s": (2.5, 5.5),
        "depth_mm": (3.0, 20.0),
        "lateral_mm": (across.min() - 5.0, across.max() + 5.0),
        "half_length_low_mm": (45.0, 80.0),
        "half_length_high_mm": (45.0, 80.0),
        "iz_spread_mm": (2.0, 15.0),
        "ap_scale": (0.85, 1.15),
        "cv_sd_m_s": (0.0, 0.2),
        "radius_mm": (2.0, 6.0),
        "fat_mm": (1.0, 6.0),
        "anisotropy": (4.0, 6.5),
        "delay_ms": (0.0, 0.0),
    }
    low, high = (torch.tensor([ranges[name][end] for name in NAMES], dtype=torch.float32) for end in (0, 1))
    return low + (high - low) * torch.rand(units, len(NAMES), generator=generator)


def as_start(names: Sequence[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """An encoder's parameters as a start of the fit.

    Parameters
    ----------
    names : sequence of str
        Of the encoder's parameters; those the fit does not know are left out, those it lacks start in mid-range.
    values : ndarray of float64, shape (..., names)

    Returns
    -------
    ndarray of float64, shape (..., `NAMES`)
    """
    start = np.broadcast_to(column("mean").double().numpy(), (*values.shape[:-1], len(NAMES))).copy()
    for place, name in enumerate(names):
        name = ENCODERS.get(name, name)
        if name in NAMES:
            start[..., NAMES.index(name)] = values[..., place]
    return start
