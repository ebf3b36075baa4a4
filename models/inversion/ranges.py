"""What a fit says where parameters are known to lie in ranges: a normal distribution cut by a box, as a normal again.

Expectation propagation (Minka 2001): each range is stood for by the normal factor that gives the parameter the mean and
variance it has between its bounds, all else as it is; repeated until they agree.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SWEEPS = 6
DAMPING = 0.8
LEAST_MASS = 1e-3  # of a parameter's distribution within its range: else it lies outside, and the range does not hold


def within(precision: Tensor, shift: Tensor, mean: Tensor, sd: Tensor, ranged: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance within ranges.

    Parameters
    ----------
    precision : Tensor, shape (units, parameters, parameters)
        Of the data alone.
    shift : Tensor, shape (units, parameters)
        `precision` times the data's own mean.
    mean, sd : Tensor, shape (parameters,)
        What is known beforehand.
    ranged : Tensor of bool, shape (parameters,)
        Whether it is uniform, and not normal. A range in which the data do not see the parameter does not hold: it
        counts as normal.

    Returns
    -------
    mean, covariance : Tensor, shape (units, parameters) and (units, parameters, parameters)
    """
    precision, shift, sd = precision.double(), shift.double(), sd.double()
    low, high = mean - math.sqrt(3.0) * sd, mean + math.sqrt(3.0) * sd
    own = sd.square().reciprocal().expand_as(shift).clone()  # precision of each factor
    pull = own * mean.double()  # and that times its mean
    for _ in range(SWEEPS):
        for place in ranged.nonzero()[:, 0].tolist():
            covariance = torch.linalg.inv(precision + torch.diag_embed(own))
            variance = covariance[:, place, place]
            there = (covariance[:, place] * (shift + pull)).sum(1)
            bare = (1.0 / variance - own[:, place]).clamp(min=1e-9)  # without its own factor
            bare_pull = there / variance - pull[:, place]
            mass, middle, spread = _cut(bare_pull / bare, bare.rsqrt(), low[place], high[place])
            new = (1.0 / spread - bare).clamp(min=1e-9)
            step = DAMPING * (mass > LEAST_MASS)
            own[:, place] += step * (new - own[:, place])
            pull[:, place] += step * (middle * (new + bare) - bare_pull - pull[:, place])
    covariance = torch.linalg.inv(precision + torch.diag_embed(own))
    return (covariance @ (shift + pull)[..., None])[..., 0].float(), covariance.float()


def _cut(mean: Tensor, sd: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass between two bounds of a normal distribution, and mean and variance there."""
    a, b = (low - mean) / sd, (high - mean) / sd
    mass = (torch.special.ndtr(b) - torch.special.ndtr(a)).clamp(min=1e-12)
    at_a, at_b = (torch.exp(-x.square() / 2.0) / math.sqrt(2.0 * math.pi) for x in (a, b))
    off = (at_a - at_b) / mass
    share = (1.0 + (a * at_a - b * at_b) / mass - off.square()).clamp(min=1e-6)
    return mass, mean + sd * off, sd.square() * share
