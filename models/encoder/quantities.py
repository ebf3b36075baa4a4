"""What the encoder estimates: names, scales, and how a unit's drawn fibres say what is true."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..forward.fibres import Fibres, UnitParameters


@dataclass(frozen=True)
class Quantity:
    """One estimated quantity.

    Attributes
    ----------
    name : str
        As in messages; its unit is the suffix.
    middle, scale : float
        The network works on (value - middle) / scale; the size in its logarithm.
    field : str
        Of `UnitParameters`; empty for what is not the unit's own.
    """

    name: str
    middle: float
    scale: float
    field: str = ""


QUANTITIES = (
    Quantity("iz_mm", 0.0, 8.0, "innervation_zone_mm"),
    Quantity("cv_m_s", 4.0, 0.9, "conduction_velocity_m_s"),
    Quantity("depth_mm", 12.0, 5.0, "depth_mm"),
    Quantity("lateral_mm", 0.0, 8.0, "lateral_mm"),
    Quantity("half_length_low_mm", 62.0, 10.0, "half_length_low_mm"),
    Quantity("half_length_high_mm", 62.0, 10.0, "half_length_high_mm"),
    Quantity("iz_spread_mm", 8.0, 4.0, "iz_spread_mm"),
    Quantity("size_fibres", 0.0, 1.0, "fibres"),
    Quantity("ap_scale", 1.0, 0.09, "ap_scale"),
    Quantity("cv_sd_m_s", 0.1, 0.06, "cv_sd_m_s"),
    Quantity("radius_mm", 4.0, 1.2, "radius_mm"),
    Quantity("fat_mm", 3.5, 1.6),
    Quantity("anisotropy", 5.2, 0.75),
    Quantity("delay_ms", 11.0, 5.0),
)
NAMES = tuple(quantity.name for quantity in QUANTITIES)
REPORTED = NAMES[:8]
GRIDS_ONLY = ("depth_mm", "lateral_mm")  # on a linear array one cannot be told from the other
IZ, CV, LATERAL, SIZE, DELAY = (
    NAMES.index(name) for name in ("iz_mm", "cv_m_s", "lateral_mm", "size_fibres", "delay_ms")
)


def middles() -> Tensor:
    """Shape (quantities,)."""
    return torch.tensor([quantity.middle for quantity in QUANTITIES])


def scales() -> Tensor:
    """Shape (quantities,)."""
    return torch.tensor([quantity.scale for quantity in QUANTITIES])


def truth(parameters: UnitParameters, fibres: Fibres, fat_mm: float, anisotropy: float, delay_ms: Tensor) -> Tensor:
    """What a perfect estimate would say, shape (units, quantities).

    Innervation zone and conduction velocity are means of the fibres there are; the size is the logarithm of the number.
    """
    columns = []
    for quantity in QUANTITIES:
        if quantity.name == "iz_mm":
            columns.append(fibres.mean_innervation_mm())
        elif quantity.name == "cv_m_s":
            columns.append(fibres.mean_velocity_m_s())
        elif quantity.name == "size_fibres":
            columns.append(parameters.fibres.log())
        elif quantity.name == "fat_mm":
            columns.append(torch.full_like(delay_ms, fat_mm))
        elif quantity.name == "anisotropy":
            columns.append(torch.full_like(delay_ms, anisotropy))
        elif quantity.name == "delay_ms":
            columns.append(delay_ms)
        else:
            columns.append(getattr(parameters, quantity.field))
    return torch.stack(columns, dim=1)  # (units, quantities)


def as_units(values: Tensor) -> UnitParameters:
    """The physics' own form of estimates (units, quantities), the size in its logarithm."""
    named = {q.field: values[:, i] for i, q in enumerate(QUANTITIES) if q.field and q.name != "size_fibres"}
    return UnitParameters.of(**named, fibres=values[:, SIZE].exp())
