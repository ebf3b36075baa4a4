"""Noise of a stated power: white, coloured, mains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NOISES = ("white", "coloured", "mains")
KNEE_HZ = 20.0  # coloured noise is flat below: electrodes and amplifiers remove what would come
HARMONICS = {1: 1.0, 2: 0.15, 3: 0.4, 5: 0.2, 7: 0.1}  # amplitudes; odd ones dominate, as rectifiers make them
CHANNEL_SPREAD = 0.4  # of the logarithm of the mains amplitude between channels
WOBBLE_HZ = 0.02  # standard deviation of the mains frequency


def noise(
    kinds: Sequence[str], power: float, shape: tuple[int, int], fs_hz: float, mains_hz: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Noise of exactly the mean power asked for, shared evenly by its kinds.

    Parameters
    ----------
    kinds : sequence of str
        Of `NOISES`, at least one.
    power : float
        Mean square over all channels and samples, uV^2.
    shape : (channels, samples)
    fs_hz : float
    mains_hz : float
        50 or 60.
    rng : Generator

    Returns
    -------
    ndarray of float32, shape (channels, samples), uV
    """
    total = np.zeros(shape, np.float32)
    for kind in kinds:
        if kind == "white":
            one = rng.standard_normal(shape, np.float32)
        elif kind == "coloured":
            one = _coloured(shape, fs_hz, rng)
        elif kind == "mains":
            one = _mains(shape, fs_hz, mains_hz, rng)
        else:
            raise ValueError(f'the noise "{kind}" is none of {", ".join(NOISES)}')
        total += one / np.float32(_rms(one))
    total *= np.float32(np.sqrt(power) / _rms(total))
    return total


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values), dtype=np.float64)))


def _coloured(shape: tuple[int, int], fs_hz: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Power that falls as 1/f above `KNEE_HZ`, each channel for itself."""
    channels, samples = shape
    amplitude = np.maximum(np.fft.rfftfreq(samples, 1.0 / fs_hz), KNEE_HZ) ** -0.5
    amplitude[0] = 0.0
    result = np.empty(shape, np.float32)
    for channel in range(channels):
        result[channel] = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * amplitude, samples)
    return result


def _mains(shape: tuple[int, int], fs_hz: float, mains_hz: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A fundamental and harmonics, in phase on all channels, stronger on some; frequency and strength drift slowly."""
    channels, samples = shape
    time = np.arange(samples) / fs_hz
    nodes = np.arange(0.0, time[-1] + 2.0, 1.0)  # drift from second to second
    frequency = mains_hz + WOBBLE_HZ * np.interp(time, nodes, rng.standard_normal(len(nodes)))
    strength = 1.0 + 0.1 * np.interp(time, nodes, rng.standard_normal(len(nodes)).clip(-3.0, 3.0))
    phase = 2.0 * np.pi * np.cumsum(frequency) / fs_hz
    wave = np.zeros(samples)
    for order, amplitude in HARMONICS.items():
        start = 2.0 * np.pi * rng.random()
        if order * mains_hz < 0.45 * fs_hz:
            wave += amplitude * np.cos(order * phase + start)
    gain = np.exp(CHANNEL_SPREAD * rng.standard_normal(channels))
    return np.asarray(gain[:, None] * (strength * wave), np.float32)
