"""What is known of a unit after the fit: means and covariance of its parameters, of the fibres it really has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..forward.mean_current import CV, IZ
from ..forward.mean_unit import MeanUnit
from .fit import Fit
from .parameters import column
from .ranges import within
from .scatter import Scatter
from .view import View

COLOUR_LAGS = 6  # samples over which the residual's correlation is summed
HIDDEN_SHARE = 0.1  # of what noise could hide that is taken to be there: more would spoil the intervals at 0 dB


@dataclass(frozen=True)
class Left:
    """What noise and scatter of fibres ought to leave, and what is left.

    Attributes
    ----------
    misfit : Tensor, shape (units,)
        Sum of squares left, over what noise leaves.
    louder : Tensor, shape (units,)
        By how much noise counts more than was stated: more is left, or it is not white, so that the data are fewer.
    beyond : Tensor, shape (units,)
        Mean square left beyond what was stated, or that could be without being seen, in units of the noise.
    """

    misfit: Tensor
    louder: Tensor
    beyond: Tensor

    @classmethod
    def of(cls, ended: Fit, view: View) -> Left:
        """From a fit that knows the scatter."""
        misfit = ended.left.square().sum(1) / (view.degrees - ended.theta.shape[1]).clamp(min=1.0)
        colour = _colour(ended.left, view.seen.shape[1] // view.matrix.shape[1])
        hidden = (2.0 * colour * view.density / view.degrees).sqrt()  # standard deviation of the misfit
        beyond = (misfit - 1.0 - hidden).clamp(min=0.0) + HIDDEN_SHARE * hidden
        return cls(misfit, misfit.clamp(min=1.0) * colour * view.density, beyond)


@dataclass(frozen=True)
class Posterior:
    """Normal about where the fit ended.

    Attributes
    ----------
    mean, sd : Tensor, shape (units, parameters)
        As noise and the scatter of fibres have it; both as large as what the fit left says.
    beyond : Tensor, shape (units,)
        Share of the waveform's amplitude that noise and scatter do not explain, or could hide.
    unexplained : Tensor, shape (units,)
        Share of the waveform's power that the unit as it was found leaves beyond noise.
    modelled : Tensor, shape (units, channels, samples), uV
        With what chance did to the fibres.
    """

    mean: Tensor
    sd: Tensor
    beyond: Tensor
    unexplained: Tensor
    modelled: Tensor

    @classmethod
    def of(cls, model: MeanUnit, ended: Fit, scatter: Scatter, view: View, left: Left) -> Posterior:
        """Linear about where the fit ended; `scatter` and `view` as loud as `left` says noise to be."""
        precision = ended.slope @ ended.slope.transpose(1, 2)
        shift = (precision @ ended.theta[..., None] + ended.slope @ ended.left[..., None])[..., 0]
        centre, covariance = within(precision, shift, column("mean"), column("sd"), column("ranged") > 0)
        modelled, slope = model.with_slopes(ended.theta)
        both = torch.stack([view.seen, (view.matrix @ modelled).flatten(1)], dim=1)
        whole, alone = view.whiten(both).unbind(1)  # (units, data)
        raw = whole - ended.gain[:, None] * alone
        slope = view.whiten((view.matrix[:, None] @ slope).flatten(2)) * ended.gain[:, None, None]
        # the gain follows each parameter, as the fit projects it out
        gained = (scatter.whiten(slope) @ ended.modelled[..., None])[..., 0] / ended.modelled.square().sum(1)[:, None]
        slope = slope - gained[..., None] * alone[:, None]  # (units, parameters, data)

        amounts = scatter.amounts()  # (units, directions, data)
        drawn = (amounts @ raw[..., None])[..., 0]  # (units, directions)
        departure = scatter.moved @ amounts  # (units, 2, data)
        by_theta = torch.eye(centre.shape[1]).repeat(len(centre), 1, 1)
        by_theta[:, [IZ, CV]] -= departure @ slope.transpose(1, 2)
        mean = ended.theta + (by_theta @ (centre - ended.theta)[..., None])[..., 0]
        mean[:, [IZ, CV]] += (scatter.moved @ drawn[..., None])[..., 0]
        variance = (by_theta @ covariance @ by_theta.transpose(1, 2)).diagonal(dim1=1, dim2=2).clone()
        variance[:, [IZ, CV]] += scatter.left_of_moved().diagonal(dim1=1, dim2=2)
        if view.noise is not None:  # what it does to the estimates, whitened as well as it can be
            wandered = by_theta @ covariance @ ended.slope @ scatter.whiten(view.noise).transpose(1, 2)
            wandered[:, [IZ, CV]] += departure @ view.noise.transpose(1, 2)  # (units, parameters, draws)
            variance = torch.maximum(variance, wandered.square().mean(2))

        departed = (scatter.seen @ drawn[..., None])[..., 0]  # (units, data)
        total, found = (
            left.louder * squares.square().sum(1) / view.degrees - 1.0 for squares in (whole, raw - departed)
        )  # in units of the noise as it was stated
        total = total.clamp(min=1e-6)
        departed = view.as_seen(departed[:, None])[:, 0].unflatten(1, modelled.shape[1:])  # (units, seen, samples)
        there = torch.linalg.pinv(view.matrix) @ departed
        modelled = modelled * ended.gain[:, None, None] + there
        return cls(mean, variance.sqrt(), (left.beyond / total).sqrt(), found.clamp(min=1e-6) / total, modelled)


def _colour(left: Tensor, samples: int) -> Tensor:
    rows = left.unflatten(1, (-1, samples))
    power = rows.square().sum((1, 2)).clamp(min=1e-20)
    total = torch.ones_like(power)
    for lag in range(1, COLOUR_LAGS + 1):
        total = total + 2.0 * (rows[..., lag:] * rows[..., :-lag]).sum((1, 2)) / power
    return total.clamp(min=1.0)
