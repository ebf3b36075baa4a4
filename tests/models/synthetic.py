"""A small synthetic recording: random travelling waveforms on a grid, each unit firing at its own rhythm."""

from __future__ import annotations

import numpy as np

FS_HZ = 2048.0


def make_trains(rng: np.random.Generator, units: int, samples: int) -> list[np.ndarray]:
    """Trains of 8-14 discharges/s with an interval variation of 15 %, active all the time."""
    trains = []
    for _ in range(units):
        mean_s = 1 / rng.uniform(8, 14)
        intervals = np.maximum(rng.normal(mean_s, 0.15 * mean_s, size=int(samples / FS_HZ * 20)), 0.03)
        instants = np.round(np.cumsum(intervals) * FS_HZ).astype(np.int64)
        trains.append(instants[(instants > 60) & (instants < samples - 60)])
    return trains


def make_emg(
    rng: np.random.Generator, trains: list[np.ndarray], samples: int, rows: int = 8, cols: int = 4, noise: float = 1.0
) -> np.ndarray:
    """EMG of shape (samples, rows * cols), uV: a second-derivative-of-Gaussian wave that travels along the rows."""
    emg = rng.normal(0, noise, (samples, rows * cols))
    row, col = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"))
    time = np.arange(-30, 31)[:, None]  # samples
    for train in trains:
        centre, place = rng.uniform(0, rows - 1), rng.uniform(0, cols - 1)
        delay = rng.uniform(2.5, 6) * np.abs(row - centre)  # samples from the innervation zone
        width = rng.uniform(2.5, 5)
        gain = rng.uniform(15, 30) * np.exp(-((col - place) ** 2) / rng.uniform(1, 6))
        phase = (time - delay + 12) / width
        shape = gain * (1 - phase**2) * np.exp(-(phase**2) / 2)  # (61, channels)
        for instant in train:
            emg[instant - 30 : instant + 31] += shape
    return emg.astype(np.float32)


def make_recording(seed: int, units: int = 6, seconds: float = 12, **array) -> tuple[np.ndarray, list[np.ndarray]]:
    """EMG, shape (samples, channels), uV, and the true discharges of each unit."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * FS_HZ)
    trains = make_trains(rng, units, samples)
    return make_emg(rng, trains, samples, **array), trains
