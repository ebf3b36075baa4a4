"""Least squares through the physics: Levenberg-Marquardt on many units at once, the gain projected out."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from .observer import Observer
from .parameters import PARAMETERS, column

FIRST_DAMPING = 1e-2
EASE, STIFFEN = 0.25, 6.0


def use_available_cores() -> None:
    """Give PyTorch the cores this process may use: it counts the machine's, and more only get in each other's way."""
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Fit:
    """Where the fit ended.

    Attributes
    ----------
    theta : Tensor, shape (units, parameters)
    cost : Tensor, shape (units,)
        Sum of squared residuals in units of the noise, and of departures from what was expected.
    covariance : Tensor, shape (units, parameters, parameters)
        As the noise alone would have it.
    misfit : Tensor, shape (units,)
        Mean square residual in units of the noise: 1 where only noise is left.
    gain : Tensor, shape (units,)
    """

    theta: Tensor
    cost: Tensor
    covariance: Tensor
    misfit: Tensor
    gain: Tensor


def fit(observer: Observer, waveform: Tensor, weight: Tensor, theta: Tensor, iterations: int) -> Fit:
    """Fit parameters to waveforms.

    Parameters
    ----------
    observer : Observer
    waveform : Tensor, shape (units, channels, samples), uV
    weight : Tensor, shape (units, channels)
        One over the noise's standard deviation, 1/uV; 0 for channels that are left out.
    theta : Tensor, shape (units, parameters)
        Starts.
    iterations : int
    """
    mean, sd, step = column("mean"), column("sd"), column("step")
    least, most = column("least"), column("most")
    measured = (waveform * weight[..., None]).flatten(1)  # (units, data)

    def residual(at: Tensor) -> tuple[Tensor, Tensor]:
        repeat = len(at) // len(measured)
        seen = measured.repeat(repeat, 1)
        modelled = (observer(at) * weight.repeat(repeat, 1)[..., None]).flatten(1)
        gain = (modelled * seen).sum(1) / modelled.square().sum(1).clamp(min=1e-20)
        gain = gain.clamp(min=0.0)  # a waveform upside down is none
        return gain[:, None] * modelled - seen, gain

    def cost_of(left: Tensor, at: Tensor) -> Tensor:
        return left.square().sum(1) + ((at - mean) / sd).square().sum(1)

    count = len(PARAMETERS)
    left, gain = residual(theta)
    cost = cost_of(left, theta)
    damping = torch.full_like(cost, FIRST_DAMPING)
    curvature = torch.eye(count).expand(len(theta), count, count)
    for _ in range(iterations):
        moved = theta.repeat(count, 1) + torch.diag(step).repeat_interleave(len(theta), 0)
        slope = (residual(moved)[0].reshape(count, len(theta), -1) - left) / step[:, None, None]  # (par., units, data)
        slope = slope.transpose(0, 1)  # (units, parameters, data)
        curvature = slope @ slope.transpose(1, 2) + torch.diag(1.0 / sd.square())
        pull = (slope @ left[..., None])[..., 0] + (theta - mean) / sd.square()
        stiff = curvature + torch.diag_embed(damping[:, None] * curvature.diagonal(dim1=1, dim2=2))
        tried = (theta - torch.linalg.solve(stiff, pull)).clamp(least, most)
        left_there, gain_there = residual(tried)
        cost_there = cost_of(left_there, tried)
        better = cost_there < cost
        theta = torch.where(better[:, None], tried, theta)
        left = torch.where(better[:, None], left_there, left)
        gain = torch.where(better, gain_there, gain)
        cost = torch.where(better, cost_there, cost)
        damping = torch.where(better, damping * EASE, damping * STIFFEN).clamp(1e-6, 1e5)
    data = (weight > 0).sum(1) * waveform.shape[2]
    return Fit(theta, cost, torch.linalg.inv(curvature), left.square().sum(1) / data.clamp(min=1), gain)
