"""Membrane current of a finite fibre on points along it: the plain twin of the closed form in `waveform.py`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from . import action_potential
from .action_potential import FIBRE_RADIUS_MM, INTRACELLULAR_S_M


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
