"""The fibres of a motor unit: where each lies, begins, is innervated, ends, and how fast it conducts."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

SHALLOWEST_MM = 1.0  # a territory that would leave the muscle is flattened against this depth
CV_SCATTER_LIMIT = 2.5  # standard deviations at which the scatter of conduction velocity is cut off
GOLDEN_ANGLE = (5.0**0.5 - 1.0) / 2.0  # of a turn
KRONECKER_STEPS = (0.9232, 0.6601, 0.1321, 0.5057)  # best of about 100 drawn, by the waveforms of random units
DIMENSIONS = 6  # radius and angle in the territory, innervation, low end, high end, velocity


@dataclass(frozen=True)
class UnitParameters:
    """Parameters of a batch of motor units; every field is a Tensor of shape (units,).

    Attributes
    ----------
    innervation_zone_mm : Tensor
        Centre of the innervation zone along the fibres from the array's centre, mm.
    conduction_velocity_m_s : Tensor
        Mean over the fibres, m/s (= mm/ms).
    depth_mm : Tensor
        Centre of the territory below the muscle's surface (fat and skin come on top), mm.
    lateral_mm : Tensor
        Centre of the territory across the fibres from the array's centre, mm; on a cylinder along the skin's arc.
    half_length_low_mm, half_length_high_mm : Tensor
        From the innervation zone's centre to the mean end of the fibres towards lower and higher z, mm.
    iz_spread_mm, tendon_spread_mm : Tensor
        Full width of the uniform scatter of the innervation points, and of the fibres' ends on either side, mm.
    radius_mm : Tensor
        Of the disc in which the fibres lie, mm.
    cv_sd_m_s : Tensor
        Scatter of conduction velocity within the unit, m/s (normal, cut at 2.5 standard deviations).
    fibres : Tensor
        Number of fibres: scales the waveform and need not be whole. What scales it otherwise (intracellular
        conductivity, fibre diameter) cannot be told from it.
    ap_scale : Tensor
        Length of the intracellular action potential relative to Rosenfalck's.
    """

    innervation_zone_mm: Tensor
    conduction_velocity_m_s: Tensor
    depth_mm: Tensor
    lateral_mm: Tensor
    half_length_low_mm: Tensor
    half_length_high_mm: Tensor
    iz_spread_mm: Tensor
    tendon_spread_mm: Tensor
    radius_mm: Tensor
    cv_sd_m_s: Tensor
    fibres: Tensor
    ap_scale: Tensor

    @classmethod
    def of(cls, **values: Tensor | float) -> UnitParameters:
        """A batch from the parameters named; others take ordinary values, numbers hold for every unit."""
        unknown = set(values) - set(ORDINARY)
        if unknown:
            raise TypeError(f"no such unit parameter: {', '.join(sorted(unknown))}; there are {', '.join(ORDINARY)}")
        tensors = [value for value in values.values() if isinstance(value, Tensor)]
        like = tensors[0] if tensors else torch.zeros(1)
        columns = [
            torch.as_tensor(values.get(name, ordinary), dtype=like.dtype, device=like.device)
            for name, ordinary in ORDINARY.items()
        ]
        return cls(*torch.broadcast_tensors(*columns, like.new_zeros(1))[:-1])  # at least one unit

    def __len__(self) -> int:
        return len(self.innervation_zone_mm)

    def __getitem__(self, which: slice | Tensor) -> UnitParameters:
        """Some of the units."""
        return UnitParameters(*(getattr(self, field.name)[which] for field in fields(self)))

    def to(self, *args: torch.dtype | torch.device | str) -> UnitParameters:
        """The same on another device or in another dtype."""
        return UnitParameters(*(getattr(self, field.name).to(*args) for field in fields(self)))

    def with_(self, **values: Tensor) -> UnitParameters:
        """The same with some parameters replaced."""
        return replace(self, **values)


ORDINARY = {  # mid-range of the published figures
    "innervation_zone_mm": 0.0,
    "conduction_velocity_m_s": 4.0,
    "depth_mm": 10.0,
    "lateral_mm": 0.0,
    "half_length_low_mm": 60.0,
    "half_length_high_mm": 60.0,
    "iz_spread_mm": 5.0,
    "tendon_spread_mm": 5.0,
    "radius_mm": 4.0,
    "cv_sd_m_s": 0.1,
    "fibres": 200.0,
    "ap_scale": 1.0,
}


@dataclass(frozen=True)
class Fibres:
    """Fibres of a batch of units; every field has shape (units, fibres) but where it says (units,).

    Attributes
    ----------
    lateral_mm, depth_mm : Tensor
        Place in the cross-section; depth below the muscle's surface, mm.
    innervation_mm, low_end_mm, high_end_mm : Tensor
        Along the fibres, mm.
    velocity_m_s : Tensor
    weight : Tensor
        How many fibres of the unit each of these stands for.
    ap_scale : Tensor, shape (units,)
    """

    lateral_mm: Tensor
    depth_mm: Tensor
    innervation_mm: Tensor
    low_end_mm: Tensor
    high_end_mm: Tensor
    velocity_m_s: Tensor
    weight: Tensor
    ap_scale: Tensor

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, which: slice) -> Fibres:
        """Some of the units."""
        return Fibres(*(getattr(self, field.name)[which] for field in fields(self)))

    def mean_innervation_mm(self) -> Tensor:
        """What an estimate of the innervation zone is scored against, mm, shape (units,)."""
        return (self.weight * self.innervation_mm).sum(-1) / self.weight.sum(-1)  # (units,)

    def mean_velocity_m_s(self) -> Tensor:
        """What an estimate of the conduction velocity is scored against, m/s, shape (units,)."""
        return (self.weight * self.velocity_m_s).sum(-1) / self.weight.sum(-1)  # (units,)


def random_deviates(units: int, fibres: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """Uniform draws in (0, 1), shape (units, fibres, `DIMENSIONS`), on the generator's device, for `place`."""
    return torch.rand(units, fibres, DIMENSIONS, generator=generator, dtype=dtype, device=generator.device)


