"""What the live path sees of a unit: the physics, band-passed by the decoder's own filter, in the averages' window."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...stream.geometry import Geometry
from ..forward.fibres import quadrature_deviates
from ..forward.waveform import WaveformModel
from .parameters import DELAY, as_units

PERIOD = 256  # samples of the transform: the model's 50 ms, the delay and the filter's ringing fit in
BATCH = 64


class Observer:
    """Filtered waveforms of parameter vectors.

    Parameters
    ----------
    model : WaveformModel
        The physics at the array.
    sections : ndarray of float64, shape (sections, 6)
        The decoder's causal filter.
    samples : int
        Of the window; the waveform of a unit with delay d leaves its innervation point d ms after the window's start.
    fibres : int
        That stand for a unit.
    view : Tensor, shape (channels, channels), optional
        What of the channels is looked at, see `without_common_part`; all by default.
    """

    def __init__(
        self,
        model: WaveformModel,
        sections: NDArray[np.float64],
        samples: int,
        fibres: int,
        view: Tensor | None = None,
    ) -> None:
        self.model = model
        self._view = view
        self.samples = samples
        self._fs = model.window.fs_hz
        self._start_ms = model.window.start_ms
        self._deviates = quadrature_deviates(fibres)
        radians = 2.0 * np.pi * np.fft.rfftfreq(PERIOD)  # (frequencies,) per sample
        delay = np.exp(-1j * radians[:, None] * np.arange(3))  # (frequencies, 3)
        response = np.prod([(delay @ s[:3]) / (delay @ s[3:]) for s in np.asarray(sections)], axis=0)
        self._response = torch.as_tensor(response, dtype=torch.complex64)  # (frequencies,)
        self._radians = torch.as_tensor(radians, dtype=torch.float32)

    def __call__(self, theta: Tensor) -> Tensor:
        """Waveforms of `theta` (units, parameters), shape (units, channels, samples), uV of `FIBRES` fibres."""
        with torch.no_grad():
            parts = [
                self.filtered(self.model(as_units(part), self._deviates), part[:, DELAY]) for part in theta.split(BATCH)
            ]
        waveform = torch.cat(parts)
        return waveform if self._view is None else self._view @ waveform

    def filtered(self, waveform: Tensor, delay_ms: Tensor) -> Tensor:
        """Band-pass and delay waveforms (units, channels, time) of the physics' window."""
        shift = (delay_ms + self._start_ms) * 1e-3 * self._fs  # (units,) samples
        turn = torch.exp(-1j * self._radians * shift[:, None]) * self._response  # (units, frequencies)
        spectrum = torch.fft.rfft(waveform, PERIOD) * turn[:, None]
        return torch.fft.irfft(spectrum, PERIOD)[..., : self.samples]


def model_samples(fs_hz: float) -> int:
    """Samples of the physics' own window: 50 ms."""
    return math.ceil(0.05 * fs_hz)


def without_common_part(geometry: Geometry) -> Tensor:
    """Matrix that takes from every channel the mean of its column, shape (channels, channels).

    What all rows of a column see at once are far sources: the fibres' ends, the limb's standing waves, the reference
    electrode. They are where muscles differ most from any model, and say least about place and speed.
    """
    same = geometry.col[:, None] == geometry.col[None, :]
    matrix = np.eye(len(geometry)) - same / same.sum(axis=1, keepdims=True)
    return torch.as_tensor(matrix, dtype=torch.float32)
