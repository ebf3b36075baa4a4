"""A generator in closed form: a wave that leaves a zone and travels both ways under a column of electrodes."""

import numpy as np
import torch

from myodrive.models.bmiss.fit import delayed, shapes
from myodrive.models.bmiss.space import Space

RANGES = {"innervation_zone_mm": (-20.0, 20.0), "conduction_velocity_m_s": (3.0, 6.0), "width_ms": (1.0, 3.0)}
ALONG_MM = np.linspace(-32.0, 32.0, 9)


class TravellingWave:
    """See `bmiss.generator.Generator`; a Gaussian's slope at 1000 Hz, its amplitude 1 uV per ms of its width."""

    def __init__(self, samples=50, fires_at=8):
        self.space = Space.of(RANGES)
        self.channels, self.samples, self.fires_at = len(ALONG_MM), samples, fires_at
        self.asked = []  # units asked for, call by call

    @property
    def names(self):
        return self.space.names

    @property
    def low(self):
        return self.space.low

    @property
    def high(self):
        return self.space.high

    def waveforms(self, theta):
        return self.with_slopes(theta)[0]

    def with_slopes(self, theta):
        self.asked.append(len(theta))
        zone, velocity, width = theta.T[:, :, None, None]  # (units, 1, 1) each
        x, t = torch.as_tensor(ALONG_MM, dtype=theta.dtype)[:, None], torch.arange(self.samples)
        away = torch.sqrt((x - zone) ** 2 + 1.0)
        since = t - self.fires_at - 4.0 - away / velocity  # (units, channels, samples) ms
        bell = torch.exp(-0.5 * (since / width) ** 2)
        by_time = ((since / width) ** 2 - 1.0) * bell
        by_zone, by_velocity = by_time * (x - zone) / away / velocity, by_time * away / velocity**2
        by_width = -(since**3) / width**3 * bell
        return -since * bell, torch.stack([by_zone, by_velocity, by_width], dim=1)


def white(generator, whitener, theta, later=0.0):
    """Whitened waveforms of a generator, some samples later."""
    return whitener.waveforms(delayed(shapes(generator, theta), np.full(len(theta), later)))


def spread(count, seed=0, margin=0.2):
    """Parameters all over the box, a margin's share of the range from its bounds."""
    low, high = np.array(list(RANGES.values())).T
    share = margin + (1 - 2 * margin) * np.random.default_rng(seed).random((count, len(RANGES)))
    return low + (high - low) * share
