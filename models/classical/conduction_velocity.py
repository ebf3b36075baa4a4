"""Conduction velocity by multichannel maximum likelihood, pooled over columns and both directions.

Farina & Merletti (2001; 2004): the delay between neighbouring channels at which the channels of a run are most alike,
taken over all of them at once in the Fourier domain. A run is the channels of one column on one side of the
innervation zone; each has its own waveform, all share the speed. Double differences by default: they remove most of
the standing waves, which bias every such estimate high. Single differences, taken away from the zone, bear more noise
but are biased by 0.2 to 2 m/s on simulated units, the deeper the more. The double differences next to the zone hold
both waves, which costs up to 0.1 m/s on ideal waves (most on short columns); leaving them out would cost as much again
on simulated units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from . import propagation
from .innervation_zone import InnervationZone, find_innervation_zone
from .propagation import Waves

FEWEST_CHANNELS = 3  # of a run; two of the many on a grid resemble each other by chance
LEAST_CORRELATION = 0.5  # of a channel with the wave of its run
GUARD_MM = 12.0  # single differences nearer to the zone see both waves
SPEEDS = 60
FAR_MM = 1e3  # a zone outside the grid: every channel lies on one side
LARGEST_SD_M_S = 0.75  # a velocity less certain is none
MODEL_SHARE = 0.035  # of the velocity: what is left at 30 dB on simulated shallow units


@dataclass(frozen=True)
class Arrival:
    """When the wave passed a channel, for pictures of the fit.

    Attributes
    ----------
    column : int
    along_mm : float
    delay_ms : float
        Since the run's channel nearest to the innervation zone, by correlation with the run's wave.
    correlation : float
    """

    column: int
    along_mm: float
    delay_ms: float
    correlation: float


@dataclass(frozen=True)
class ConductionVelocity:
    """What was found.

    Attributes
    ----------
    cv_m_s, sd_m_s : float or None
        The standard deviation holds noise, the scatter between runs and MODEL_SHARE; the standing waves of deep
        units, which bias the velocity high by more, it does not hold.
    reason : str or None
        Why there is no number.
    channels : int
        Differences used.
    order : int
        1 single, 2 double differences.
    correlation : float
        Mean correlation of the channels used with the wave of their run.
    arrivals : tuple of Arrival
    """

    cv_m_s: float | None
    sd_m_s: float | None
    reason: str | None
    channels: int = 0
    order: int = 0
    correlation: float = 0.0
    arrivals: tuple[Arrival, ...] = ()


def estimate_conduction_velocity(
    waveform: NDArray[np.floating],
    fs_hz: float,
    geometry: Geometry,
    good: NDArray[np.bool_] | None = None,
    montage: str = "monopolar",
    zone: InnervationZone | None = None,
    order: int = 2,
) -> ConductionVelocity:
    """Estimate the conduction velocity of one unit.

    Parameters
    ----------
    waveform : ndarray, shape (channels, time), uV
        The unit's average waveform.
    fs_hz : float
    geometry : Geometry
    good : ndarray of bool, shape (channels,), optional
        Channels to use; those with values that are not numbers never are.
    montage : str
    zone : InnervationZone, optional
        What `find_innervation_zone` said of the same waveform; found here when not given.
    order : int
        1 for single, 2 for double differences.

    Returns
    -------
    ConductionVelocity
    """
    if order not in (1, 2):
        raise ValueError(f"differences of order {order}: choose 1 or 2")
    waves = propagation.at_electrodes(waveform, fs_hz, geometry, good, montage)
    if reason := waves.too_few_rows("conduction velocity"):
        return _none(reason)
    if zone is None:
        zone = find_innervation_zone(waveform, fs_hz, geometry, good, montage)
    if zone.iz_mm is None and zone.side == 0:
        return _none(zone.reason or "no innervation zone")
    start = zone.iz_mm if zone.iz_mm is not None else zone.side * FAR_MM
    return _estimate(waves.differences(order), start, GUARD_MM if order == 1 else 0.0)


@dataclass
class _Run:
    """Channels of one column on one side of the zone, nearest first."""

    column: int
    rows: NDArray[np.int64]
    distance: NDArray[np.float64]  # mm, shape (channels,)
    spectrum: NDArray[np.complex128]  # (channels, frequencies)

    def part(self, kept: NDArray[np.bool_]) -> _Run:
        return _Run(self.column, self.rows[kept], self.distance[kept], self.spectrum[kept])

    def aligned(self, slowness: float, angular: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Every channel moved to when the wave left the zone."""
        shifted: NDArray[np.complex128] = self.spectrum * np.exp(1j * slowness * self.distance[:, None] * angular)
        return shifted


def _estimate(waves: Waves, start: float, guard: float) -> ConductionVelocity:
    runs = _runs(waves, start, guard)
    if not runs:
        return _none(f"fewer than {FEWEST_CHANNELS} channels on one side of the innervation zone")
    slowness = _best(runs, waves.angular)
    for _ in range(2):  # channels through which the wave passes, and the speed over those
        kept = [part for run in runs if (part := _propagating(run, slowness, waves.angular)) is not None]
        if not kept:
            return _none("the potential does not propagate: its channels do not resemble each other at any delay")
        slowness = _best(kept, waves.angular)
    velocity = 1.0 / slowness
    if not 1.02 * propagation.SLOWEST_M_S < velocity < 0.98 * propagation.FASTEST_M_S:
        return _none("the potential does not propagate: no speed of a muscle fibre fits its delays")
    arrivals = _arrivals(kept, slowness, waves)
    sd = _standard_deviation(kept, slowness, waves) * velocity**2
    if sd > LARGEST_SD_M_S:
        return _none("the noise is too strong for a conduction velocity")
    return ConductionVelocity(
        velocity,
        float(np.hypot(sd, MODEL_SHARE * velocity)),
        None,
        sum(len(run.rows) for run in kept),
        waves.order,
        float(np.mean([arrival.correlation for arrival in arrivals])),
        arrivals,
    )


