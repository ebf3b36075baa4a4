"""Least squares through the physics: Levenberg-Marquardt on many units at once, the gain projected out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..forward.mean_unit import MeanUnit
from .parameters import column

FIRST_DAMPING = 1e-2
EASE, STIFFEN = 0.2, 6.0


def use_available_cores() -> None:
    """Give PyTorch the cores this process may use: it counts the machine's, and more only get in each other's way.

    Where OMP_NUM_THREADS is set, somebody has counted already.
    """
    if "OMP_NUM_THREADS" not in os.environ and hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Fit:
    """Where the fit ended.

    Attributes
    ----------
    theta : Tensor, shape (units, parameters)
    cost : Tensor, shape (units,)
        Sum of squared residuals in units of the noise, and of departures from what was expected.
    gain : Tensor, shape (units,)
    modelled : Tensor, shape (units, data)
        What is seen of the waveform at `theta`, in units of the noise.
    slope : Tensor, shape (units, parameters, data)
        Its derivatives, the gain's direction taken out.
    left : Tensor, shape (units, data)
        Measured less modelled.
    """

    theta: Tensor
    cost: Tensor
    gain: Tensor
    modelled: Tensor
    slope: Tensor
    left: Tensor


def fit(
    model: MeanUnit,
    measured: Tensor,
    view: Tensor,
    theta: Tensor,
    iterations: int,
    whiten: Callable[[Tensor], Tensor] = lambda data: data,
) -> Fit:
    """Fit parameters to what is seen of waveforms.

    Parameters
    ----------
    model : MeanUnit
    measured : Tensor, shape (units, data)
        What is seen: `view` of the waveforms, samples last, flattened.
    view : Tensor, shape (units, seen, channels)
        In units of the noise, 1/uV.
    theta : Tensor, shape (units, parameters)
        Starts.
    iterations : int
    whiten : callable, optional
        Makes what is expected to be left, (units, rows, data), white; white noise is left by default.
    """
    mean, sd, least, most = (column(what) for what in ("mean", "sd", "least", "most"))
    seen = whiten(measured[:, None])[:, 0]

    def against(modelled: Tensor) -> tuple[Tensor, Tensor]:
        power = modelled.square().sum(1).clamp(min=1e-20)
        gain = ((modelled * seen).sum(1) / power).clamp(min=0.0)  # a waveform upside down is none
        return seen - gain[:, None] * modelled, gain

    def cost_of(left: Tensor, at: Tensor) -> Tensor:
        return left.square().sum(1) + ((at - mean) / sd).square().sum(1)

    def here(at: Tensor) -> tuple[Tensor, Tensor]:
        modelled, slope = model.with_slopes(at, view)
        both = whiten(torch.cat([modelled[:, None], slope], dim=1).flatten(2))
        return both[:, 0], both[:, 1:]

    modelled, slope = here(theta)
    left, gain = against(modelled)
    cost = cost_of(left, theta)
    damping = torch.full_like(cost, FIRST_DAMPING)
    for _ in range(iterations):
        slope = _without(modelled, slope * gain[:, None, None])
        curvature = slope @ slope.transpose(1, 2) + torch.diag(1.0 / sd.square())
        pull = (slope @ left[..., None])[..., 0] - (theta - mean) / sd.square()
        stiff = curvature + torch.diag_embed(damping[:, None] * curvature.diagonal(dim1=1, dim2=2))
        tried = (theta + torch.linalg.solve(stiff, pull)).clamp(least, most)
        modelled_there, slope_there = here(tried)
        left_there, gain_there = against(modelled_there)
        cost_there = cost_of(left_there, tried)
        better = cost_there < cost
        theta = torch.where(better[:, None], tried, theta)
        modelled = torch.where(better[:, None], modelled_there, modelled)
        left = torch.where(better[:, None], left_there, left)
        slope = torch.where(better[:, None, None], slope_there, slope / gain.clamp(min=1e-20)[:, None, None])
        gain = torch.where(better, gain_there, gain)
        cost = torch.where(better, cost_there, cost)
        damping = torch.where(better, damping * EASE, damping * STIFFEN).clamp(1e-6, 1e5)
    return Fit(theta, cost, gain, modelled, _without(modelled, slope * gain[:, None, None]), left)


def _without(direction: Tensor, rows: Tensor) -> Tensor:
    """Rows (units, rows, data) less their part along `direction` (units, data)."""
    size = direction.square().sum(1).clamp(min=1e-20)
    along = (rows @ direction[..., None]) / size[:, None, None]
    return rows - along * direction[:, None]
