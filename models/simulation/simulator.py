"""A recording put together: pool, discharges, force, muscle, EMG, noise, artefacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from .artefacts import Artefact, add_artefacts
from .discharges import FiringSettings, discharge
from .emg import superpose
from .force import twitch_force
from .muscle import Muscle, MuscleSettings
from .noise import noise
from .pool import Pool, PoolSettings
from .profile import Profile

STREAMS = ("muscle", "firing", "noise", "artefacts")  # each with random numbers of its own; append only
LONGEST_INTERVAL_S = 0.25  # a longer one is a pause, not part of the mean rate


@dataclass(frozen=True)
class SimulationSettings:
    """All that a simulated recording is made from; the same settings give the same recording.

    Parameters
    ----------
    seconds, fs_hz : float
    pool : PoolSettings
    profile : Profile
    firing : FiringSettings
    muscle : MuscleSettings
    noise : tuple of str
        Kinds, of `noise.NOISES`; empty for none.
    snr_db : float
        Mean channel power of the EMG over the whole recording, over that of the noise, dB.
    mains_hz : float
    artefacts : bool
    seed : int
    """

    seconds: float = 60.0
    fs_hz: float = 2048.0
    pool: PoolSettings = field(default_factory=PoolSettings)
    profile: Profile = field(default_factory=Profile)
    firing: FiringSettings = field(default_factory=FiringSettings)
    muscle: MuscleSettings = field(default_factory=MuscleSettings)
    noise: tuple[str, ...] = ("white",)
    snr_db: float = 20.0
    mains_hz: float = 50.0
    artefacts: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Simulation:
    """A simulated recording and its truth.

    Parameters
    ----------
    settings : SimulationSettings
    geometry : Geometry
    emg : ndarray of float32, shape (channels, samples), uV
        With noise and artefacts.
    force : ndarray of float32, shape (samples,), % of maximum
        That of the twitches.
    excitation : ndarray of float64, shape (samples,)
        That drives the pool.
    trains : list of ndarray of int64
        Discharges of each unit: the sample at which its action potentials leave the innervation points.
    muaps : ndarray of float32, shape (units, channels, time), uV
    muap_first : int
        Sample of the waveforms' start relative to the discharge.
    truth : list of dict
        Every parameter of each unit.
    artefacts : list of Artefact
    clean_power : float
        Mean channel power of the EMG without noise and artefacts, uV^2.
    """

    settings: SimulationSettings
    geometry: Geometry
    emg: NDArray[np.float32]
    force: NDArray[np.float32]
    excitation: NDArray[np.float64]
    trains: list[NDArray[np.int64]]
    muaps: NDArray[np.float32]
    muap_first: int
    truth: list[dict[str, float]]
    artefacts: list[Artefact]
    clean_power: float


def simulate(
    settings: SimulationSettings, geometry: Geometry, progress: Callable[[float, str], None] | None = None
) -> Simulation:
    """Make a recording.

    Parameters
    ----------
    settings : SimulationSettings
    geometry : Geometry
        The array; monopolar.
    progress : callable, optional
        Called with the share done and what is being made.

    Raises
    ------
    ValueError
        The settings contradict each other, or the muscle stays silent.
    """
    tell = progress or (lambda share, word: None)
    seeds = np.random.SeedSequence(settings.seed).spawn(len(STREAMS))
    rng = {name: np.random.default_rng(seed) for name, seed in zip(STREAMS, seeds, strict=True)}
    samples, fs_hz = round(settings.seconds * settings.fs_hz), settings.fs_hz
    pool = Pool(settings.pool)

    tell(0.0, "discharges")
    excitation = pool.excitation_for(settings.profile.force(samples, fs_hz))  # (samples,)
    cov = rng["firing"].uniform(*settings.firing.isi_cov, len(pool))
    trains = []
    for unit, own in enumerate(rng["firing"].spawn(len(pool))):
        rate = pool.rate_of(unit, excitation)  # (samples,)
        trains.append(discharge(rate, fs_hz, cov[unit], settings.firing.refractory_ms, own))
    if not any(len(train) for train in trains):
        raise ValueError(f"at {settings.profile.level:g} % of maximum no unit fires: raise the level or the length")
    force = twitch_force(pool, trains, samples, fs_hz)

    tell(0.05, "waveforms")
    muscle = Muscle(settings.muscle, pool, geometry, rng["muscle"])
    window = muscle.window(fs_hz)
    muaps = muscle.muaps(window, lambda share: tell(0.05 + 0.75 * share, "waveforms"))
    first = round(window.start_ms * fs_hz / 1000.0)

    tell(0.8, "EMG")
    emg = superpose(muaps, trains, first, samples)
    clean_power = float(np.mean(np.square(emg), dtype=np.float64))
    if settings.noise:
        power = clean_power * 10.0 ** (-settings.snr_db / 10.0)
        emg += noise(settings.noise, power, emg.shape, fs_hz, settings.mains_hz, rng["noise"])
    artefacts = []
    if settings.artefacts:
        artefacts = add_artefacts(emg, geometry.col, fs_hz, float(np.sqrt(clean_power)), rng["artefacts"])

    tell(0.95, "truth")
    truth = [
        {**place, **firing}
        for place, firing in zip(muscle.truth(), _firing_truth(pool, trains, cov, muaps, fs_hz), strict=True)
    ]
    return Simulation(
        settings, geometry, emg, force.astype(np.float32), excitation, trains, muaps, first, truth, artefacts,
        clean_power,
    )  # fmt: skip


def _firing_truth(
    pool: Pool,
    trains: list[NDArray[np.int64]],
    cov: NDArray[np.float64],
    muaps: NDArray[np.float32],
    fs_hz: float,
) -> list[dict[str, float]]:
    threshold_force = pool.threshold_force()
    rows = []
    for unit, train in enumerate(trains):
        interval_s = np.diff(train) / fs_hz
        interval_s = interval_s[interval_s < LONGEST_INTERVAL_S]
        rows.append(
            {
                "recruitment_threshold": float(pool.threshold[unit]),
                "recruitment_threshold_percent": float(threshold_force[unit]),
                "least_rate_hz": pool.settings.least_rate_hz,
                "peak_rate_hz": float(pool.peak_rate_hz[unit]),
                "mean_rate_hz": float(1.0 / interval_s.mean()) if len(interval_s) else 0.0,
                "isi_cov": float(cov[unit]),
                "twitch_force": float(pool.twitch[unit]),
                "twitch_contraction_ms": float(pool.contraction_ms[unit]),
                "discharges": float(len(train)),
                "muap_peak_to_peak_uv": float(np.ptp(muaps[unit], axis=-1).max()),
            }
        )
    return rows
