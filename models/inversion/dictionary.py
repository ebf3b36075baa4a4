"""Where to start: the most similar of some thousand waveforms, at the delay where each is most similar.

The misfit has many local minima in delay, depth and innervation zone; a start near the best of a dictionary that
covers the whole range leaves few units in a wrong one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..forward.mean_unit import MeanUnit
from .parameters import DELAY

HIGHEST_HZ = 450.0  # compared: what tells one entry from another lies below
EARLIEST_MS, LATEST_MS = 4.0, 29.0  # delay of a waveform in the window
CHUNK = 100


class Dictionary:
    """Waveforms of many parameter vectors at one array.

    Parameters
    ----------
    model : MeanUnit
    theta : Tensor, shape (entries, parameters)
        With delay 0.
    view : Tensor, shape (channels, channels)
        What of the channels is looked at.
    fs_hz : float
    """

    def __init__(self, model: MeanUnit, theta: Tensor, view: Tensor, fs_hz: float) -> None:
        self._theta = theta
        self._fs = fs_hz
        waveform = torch.cat([model(part, view.expand(len(part), -1, -1)) for part in theta.split(CHUNK)])
        self._power = waveform.square().sum(2)  # (entries, channels)
        self._period = 2 * waveform.shape[2]
        count = int(HIGHEST_HZ / fs_hz * self._period)
        spectrum = torch.fft.rfft(waveform, self._period)[..., :count].conj()  # (entries, channels, frequencies)
        self._spectrum = spectrum.permute(2, 1, 0).contiguous()  # (frequencies, channels, entries)

    def starts(self, waveforms: Tensor, weight: Tensor, most: int) -> Tensor:
        """The best starts for every unit.

        Parameters
        ----------
        waveforms : Tensor, shape (units, channels, samples), uV
            What is looked at of them.
        weight : Tensor, shape (units, channels)
            One over the noise's standard deviation; 0 for channels that are left out.
        most : int

        Returns
        -------
        Tensor, shape (units, most, parameters)
        """
        seen = torch.fft.rfft(waveforms * weight[..., None].square(), self._period)[..., : len(self._spectrum)]
        cross = seen.permute(2, 0, 1) @ self._spectrum  # (frequencies, units, entries)
        size = (weight.square() @ self._power.T).clamp(min=1e-20).sqrt()  # (units, entries)
        alike = torch.fft.irfft(cross.permute(1, 2, 0), self._period)  # (units, entries, lags)
        early, late = (int(ms * 1e-3 * self._fs) for ms in (EARLIEST_MS, LATEST_MS))
        alike = torch.cat([alike[..., -early:], alike[..., :late]], dim=2)
        best, lag = alike.max(dim=2)  # (units, entries)
        chosen = (best / size).topk(most, dim=1).indices  # (units, most)
        theta = self._theta[chosen].clone()
        theta[..., DELAY] = (lag.gather(1, chosen) - early) * 1e3 / self._fs
        return theta
