"""What of an array's channels a fit looks at: each as far as its noise allows, and little of what a column shares.

What all rows of a column see at once are far sources: the fibres' ends, the limb's standing waves, the reference
electrode. They are where muscles differ most from any model, and say least about place and speed. They count as noise
of a share of the waveform's size on top: a strong unit's are left out, a weak one's, where noise is worse, looked at.
Noise that is not white is made so, as far as it can be, in a second step, `View.whiten`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from ...stream.geometry import Geometry
from .residue import Residue

COMMON_SHARE = 0.5  # of the waveform's root mean square that a column's common part may be off by
LEAST_POWER = 0.05  # of a waveform's mean square that is taken to be waveform, however large its noise is said to be


@dataclass(frozen=True)
class View:
    """What is seen of one batch of waveforms.

    Attributes
    ----------
    matrix : Tensor, shape (units, channels, channels), 1/uV
        From a waveform to what is seen of it, in units of the noise.
    seen : Tensor, shape (units, channels x samples)
    weight : Tensor, shape (units, channels), 1/uV
        One over the noise's standard deviation; 0 for channels that are left out.
    degrees : Tensor, shape (units,)
        Sum of squares that noise alone would leave, whitened.
    density : Tensor, shape (units,)
        The mean of these squares; 1 for noise that was white.
    space : Tensor, shape (units, channels, channels), or None
        From what is seen to what is white over channels; None where noise was white.
    time : Tensor, shape (samples, samples), or None
        Makes rows of samples white that are multiplied by it from the right; None where noise was white.
    noise : Tensor, shape (units, draws, channels x samples), or None
        Draws of the noise, seen and whitened; None where it was white.
    """

    matrix: Tensor
    seen: Tensor
    weight: Tensor
    degrees: Tensor
    density: Tensor
    space: Tensor | None = None
    time: Tensor | None = None
    noise: Tensor | None = None

    @classmethod
    def of(
        cls,
        geometry: Geometry,
        waveforms: Tensor,
        variance: Tensor,
        scatter_share: float = 0.0,
        residue: Residue | None = None,
    ) -> View:
        """Look at waveforms.

        Parameters
        ----------
        geometry : Geometry
        waveforms : Tensor, shape (units, channels, samples), uV
        variance : Tensor, shape (units, channels), uV^2
            Of a sample's noise; infinite where a channel is left out.
        scatter_share : float
            Of the waveform's amplitude that is noise on top.
        residue : Residue, optional
            What the noise is like; white by default.
        """
        good = torch.isfinite(variance)  # (units, channels)
        count = good.sum(1).clamp(min=1)
        whole = torch.where(good, waveforms.square().mean(2), 0.0).sum(1) / count  # (units,)
        noise = torch.where(good, variance, 0.0).sum(1) / count
        power = torch.maximum(whole - noise, LEAST_POWER * whole).clamp(min=1e-20)
        variance = variance + scatter_share**2 * power[:, None]
        noise = noise + scatter_share**2 * power
        weight = variance.rsqrt()
        same = torch.as_tensor(geometry.col[:, None] == geometry.col[None, :])
        shared = same & good[:, None]  # (units, channels, channels)
        if residue is not None:
            common = COMMON_SHARE**2 * power[:, None, None] * (shared & good[..., None])
            return cls._within(residue, waveforms, weight, common)
        rows = shared.sum(2).clamp(min=1)  # (units, channels)
        share = 1.0 - (1.0 + rows * COMMON_SHARE**2 * (power / noise.clamp(min=1e-20))[:, None]).rsqrt()
        matrix = weight[..., None] * (torch.eye(len(geometry)) - (share / rows)[..., None] * shared)
        alone = torch.where(good, variance, 0.0)[:, None] * matrix.square()  # (units, seen, channels)
        degrees = alone.sum((1, 2)).clamp(min=1.0) * waveforms.shape[2]
        return cls(matrix, (matrix @ waveforms).flatten(1), weight, degrees, torch.ones_like(degrees))

    @classmethod
    def _within(cls, residue: Residue, waveforms: Tensor, weight: Tensor, common: Tensor) -> View:
        """In noise like `residue` and, on top, a `common` covariance (units, channels, channels), uV^2."""
        good = weight > 0.0  # (units, channels)
        both = good[:, :, None] & good[:, None, :]
        expected = torch.where(both, residue.space, torch.eye(weight.shape[1]))
        expected = expected + weight[:, :, None] * common * weight[:, None, :]
        space = torch.linalg.inv(torch.linalg.cholesky(expected.double())).float()  # (units, channels, channels)
        noise = ((space * good[:, None])[:, None] @ residue.windows @ residue.time).flatten(2)
        degrees = noise.square().sum(2).mean(1).clamp(min=1.0)
        density = degrees / (good.sum(1).clamp(min=1) * waveforms.shape[2])
        matrix = torch.diag_embed(weight)
        return cls(matrix, (matrix @ waveforms).flatten(1), weight, degrees, density, space, residue.time, noise)

    def whiten(self, rows: Tensor) -> Tensor:
        """Make rows of what is seen, (units, rows, channels x samples), as white as noise can be made."""
        if self.space is None or self.time is None:
            return rows
        return (self.space[:, None] @ rows.unflatten(2, (-1, len(self.time))) @ self.time).flatten(2)

    def as_seen(self, rows: Tensor) -> Tensor:
        """What `whiten` makes these rows of."""
        if self.space is None or self.time is None:
            return rows
        over_time = rows.unflatten(2, (-1, len(self.time))) @ torch.linalg.inv(self.time)
        return torch.linalg.solve(self.space[:, None], over_time).flatten(2)

    def some(self, which: Tensor) -> View:
        """Of some of the units."""
        own = [field.name for field in fields(self) if field.name != "time"]
        parts = {name: getattr(self, name) for name in own}
        return View(**{name: None if part is None else part[which] for name, part in parts.items()}, time=self.time)

    def with_louder_noise(self, times: Tensor) -> View:
        """The same seen in noise of `times` (units,) the variance."""
        share = times.rsqrt()
        return replace(
            self,
            matrix=self.matrix * share[:, None, None],
            seen=self.seen * share[:, None],
            weight=self.weight * share[:, None],
            noise=None if self.noise is None else self.noise * share[:, None, None],
        )


def without_common_part(geometry: Geometry) -> Tensor:
    """Matrix that takes from every channel the mean of its column, shape (channels, channels)."""
    same = geometry.col[:, None] == geometry.col[None, :]
    matrix = np.eye(len(geometry)) - same / same.sum(axis=1, keepdims=True)
    return torch.as_tensor(matrix, dtype=torch.float32)
