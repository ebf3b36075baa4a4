"""Where to start: the most similar of some thousand waveforms, at the delay where each is most similar.

The misfit has many local minima in delay, depth and innervation zone; a start near the best of a dictionary that
covers the whole range leaves few units in a wrong one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .observer import PERIOD, Observer
from .parameters import DELAY

FREQUENCIES = 90  # of the transform, up to 720 Hz at 2048 Hz: there is no more in a band-passed waveform
LONGEST_DELAY, EARLIEST_DELAY = 60, 8  # samples after and before the window's start


class Dictionary:
    """Waveforms of many parameter vectors at one array.

    Parameters
    ----------
    observer : Observer
    theta : Tensor, shape (entries, parameters)
        With delay 0.
    """

    def __init__(self, observer: Observer, theta: Tensor) -> None:
        self._theta = theta
        self._fs = observer.model.window.fs_hz
        waveform = observer(theta)  # (entries, channels, samples)
        self._spectrum = torch.fft.rfft(waveform, PERIOD)[..., :FREQUENCIES].conj()

    def starts(self, waveform: Tensor, weight: Tensor, most: int) -> Tensor:
        """The best starts for one unit.

        Parameters
        ----------
        waveform : Tensor, shape (channels, samples), uV
        weight : Tensor, shape (channels,)
            One over the noise's standard deviation; 0 for channels that are left out.
        most : int

        Returns
        -------
        Tensor, shape (most, parameters)
        """
        seen = torch.fft.rfft(waveform * weight[:, None].square(), PERIOD)[:, :FREQUENCIES]
        cross = torch.einsum("cf,bcf->bf", seen, self._spectrum)  # (entries, frequencies)
        size = torch.einsum("c,bcf->b", weight.square(), self._spectrum.abs().square()).clamp(min=1e-20).sqrt()
        alike = torch.fft.irfft(cross, PERIOD) / size[:, None]  # (entries, lags)
        alike = torch.cat([alike[:, :LONGEST_DELAY], alike[:, -EARLIEST_DELAY:]], dim=1)
        best, lag = alike.max(dim=1)  # (entries,)
        chosen = best.topk(most).indices
        lag = torch.where(lag < LONGEST_DELAY, lag, lag - LONGEST_DELAY - EARLIEST_DELAY)
        theta = self._theta[chosen].clone()
        theta[:, DELAY] = lag[chosen] * 1e3 / self._fs
        return theta
