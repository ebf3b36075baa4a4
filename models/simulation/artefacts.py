"""What spoils a real recording now and then: movements of the array, electrodes that lose contact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EVERY_S = 10.0  # one artefact in so much time, on average; at least one of each kind
MOTION_S = (0.3, 1.0)
MOTION_HZ = (1.0, 12.0)
MOTION_SIZE = (3.0, 10.0)  # peak over the RMS of the EMG
POP_DECAY_S = (0.02, 0.2)
POP_SIZE = (10.0, 40.0)


@dataclass(frozen=True)
class Artefact:
    """One disturbance.

    Parameters
    ----------
    kind : str
        "motion" (many channels, slow) or "pop" (one channel, a step that decays).
    first, last : int
        Its samples.
    channels : tuple of int
    """

    kind: str
    first: int
    last: int
    channels: tuple[int, ...]


def add_artefacts(
    emg: NDArray[np.float32], column: NDArray[np.int64], fs_hz: float, rms_uv: float, rng: np.random.Generator
) -> list[Artefact]:
    """Add artefacts to EMG in place and say where.

    Parameters
    ----------
    emg : ndarray of float32, shape (channels, samples), uV
    column : ndarray of int64, shape (channels,)
        Column of each channel on the grid: a movement strikes neighbouring columns.
    fs_hz : float
    rms_uv : float
        Size of the EMG that the artefacts' sizes are relative to.
    rng : Generator
    """
    channels, samples = emg.shape
    added = []
    for number in range(max(2, round(samples / fs_hz / EVERY_S))):
        if number % 2 == 0:
            length = min(samples, round(rng.uniform(*MOTION_S) * fs_hz))
            first = int(rng.integers(0, samples - length + 1))
            time = np.arange(length) / fs_hz
            bump = np.sin(np.pi * np.arange(length) / length) ** 2
            wave = bump * np.sin(2.0 * np.pi * rng.uniform(*MOTION_HZ) * time + rng.uniform(0.0, 2.0 * np.pi))
            struck = np.abs(column - rng.choice(column)) <= max(1, int(column.max()) // 3)
            gain = np.where(struck, rng.uniform(*MOTION_SIZE) * rng.uniform(0.5, 1.0, channels), 0.0)
            emg[:, first : first + length] += (rms_uv * gain[:, None] * wave).astype(np.float32)
            where = tuple(np.flatnonzero(struck).tolist())
            added.append(Artefact("motion", first, first + length - 1, where))
        else:
            decay = rng.uniform(*POP_DECAY_S) * fs_hz
            first = int(rng.integers(0, samples))
            length = min(samples - first, round(7.0 * decay))
            channel = int(rng.integers(0, channels))
            size = rms_uv * rng.uniform(*POP_SIZE) * rng.choice([-1.0, 1.0])
            emg[channel, first : first + length] += (size * np.exp(-np.arange(length) / decay)).astype(np.float32)
            added.append(Artefact("pop", first, first + length - 1, (channel,)))
    return sorted(added, key=lambda one: one.first)
