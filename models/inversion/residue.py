"""Noise that is white neither over channels nor over time: what no unit explains of a recording.

Windows of it say how it is correlated over both. Fits see more in waveforms made white by these two correlations; how
far they still wander in it, for it travels as units do and is no product of the two, is read off the windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SHRUNK = 0.2  # of the correlation over channels, that is taken for chance
WHITE = 1.0  # noise added before whitening over time, per noise: else frequencies that hold no signal would weigh most


@dataclass(frozen=True)
class Residue:
    """What noise is like, whatever its size.

    Attributes
    ----------
    windows : Tensor, shape (windows, channels, samples)
        Each channel of mean square 1; 0 where a channel holds nothing.
    space : Tensor, shape (channels, channels)
        Correlation over channels.
    time : Tensor, shape (samples, samples)
        Makes rows of samples whiter that are multiplied by it from the right.
    """

    windows: Tensor
    space: Tensor
    time: Tensor

    @classmethod
    def of(cls, windows: Tensor) -> Residue:
        """From windows of it, shape (windows, channels, samples), of any size."""
        windows = windows * windows.square().mean((0, 2)).clamp(min=1e-20).rsqrt()[:, None]
        over_time = correlation_over_time(windows)
        over_time = (over_time + WHITE * torch.eye(len(over_time))) / (1.0 + WHITE)
        space = (1.0 - SHRUNK) * correlation_over_channels(windows) + SHRUNK * torch.eye(windows.shape[1])
        return cls(windows, space, torch.linalg.inv(torch.linalg.cholesky(over_time)).T)


def correlation_over_channels(windows: Tensor) -> Tensor:
    """Of windows (windows, channels, samples) of mean square 1 by channel; of a channel that holds nothing, none."""
    rows = windows.transpose(0, 1).flatten(1)  # (channels, windows x samples)
    return (rows @ rows.T / rows.shape[1]).fill_diagonal_(1.0)


def correlation_over_time(windows: Tensor) -> Tensor:
    """Of all channels of windows (windows, channels, samples) together, shape (samples, samples)."""
    samples = windows.shape[2]
    spectrum = torch.fft.rfft(windows, 2 * samples).abs().square().mean((0, 1))
    lags = torch.fft.irfft(spectrum)[:samples]
    place = torch.arange(samples)
    correlation = lags / lags[0].clamp(min=1e-20)
    return correlation[(place[:, None] - place[None, :]).abs()].fill_diagonal_(1.0)
