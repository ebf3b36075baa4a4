"""Test units as a user has them: interference EMG is simulated, our calibration finds units in it, these are averaged.

Only units that are one of the simulated ones beyond doubt are scored, against the fibres drawn for it; how many are
none is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..models.bandpass import design_filter
from ..models.calibration import Calibration, CalibrationInput, calibrate
from ..models.matching import assign
from ..models.simulation.pool import PoolSettings
from ..models.simulation.profile import Profile
from ..models.simulation.simulator import Simulation, SimulationSettings, simulate
from ..models.simulation.spread_muscle import SpreadMuscle
from ..models.waveforms import UnitAverage, average_file
from ..stream.errors import CalibrationError
from ..stream.filter import CausalFilter
from .bench_params_sets import FS_HZ, SKIN_MM, Ranges, UnitSet, array
from .estimation_methods import Array

SECONDS = 30.0
LEVELS = (5.0, 10.0, 15.0)  # % of maximum, one recording after the other
POOL_UNITS = 100
MOST_FIBRES = 100  # computed of a unit; each stands for several of a large one
LEAST_ROA = 0.9  # of a found unit with a simulated one, to be it
FEWEST_A_RECORDING = 3  # units found; with fewer, the row would never end


@dataclass(frozen=True)
class Found:
    """Units of one recording, in the order they were found; the fields are those of `UnitSet`."""

    averages: list[UnitAverage]
    zones_mm: list[float]
    speeds_m_s: list[float]
    unmatched: int


def emg_set(
    name: str,
    units: int,
    snr_db: float,
    seed: int,
    conductor: str = "planar",
    progress: Callable[[float, str], None] = lambda share, note: None,
    joint: bool = True,
) -> UnitSet:
    """Simulate and decompose recordings until so many units were found, and keep all of the last one.

    Parameters
    ----------
    name : str
        Of the array; monopolar.
    units : int
    snr_db : float
        Mean channel power of the EMG over that of the noise.
    seed : int
    conductor : {"planar", "half-space", "cylinder"}
    joint : bool
        Take the other units out before averaging, as `estimate` does.
    """
    found: list[Found] = []
    have, most = 0, max(2, units // FEWEST_A_RECORDING)
    while have < units and len(found) < most:

        def tell(share: float, note: str, before: int = have, number: int = len(found)) -> None:
            progress(min(0.99, (before + share) / units), f"recording {number + 1}: {note}")

        found.append(of_recording(name, snr_db, (seed, len(found)), conductor, tell, joint))
        have += len(found[-1].averages)
    averages = [average for one in found for average in one.averages]
    zones = np.array([zone for one in found for zone in one.zones_mm])
    speeds = np.array([speed for one in found for speed in one.speeds_m_s])
    where = Array(array(name), FS_HZ, design_filter(FS_HZ), "monopolar")
    return UnitSet(where, averages, zones, speeds, sum(one.unmatched for one in found), len(found))


def of_recording(
    name: str,
    snr_db: float,
    seed: tuple[int, int],
    conductor: str,
    progress: Callable[[float, str], None],
    joint: bool = True,
) -> Found:
    """One recording: `seed` is that of the row and the recording's number."""
    geometry = array(name)
    progress(0.0, "simulating")
    simulation = simulate(settings_of(name, snr_db, seed, conductor), geometry)
    emg = np.ascontiguousarray(simulation.emg.T)  # (samples, channels)
    progress(0.1, "calibrating")
    channels = len(geometry)
    try:
        calibration = calibrate(
            CalibrationInput(emg, FS_HZ, geometry, list(range(channels)), channels),
            progress=lambda share, held: progress(0.1 + 0.8 * share, f"calibrating, {held} units"),
        )
    except CalibrationError:  # nothing to be found in it
        return Found([], [], [], 0)
    progress(0.9, "averaging")
    return _matched(simulation, calibration, emg, joint)


def settings_of(name: str, snr_db: float, seed: tuple[int, int], conductor: str) -> SimulationSettings:
    """One recording of a row; conductor and seed are drawn from the row's seed and the recording's number."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    ranges = Ranges()
    muscle = SpreadMuscle(
        conductor=conductor,
        fat_mm=rng.uniform(*ranges.fat_mm),
        skin_mm=SKIN_MM,
        anisotropy=rng.uniform(*ranges.anisotropy),
        most_fibres=MOST_FIBRES,
        iz_margin_mm=array(name).ied_mm,
    )
    level = LEVELS[seed[1] % len(LEVELS)]
    return SimulationSettings(
        seconds=SECONDS, fs_hz=FS_HZ, pool=PoolSettings(units=POOL_UNITS), profile=Profile("constant", level),
        muscle=muscle, snr_db=snr_db, seed=int(rng.integers(2**62)),
    )  # fmt: skip


def _matched(simulation: Simulation, calibration: Calibration, emg: NDArray[np.float32], joint: bool) -> Found:
    filtered = emg.copy()
    CausalFilter(calibration.info.filter.sections, filtered.shape[1])(filtered)
    averages = [one[0] for one in average_file(filtered, calibration.discharges, FS_HZ, joint=joint)]
    pairs = assign(calibration.discharges, simulation.trains, fs_hz=FS_HZ).pairs
    kept = sorted((found, true) for found, true, agreement in pairs if agreement.roa > LEAST_ROA)
    truth = [simulation.truth[true] for _, true in kept]
    return Found(
        [_without(averages[found], sorted(calibration.left_out)) for found, _ in kept],
        [one["innervation_zone_mm"] for one in truth],
        [one["conduction_velocity_m_s"] for one in truth],
        len(calibration.discharges) - len(kept),
    )


def _without(average: UnitAverage, channels: list[int]) -> UnitAverage:
    """The same with no numbers in some channels, as no estimator may use them."""
    waveform, noise = average.waveform.copy(), average.noise.copy()
    waveform[channels], noise[channels] = np.nan, np.nan
    return replace(average, waveform=waveform, noise=noise)
