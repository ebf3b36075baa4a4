"""A muscle of a few units under a small array, and a search that is enough for it."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from myodrive.models.bandpass import design_filter
from myodrive.models.bmiss.generator import BOTH_ENDS, FiringWindow, PhysicsGenerator
from myodrive.models.bmiss.settings import BmissSettings
from myodrive.models.firing import FiringLimits
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.matching import agree
from myodrive.models.peeling import subtract
from myodrive.stream.geometry import Geometry

FS_HZ = 1000.0
WINDOW, SECTIONS = FiringWindow(FS_HZ, 45.0), design_filter(FS_HZ).sections
RANGES = {
    "innervation_zone_mm": (-15.0, 15.0), "conduction_velocity_m_s": (3.0, 4.5), "depth_mm": (8.0, 16.0),
    "lateral_mm": (-20.0, 20.0), BOTH_ENDS: (50.0, 70.0),
}  # fmt: skip
QUICK = BmissSettings(
    rounds=2, proposals=50, blind=16, looked_at=60, candidates=16, refinements=3, fit_iterations=4, polish=2,
    restarts=2, fewest_discharges=15, limits=FiringLimits(min_discharges=20),
)  # fmt: skip


def grid(rows=4, columns=6):
    row, col = np.divmod(np.arange(rows * columns), columns)
    return Geometry(row, col, 8.0, rows, columns)


@dataclass(frozen=True)
class SmallWorld:
    """A recording and all there is to know about it."""

    geometry: Geometry
    emg: np.ndarray  # (samples, channels)
    theta: np.ndarray
    waveforms: np.ndarray  # (units, samples, channels)
    trains: list

    def generator_of(self, channels):
        """Over some of the channels; units lie anywhere under the array."""
        widest = max(20.0, float(np.abs(self.geometry.across_mm()).max()))
        ranges = RANGES | {"lateral_mm": (-widest, widest)}
        return PhysicsGenerator(self.geometry.select(channels), WINDOW, SECTIONS, ranges, conductor=HalfSpace())

    @property
    def generator(self):
        return self.generator_of(np.arange(len(self.geometry)))

    def reordered(self, order):
        """The same recording, its channels in another order."""
        return replace(self, geometry=self.geometry.select(order), emg=np.ascontiguousarray(self.emg[:, order]))

    def astray(self, theta, owner):
        """Largest error of units' parameters, of their ranges."""
        width = self.generator.high - self.generator.low
        return float(np.max(np.abs(theta - self.theta[owner]) / width, initial=0.0))

    def owner(self, train):
        """The unit that a train is of, and their rate of agreement."""
        roa = [agree(train, truth, tolerance=1, max_shift=5).roa for truth in self.trains]
        return int(np.argmax(roa)), max(roa)


def small_world(geometry=None, units=6, seconds=5.0, snr_db=10.0, seed=0):
    """Units drawn each in another stratum of every parameter, firing at 10 to 12 per second, in white noise."""
    geometry, rng = geometry or grid(), np.random.default_rng(seed)
    silence = np.zeros((round(seconds * FS_HZ), len(geometry)), np.float32)
    world = SmallWorld(geometry, silence, np.zeros(0), np.zeros(0), [])
    generator = world.generator
    strata = np.stack([rng.permutation(units) for _ in RANGES], axis=1)
    theta = generator.low + (generator.high - generator.low) * (strata + 0.5) / units
    shapes = generator.waveforms(torch.as_tensor(theta, dtype=torch.float32)).numpy().transpose(0, 2, 1)
    trains = []
    for interval_s in rng.uniform(0.083, 0.1, units):
        intervals = np.maximum(rng.normal(interval_s, 0.15 * interval_s, round(1.5 * seconds / interval_s)), 0.03)
        train = np.round((np.cumsum(intervals) - interval_s * rng.random()) * FS_HZ).astype(np.int64)
        trains.append(train[(train >= 0) & (train < len(world.emg))])
    emg = -subtract(world.emg, trains, shapes, generator.fires_at)
    noise = np.sqrt(np.mean(emg**2) * 10 ** (-snr_db / 10)) * rng.standard_normal(emg.shape)
    return replace(world, emg=(emg + noise).astype(np.float32), theta=theta, waveforms=shapes, trains=trains)
