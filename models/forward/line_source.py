"""Membrane current of a finite fibre on points along it: the plain twin of the closed form in `waveform.py`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from . import action_potential
from .action_potential import FIBRE_RADIUS_MM, INTRACELLULAR_S_M

# Three point sources that stand for one travelling action potential: strength, mV/mm, and distance behind the front,
# mm, from the first (the tripole; its strengths sum to 0).
TRIPOLE_STRENGTH_MV_MM = (24.6, -35.4, 10.8)
TRIPOLE_PLACE_MM = (0.0, 2.1, 6.9)

SECTION_END_MM = 14.0  # the third concentrated source's section ends here, behind the front, at an ap_scale of 1


def membrane_current(
    nodes_mm: Tensor,
    time_ms: Tensor,
    innervation_mm: Tensor,
    low_end_mm: Tensor,
    high_end_mm: Tensor,
    velocity_m_s: Tensor,
    ap_scale: Tensor | float = 1.0,
) -> Tensor:
    """Current that leaves each fibre at each point, S/m mm mV; potentials are its products with lead fields.

    The axial current is evaluated halfway between the points, where it is 0 outside the fibre, and differenced:
    generation at the innervation point and extinction at the ends appear by themselves, and what enters leaves.

    Parameters
    ----------
    nodes_mm : Tensor, shape (nodes,), mm
        Evenly spaced points along z that reach past both ends of every fibre.
    time_ms : Tensor, shape (time,), ms
        From when the action potential leaves the innervation point.
    innervation_mm, low_end_mm, high_end_mm, velocity_m_s : Tensor, shape (fibres,)
    ap_scale : Tensor or float
        Relative length of the action potential, for all fibres or shape (fibres,).

    Returns
    -------
    Tensor, shape (fibres, nodes, time)
        Sums to 0 over the nodes at every time.
    """
    step = nodes_mm[1] - nodes_mm[0]
    middle = torch.cat([nodes_mm[:1] - step / 2.0, nodes_mm + step / 2.0])  # (nodes + 1,)
    place = middle[None, :, None]
    zone, low, high, velocity = (v[:, None, None] for v in (innervation_mm, low_end_mm, high_end_mm, velocity_m_s))
    if isinstance(ap_scale, Tensor) and ap_scale.dim():
        ap_scale = ap_scale[:, None, None]
    slope = action_potential.slope(velocity * time_ms - (place - zone).abs(), ap_scale)  # (fibres, nodes + 1, time)
    inside = (place > low) & (place < high)
    axial = torch.where(inside, -torch.sign(place - zone) * slope, 0.0)  # (fibres, nodes + 1, time) dV/dz, mV/mm
    return INTRACELLULAR_S_M * math.pi * FIBRE_RADIUS_MM**2 * axial.diff(dim=1)  # (fibres, nodes, time)


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
        travelled = torch.clamp(front - centroid, min=0.0).clamp(max=length.max())
        at_end, at_zone = slope[:, :1], -slope[:, -1:]  # (fibres, 1, time)
        current = torch.cat([strength, at_end, at_zone], dim=1)  # (fibres, 5, time)
        zero = torch.zeros_like(at_end)
        places.append(zone + sign * torch.cat([travelled, length + zero, zero], dim=1))  # (fibres, 5, time)
        currents.append(current)
    scale = INTRACELLULAR_S_M * math.pi * FIBRE_RADIUS_MM**2
    return torch.cat(places, dim=1), scale * torch.cat(currents, dim=1)
