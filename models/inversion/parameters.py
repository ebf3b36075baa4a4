"""The parameters that are inverted for, what is known of them beforehand, and random draws of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...stream.geometry import Geometry
from ..forward.fibres import UnitParameters

FIBRES = 200.0  # the size is what the gain says; a number of fibres and an amplitude cannot be told apart
TENDON_SPREAD_MM = 5.0


@dataclass(frozen=True)
class Parameter:
    """One inverted parameter.

    Attributes
    ----------
    name : str
    mean, sd : float
        Of the normal distribution it is expected from.
    least, most : float
        Bounds.
    step : float
        For finite differences.
    """

    name: str
    mean: float
    sd: float
    least: float
    most: float
    step: float


PARAMETERS = (
    Parameter("innervation_zone_mm", 0.0, 40.0, -90.0, 90.0, 0.05),
    Parameter("conduction_velocity_m_s", 4.0, 0.9, 2.0, 7.0, 0.01),
    Parameter("depth_mm", 12.0, 6.0, 1.5, 30.0, 0.05),
    Parameter("lateral_mm", 0.0, 25.0, -130.0, 130.0, 0.05),
    Parameter("half_length_low_mm", 62.0, 11.0, 35.0, 95.0, 0.2),
    Parameter("half_length_high_mm", 62.0, 11.0, 35.0, 95.0, 0.2),
    Parameter("iz_spread_mm", 8.0, 4.0, 0.5, 20.0, 0.1),
    Parameter("ap_scale", 1.0, 0.1, 0.7, 1.3, 0.005),
    Parameter("cv_sd_m_s", 0.1, 0.06, 0.0, 0.3, 0.01),
    Parameter("radius_mm", 4.0, 1.2, 1.0, 8.0, 0.1),
    Parameter("delay_ms", 11.0, 8.0, -4.0, 30.0, 0.02),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)
DELAY = NAMES.index("delay_ms")


def column(what: str) -> Tensor:
    """One figure of every parameter, such as "mean", shape (parameters,)."""
    return torch.tensor([getattr(parameter, what) for parameter in PARAMETERS], dtype=torch.float32)


def as_units(theta: Tensor) -> UnitParameters:
    """The physics' own form of parameter vectors, shape (units, parameters)."""
    named = {name: theta[:, i] for i, name in enumerate(NAMES) if i != DELAY}
    return UnitParameters.of(**named, tendon_spread_mm=TENDON_SPREAD_MM, fibres=FIBRES)


@dataclass(frozen=True)
class Conductor:
    """What one planar conductor is made of, and the range it is drawn from in tests of the inversion."""

    fat_mm: float
    anisotropy: float


def draw_units(units: int, geometry: Geometry, generator: torch.Generator) -> tuple[UnitParameters, Tensor]:
    """Units as the project's table of accuracies draws them, and their delay in the window, ms.

    CV U(2.5, 5.5) m/s; IZ over the array less one spacing at each end; depth U(3, 20), IZ spread U(2, 15), half-lengths
    U(45, 80) mm; within-unit CV sd U(0, 0.2) m/s; action-potential length +-15 %.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(units, generator=generator)

    along, across = geometry.along_mm(), geometry.across_mm()
    margin = geometry.ied_mm
    parameters = UnitParameters.of(
        innervation_zone_mm=uniform(along.min() + margin, along.max() - margin),
        conduction_velocity_m_s=uniform(2.5, 5.5),
        depth_mm=uniform(3.0, 20.0),
        lateral_mm=uniform(across.min() - 5.0, across.max() + 5.0),
        half_length_low_mm=uniform(45.0, 80.0),
        half_length_high_mm=uniform(45.0, 80.0),
        iz_spread_mm=uniform(2.0, 15.0),
        tendon_spread_mm=uniform(2.0, 10.0),
        radius_mm=uniform(2.0, 6.0),
        cv_sd_m_s=uniform(0.0, 0.2),
        fibres=uniform(100.0, 300.0),
        ap_scale=uniform(0.85, 1.15),
    )
    return parameters, uniform(2.0, 20.0)


def draw_conductor(generator: torch.Generator) -> Conductor:
    """Fat U(1, 6) mm, anisotropy U(4, 6.5)."""
    fat, anisotropy = torch.rand(2, generator=generator).tolist()
    return Conductor(1.0 + 5.0 * fat, 4.0 + 2.5 * anisotropy)


def noise_sd(waveform: Tensor, snr_db: float, fs_hz: float) -> Tensor:
    """Standard deviation of noise at a stated SNR, uV, shape (units,).

    The variance is the mean square over all channels in a fixed 40 ms window, less `snr_db`.
    """
    mean_square = waveform.square().sum(dim=(1, 2)) / (waveform.shape[1] * 0.04 * fs_hz)
    return mean_square.mul(10.0 ** (-snr_db / 10.0)).sqrt()


def prior_draws(units: int, geometry: Geometry, generator: torch.Generator) -> Tensor:
    """Parameter vectors for the dictionary of starts, delay 0, shape (units, parameters)."""
    parameters, _ = draw_units(units, geometry, generator)
    reach = 1.5 * geometry.ied_mm  # units may be innervated just off the array
    along = geometry.along_mm()
    zone = along.min() - reach + (along.max() - along.min() + 2 * reach) * torch.rand(units, generator=generator)
    columns = [getattr(parameters, name) for name in NAMES[:DELAY]]
    columns[0] = zone.to(torch.float32)
    return torch.stack([*columns, torch.zeros(units)], dim=1)