def quadrature_deviates(fibres: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Few fibres that stand for many, shape (1, fibres, `DIMENSIONS`): the decoder's variant of `random_deviates`.

    Places in the territory are a sunflower's (golden angle, equal areas); every other coordinate takes each stratum
    (j + 1/2) / fibres once, so that its mean and spread are those of the distribution whatever the number, in the
    order of a Kronecker sequence. Of 6, 12 and 24 such fibres the waveform is 10, 7 and 4 % away from that of
    thousands; of as many random ones 30, 14 and 8 %.
    """
    index = torch.arange(fibres, dtype=torch.float64)
    columns = [(index + 0.5) / fibres, (index * GOLDEN_ANGLE + 0.25) % 1.0]
    for step in KRONECKER_STEPS:
        order = torch.argsort(torch.argsort((0.5 + index * step) % 1.0))
        columns.append((order.double() + 0.5) / fibres)
    return torch.stack(columns, dim=-1)[None].to(dtype)


def place(parameters: UnitParameters, deviates: Tensor) -> Fibres:
    """The fibres that `deviates` make of `parameters`, differentiable in every parameter.

    Parameters
    ----------
    parameters : UnitParameters, (units,)
    deviates : Tensor, shape (units or 1, fibres, DIMENSIONS), in (0, 1)
    """
    p = {field.name: getattr(parameters, field.name)[:, None] for field in fields(parameters)}  # (units, 1)
    u = deviates.to(p["depth_mm"])
    radial, angle, innervation, low, high, velocity = u.unbind(-1)  # (units, fibres)
    across = p["radius_mm"] * torch.sqrt(radial) * torch.cos(2.0 * math.pi * angle)
    down = p["radius_mm"] * torch.sqrt(radial) * torch.sin(2.0 * math.pi * angle)
    # Upward only as far as there is muscle: the upper half of the disc becomes half an ellipse.
    room = torch.clamp((p["depth_mm"] - SHALLOWEST_MM) / torch.clamp(p["radius_mm"], min=1e-3), min=0.0, max=1.0)
    down = torch.where(down < 0.0, down * room, down)
    count = deviates.shape[1]
    scatter = torch.clamp(math.sqrt(2.0) * torch.erfinv(2.0 * velocity - 1.0), -CV_SCATTER_LIMIT, CV_SCATTER_LIMIT)
    return Fibres(
        lateral_mm=p["lateral_mm"] + across,
        depth_mm=p["depth_mm"] + down,
        innervation_mm=p["innervation_zone_mm"] + p["iz_spread_mm"] * (innervation - 0.5),
        low_end_mm=p["innervation_zone_mm"] - p["half_length_low_mm"] + p["tendon_spread_mm"] * (low - 0.5),
        high_end_mm=p["innervation_zone_mm"] + p["half_length_high_mm"] + p["tendon_spread_mm"] * (high - 0.5),
        velocity_m_s=p["conduction_velocity_m_s"] + p["cv_sd_m_s"] * scatter,
        weight=(p["fibres"] / count).expand(-1, count),
        ap_scale=parameters.ap_scale,
    )