def _runs(waves: Waves, start: float, guard: float) -> list[_Run]:
    runs = []
    for column, present in enumerate(waves.present):
        for side in (-1, 1):
            away = side * (waves.along_mm - start)
            rows = np.flatnonzero(present & (away > 0) & (away >= guard))
            rows = rows[np.argsort(away[rows])]
            if len(rows) >= FEWEST_CHANNELS:
                runs.append(_Run(column, rows, away[rows], waves.spectrum[column, rows]))
    return runs


def _alike(run: _Run, slownesses: NDArray[np.float64], angular: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of the mean wave of a run at each slowness; its largest value is the least squares between channels."""
    phase = slownesses[:, None, None] * run.distance[:, None] * angular  # (slownesses, channels, frequencies)
    total = (run.spectrum * np.exp(1j * phase)).sum(axis=1)
    power: NDArray[np.float64] = (np.abs(total) ** 2).sum(axis=1) / len(run.rows)
    return power


def _best(runs: list[_Run], angular: NDArray[np.float64]) -> float:
    """Slowness at which the runs together are most alike, ms/mm."""
    logs = np.log(propagation.velocities(SPEEDS))
    for _ in range(3):
        power = np.sum([_alike(run, np.exp(logs), angular) for run in runs], axis=0)
        at = int(power.argmax())
        centre, step = logs[at], logs[0] - logs[1]
        inside = 0 < at < len(logs) - 1
        left, here, right = power[[at - 1, at, at + 1]] if inside else (0.0, 0.0, 0.0)
        logs = centre + step * np.linspace(1, -1, 9)
    bend = left - 2 * here + right
    vertex = 0.5 * (left - right) / bend if inside and bend < 0 else 0.0
    return float(np.exp(centre - step * vertex))


def _correlations(run: _Run, slowness: float, angular: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each channel with the mean of the run's others, both aligned."""
    aligned = run.aligned(slowness, angular)
    others = aligned.sum(axis=0) - aligned  # (channels, frequencies)
    product = (aligned * others.conj()).real.sum(axis=1)
    size = np.sqrt((np.abs(aligned) ** 2).sum(axis=1) * (np.abs(others) ** 2).sum(axis=1))
    correlation: NDArray[np.float64] = product / np.maximum(size, 1e-30)
    return correlation


def _propagating(run: _Run, slowness: float, angular: NDArray[np.float64]) -> _Run | None:
    """The run's channels that the wave passes through unchanged; None when too few."""
    while len(run.rows) >= FEWEST_CHANNELS:
        correlation = _correlations(run, slowness, angular)
        worst = int(correlation.argmin())
        if correlation[worst] >= LEAST_CORRELATION:
            return run
        run = run.part(np.arange(len(run.rows)) != worst)
    return None


def _standard_deviation(runs: list[_Run], slowness: float, waves: Waves) -> float:
    """Of the slowness: the larger of the Cramer-Rao form, noise from the residual, and the scatter between runs."""
    step = 0.01 * slowness
    at = slowness + step * np.array([-1.0, 0.0, 1.0])
    power = np.array([_alike(run, at, waves.angular) for run in runs])  # (runs, 3)
    bend = -(power[:, 2] - 2 * power[:, 1] + power[:, 0]) / step**2
    information = float(bend.sum())
    if information <= 0:
        return float("inf")
    total = sum(float((np.abs(run.spectrum) ** 2).sum()) for run in runs)
    degrees = 2.0 * len(waves.angular) * sum(len(run.rows) - 1 for run in runs)
    variance = max(total - float(power[:, 1].sum()), 0.0) / degrees * waves.padding
    noise = np.sqrt(2.0 * variance / information)
    pull = (power[:, 2] - power[:, 0]) / (2 * step)
    scatter = np.sqrt((pull**2).sum() * len(runs) / (len(runs) - 1)) / information if len(runs) > 1 else 0.0
    return float(max(noise, scatter))


def _arrivals(runs: list[_Run], slowness: float, waves: Waves) -> tuple[Arrival, ...]:
    offsets = np.linspace(-3.0, 3.0, 241)  # ms
    rotation = np.exp(1j * offsets[:, None] * waves.angular)  # (offsets, frequencies)
    arrivals = []
    for run in runs:
        aligned = run.aligned(slowness, waves.angular)
        wave = aligned.sum(axis=0)
        correlation = _correlations(run, slowness, waves.angular)
        late = offsets[((aligned * wave.conj()) @ rotation.T).real.argmax(axis=1)]
        delay = slowness * (run.distance - run.distance[0]) + late
        arrivals += [
            Arrival(run.column, float(waves.along_mm[row]), float(ms), float(r))
            for row, ms, r in zip(run.rows, delay, correlation, strict=True)
        ]
    return tuple(arrivals)


def _none(reason: str) -> ConductionVelocity:
    return ConductionVelocity(None, None, reason)
