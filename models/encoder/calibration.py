"""After training: standard deviations that cover what they say, and an eye for units unlike any in training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .batches import Batch, Receiver, make_batch
from .draws import draw_shard
from .network import Encoder
from .quantities import NAMES, SIZE
from .training import SHAPES, to_spectrum

CALIBRATION_SEED = 2_000_000  # added to the training's
NINETY = 1.645  # standard deviations on either side of a normal distribution's middle 90 %
SHARDS, UNITS = 48, 256  # muscles, and units of a shape from each dozen of them
FAMILIAR = 0.99  # share of units whose standard deviations are left as they are
RIDGE = 1e-2  # of the mean variance


@dataclass(frozen=True)
class Calibrated:
    """What calibration found, on units nobody trained on.

    Attributes
    ----------
    spread : dict of str to float
        By what each quantity's standard deviation was multiplied.
    cover90 : dict of str to float
        Share of 90 % intervals that hold the truth afterwards, on units that did not set `spread`.
    mae : dict of str to float
        Mean absolute errors over all shapes and noise.
    """

    spread: dict[str, float]
    cover90: dict[str, float]
    mae: dict[str, float]


def calibrate_uncertainty(
    encoder: Encoder, seed: int, progress: Callable[[float], None] = lambda share: None
) -> Calibrated:
    """Set the encoder's `spread`, `usual` and `whiten` on fresh units of the training's kind.

    Parameters
    ----------
    encoder : Encoder
        On the CPU; changed in place.
    seed : int
        The training's.
    progress : callable, optional
    """
    generator = torch.Generator().manual_seed(seed + CALIBRATION_SEED)
    receiver = Receiver()
    matrix = to_spectrum(receiver)
    batches = []
    for first in range(0, SHARDS, 12):
        shards = [draw_shard(generator) for _ in range(12)]
        batches += [make_batch(shards, *shape, UNITS, receiver, generator) for shape in SHAPES]
        progress((first + 12) / SHARDS)
    encoder.eval()
    encoder.spread.fill_(1.0)
    encoder.whiten.zero_()
    half = len(batches) // 2
    look = torch.cat([_look(encoder, batch, matrix) for batch in batches])  # (units, width)
    encoder.usual.copy_(look.mean(0))
    covariance = torch.cov((look - encoder.usual).T)  # (width, width)
    ridge = RIDGE * covariance.diagonal().mean()
    values, vectors = torch.linalg.eigh(covariance)
    whiten = vectors / (values + ridge).sqrt()
    distance = ((look - encoder.usual) @ whiten).square().sum(1)
    encoder.whiten.copy_(whiten / distance.quantile(FAMILIAR).sqrt())
    off, sd = _errors(encoder, batches[:half], matrix)
    encoder.spread.copy_((off.abs() / sd).quantile(0.9, dim=0) / NINETY)
    off, sd = _errors(encoder, batches[half:], matrix)
    inside = ((off.abs() / sd) <= NINETY).float().mean(0)
    return Calibrated(
        dict(zip(NAMES, encoder.spread.tolist(), strict=True)),
        dict(zip(NAMES, inside.tolist(), strict=True)),
        dict(zip(NAMES, off.abs().mean(0).tolist(), strict=True)),
    )


def _look(encoder: Encoder, batch: Batch, matrix: Tensor) -> Tensor:
    with torch.no_grad():
        return encoder.passes_and_look(batch.waveform, batch.noise_sd, batch.place, batch.present, matrix)[1]


def _errors(encoder: Encoder, batches: list[Batch], matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Error and standard deviation of every unit and quantity; the size's in its logarithm."""
    off, sds = [], []
    for batch in batches:
        with torch.no_grad():
            mean, sd = encoder(batch.waveform, batch.noise_sd, batch.place, batch.present, matrix)
        sd[:, SIZE] /= mean[:, SIZE]
        mean[:, SIZE] = mean[:, SIZE].log()
        off.append(mean - batch.truth)
        sds.append(sd)
    return torch.cat(off), torch.cat(sds)
