"""A travelling action potential as a few point sources: what the informed autoencoder's authors simulate with."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from . import action_potential
from .action_potential import FIBRE_RADIUS_MM, INTRACELLULAR_S_M
from .electrodes import Electrodes
from .fibres import Fibres

# The tripole: strengths, mV/mm, which sum to 0, and distances behind the first of the three, mm.
TRIPOLE_STRENGTH_MV_MM = (24.6, -35.4, 10.8)
TRIPOLE_PLACE_MM = (0.0, 2.1, 6.9)

SECTION_END_MM = 14.0  # the third concentrated source's section ends here, behind the front, at an ap_scale of 1


class PointSourceConductor(Protocol):
    """A conductor whose potential of a point source is known in closed form."""

    def potential(self, lateral_mm: Tensor, depth_mm: Tensor, along_mm: Tensor) -> Tensor:
        """Potential of a unit point current, mV per (S/m mm mV)."""
        ...


def concentrated_sources(
    time_ms: Tensor,
    innervation_mm: Tensor,
    low_end_mm: Tensor,
    high_end_mm: Tensor,
    velocity_m_s: Tensor,
    ap_scale: Tensor | float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Few moving point sources a fibre, as the informed autoencoder's authors make them, and what balances them.

    The action potential is cut where its curvature is 0; each section's current sits at the section's centroid. The
    cuts are clipped at the innervation point and at the fibre's ends, where a source that the authors leave out takes
    the current that the clipped sections lack, so that the sum is 0 at every time.

    Parameters
    ----------
    time_ms : Tensor, shape (time,), ms
    innervation_mm, low_end_mm, high_end_mm, velocity_m_s : Tensor, shape (fibres,)
    ap_scale : Tensor or float

    Returns
    -------
    place_mm, current : Tensor, shape (fibres, 2 directions x 5 sources, time), mm and S/m mm mV
        Of each direction the three sections in order, then the source at the end, then that at the innervation point.
    """
    if isinstance(ap_scale, Tensor) and ap_scale.dim():
        ap_scale = ap_scale[:, None, None]
    velocity, zone = velocity_m_s[:, None, None], innervation_mm[:, None, None]
    borders = torch.tensor([*action_potential.CURVATURE_ZEROS_MM, SECTION_END_MM]).to(time_ms)[:, None]  # (4, 1)
    places, currents = [], []
    for sign, end_mm in ((1.0, high_end_mm), (-1.0, low_end_mm)):
        length = (end_mm - innervation_mm).abs()[:, None, None]  # (fibres, 1, 1)
        front = velocity * time_ms  # (fibres, 1, time) mm from the innervation point
        # distance behind the front runs from (front - length) at the end to (front) at the innervation point
        cut = torch.minimum(torch.maximum(borders * ap_scale, front - length), torch.clamp(front, min=0.0))
        slope = action_potential.slope(cut, ap_scale)  # (fibres, 4, time)
        strength = slope.diff(dim=1)  # (fibres, 3, time)
        # centroid of V'' over a section: [u V' - V] / [V']
        moment = (cut * slope - action_potential.potential(cut, ap_scale)).diff(dim=1)  # (fibres, 3, time)
        empty = strength.abs() < 1e-9
        centroid = torch.where(empty, cut[:, 1:], moment / torch.where(empty, 1.0, strength))
        travelled = torch.minimum(torch.clamp(front - centroid, min=0.0), length)
        at_end, at_zone = slope[:, :1], -slope[:, -1:]  # (fibres, 1, time)
        current = torch.cat([strength, at_end, at_zone], dim=1)  # (fibres, 5, time)
        zero = torch.zeros_like(at_end)
        places.append(zone + sign * torch.cat([travelled, length + zero, zero], dim=1))  # (fibres, 5, time)
        currents.append(current)
    scale = INTRACELLULAR_S_M * math.pi * FIBRE_RADIUS_MM**2
    return torch.cat(places, dim=1), scale * torch.cat(currents, dim=1)


def concentrated_waveform(
    conductor: PointSourceConductor, electrodes: Electrodes, fibres: Fibres, time_ms: Tensor
) -> Tensor:
    """Monopolar waveforms of `concentrated_sources` at point electrodes, shape (units, channels, time), uV.

    Not limited in band: sources appear and vanish from one sample to the next.
    """
    along = torch.as_tensor(electrodes.along_mm).to(time_ms)[:, None, None, None]  # (channels, 1, 1, 1)
    across = torch.as_tensor(electrodes.across_mm).to(time_ms)[:, None, None, None]
    waveforms = []
    for unit in range(len(fibres)):
        place, current = concentrated_sources(
            time_ms,
            fibres.innervation_mm[unit],
            fibres.low_end_mm[unit],
            fibres.high_end_mm[unit],
            fibres.velocity_m_s[unit],
            fibres.ap_scale[unit],
        )  # (fibres, sources, time)
        lateral, depth, weight = (
            v[unit][:, None, None] for v in (fibres.lateral_mm, fibres.depth_mm, fibres.weight)
        )  # (fibres, 1, 1)
        field = conductor.potential(across - lateral, depth, along - place)  # (channels, fibres, sources, time)
        waveforms.append(1000.0 * (field * (weight * current)).sum(dim=(1, 2)))  # (channels, time)
    return torch.stack(waveforms)  # (units, channels, time)
