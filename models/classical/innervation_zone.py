"""Where propagation reverses: the innervation zone from the delays along the columns.

A potential that leaves z0 both ways at one speed arrives at z after |z - z0| / v: a V of delays, with the single
differences opposite in phase on either side of z0 and smallest over it. With the waveform m(t) of each column left
free, the z0 and v at which m(t - |z - z0| / v) explains most of all columns are the maximum-likelihood ones under white
noise; phase reversal, smallest amplitude and V count together, each with the weight it deserves.

What all channels of a column share (the reference, far sources, the ends of the fibres) is taken out first. That
leaves exactly what the single differences hold, but keeps the noise of the channels independent: taking differences
instead and treating their noise as independent made the error at 10 dB three times larger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from . import propagation
from .propagation import Waves

ZONE_STEP = 1 / 3  # of the spacing, in the search
SPEEDS = 26
FASTEST_M_S = 40.0  # deep units near the zone hardly seem to travel, yet reverse where they begin
LEAST_SIGNIFICANCE = 6.0  # standard deviations of chance
LEAST_GAIN = 18.0  # of 2 log-likelihood, over the best wave that runs one way
ZOOMS = 4
MODEL_MM = 0.9  # what is left at 30 dB on simulated shallow units: two equal waves are not all there is
BAND_LIMITED = 2.0  # neighbouring samples of EMG noise are alike: likelihoods count for less
WIDEST_SD_SHARE = 1.0  # of the spacing; a zone less certain is none


@dataclass(frozen=True)
class InnervationZone:
    """What was found.

    Attributes
    ----------
    iz_mm : float or None
        From the grid's centre towards higher rows.
    sd_mm : float or None
        Of noise, of the scatter between columns, of rival places, and MODEL_MM for what two equal waves leave out.
    reason : str or None
        Why there is no number.
    side : int
        -1: the wave runs towards higher rows everywhere, the zone lies below the grid; 1: above it; 0 otherwise.
    coherence : float
        Mean correlation between the channels once aligned, weighted by power; 1 for a pure travelling wave.
    slowness_ms_mm : float or None
        1 / v of the same fit, biased low where waves stand: `conduction_velocity` is the estimate to use.
    channels : int
        Channels used.
    """

    iz_mm: float | None
    sd_mm: float | None
    reason: str | None
    side: int = 0
    coherence: float = 0.0
    slowness_ms_mm: float | None = None
    channels: int = 0


def find_innervation_zone(
    waveform: NDArray[np.floating],
    fs_hz: float,
    geometry: Geometry,
    good: NDArray[np.bool_] | None = None,
    montage: str = "monopolar",
) -> InnervationZone:
    """Find the innervation zone of one unit.

    Parameters
    ----------
    waveform : ndarray, shape (channels, time), uV
        The unit's average waveform.
    fs_hz : float
    geometry : Geometry
    good : ndarray of bool, shape (channels,), optional
        Channels to use; those with values that are not numbers never are.
    montage : str

    Returns
    -------
    InnervationZone
    """
    waves = propagation.at_electrodes(waveform, fs_hz, geometry, good, montage)
    if reason := waves.too_few_rows("innervation zone"):
        return _none(reason)
    waves = _without_common(waves)
    if waves.power == 0.0:
        return _none("the waveform is zero")
    fit = _fit(waves)
    cleaned = _without_common(waves.only(propagation.without_noisy(waves, fit.residual)))
    if cleaned.present.sum() < waves.present.sum() and cleaned.rows >= propagation.FEWEST_ROWS:
        waves, fit = cleaned, _fit(cleaned)
    channels = int(waves.present.sum())
    if fit.significance < LEAST_SIGNIFICANCE:
        return _none("no wave that travels along the fibres stands out of the noise", fit.coherence, channels)
    if 1.0 / fit.slowness > 0.97 * FASTEST_M_S:
        return _none("the potential stands rather than travels", fit.coherence, channels)
    lowest, highest = _covered(waves)
    if fit.gain < LEAST_GAIN or not lowest <= fit.zone <= highest:
        # the wave runs one way: say which
        reason = {
            -1: "the wave runs towards higher rows only: the innervation zone lies below the grid",
            1: "the wave runs towards lower rows only: the innervation zone lies above the grid",
        }[fit.one_way]
        return InnervationZone(None, None, reason, fit.one_way, fit.coherence, fit.one_way_slowness, channels)
    sd = max(_standard_deviation(waves, fit), fit.rivals)
    if sd > WIDEST_SD_SHARE * waves.ied_mm:
        return _none("where the wave reverses is lost in noise", fit.coherence, channels)
    sd = float(np.hypot(sd, MODEL_MM))
    return InnervationZone(fit.zone, sd, None, 0, fit.coherence, fit.slowness, channels)


@dataclass(frozen=True)
class _Fit:
    zone: float
    slowness: float
    explained: float
    coherence: float
    significance: float
    gain: float
    one_way: int
    one_way_slowness: float
    variance: float
    rivals: float
    residual: NDArray[np.float64]


def _fit(waves: Waves) -> _Fit:
    """Best zone and slowness by search and zoom, and how far to trust them."""
    step = ZONE_STEP * waves.ied_mm
    lowest, highest = _covered(waves)
    zones = np.arange(lowest, highest + 0.5 * step, step)
    slownesses = propagation.velocities(SPEEDS, FASTEST_M_S)
    explained = explained_power(waves, zones, slownesses)
    zone, slowness, best = _zoom(waves, zones, slownesses, explained)

    far = np.array([waves.along_mm[0] - 2 * waves.ied_mm, waves.along_mm[-1] + 2 * waves.ied_mm])
    outside = explained_power(waves, far, slownesses)
    side, at = np.unravel_index(int(outside.argmax()), outside.shape)

    total = waves.power
    channels = waves.present.sum(axis=1)
    free = channels - (waves.order == 0)
    counted = free[free > 1]
    independent = len(waves.angular) / waves.padding  # complex values of a channel
    degrees = 2.0 * len(waves.angular) * max(int((counted - 1).sum()), 1)
    variance = max(total - best, 1e-12 * total) / degrees * waves.padding
    mean = float((counted**2).sum() / counted.sum())  # channels of a column
    coherence = (best / total * mean - 1.0) / (mean - 1.0)
    pairs = float((counted * (counted - 1) / 2).sum())
    chance = 1.0 / np.sqrt(2.0 * pairs * independent)
    residual = _residual(waves, zone, slowness)
    likelihood = np.exp((explained.max(axis=1) - best) / (2.0 * BAND_LIMITED * variance))  # (zones,)
    likelihood /= max(likelihood.sum(), 1.0)
    rivals = float(np.sqrt((likelihood * (zones - zone) ** 2).sum()))
    return _Fit(
        zone,
        slowness,
        best,
        float(coherence),
        float(coherence / chance),
        float((best - outside.max()) / variance),
        (-1, 1)[side],
        float(slownesses[at]),
        variance,
        rivals,
        residual,
    )


def _without_common(waves: Waves) -> Waves:
    """Monopolar channels less the mean of their column; differences have no common part."""
    if waves.order > 0:
        return waves
    count = np.maximum(waves.present.sum(axis=1), 1)
    common = waves.spectrum.sum(axis=1) / count[:, None]  # (columns, frequencies)
    return replace(waves, spectrum=(waves.spectrum - common[:, None, :]) * waves.present[:, :, None])


def _covered(waves: Waves) -> tuple[float, float]:
    """From the first to the last channel: a zone outside has no channel beyond it."""
    rows = np.flatnonzero(waves.present.any(axis=0))
    return float(waves.along_mm[rows[0]]), float(waves.along_mm[rows[-1]])


def steering(waves: Waves, zones: NDArray[np.float64], slownesses: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Transfer from a column's waveform to its channels, (zones, slownesses, frequencies, rows)."""
    if waves.order == 0:
        late = np.abs(waves.along_mm - zones[:, None])[:, None, None, :] * slownesses[:, None, None]
        monopolar: NDArray[np.complex128] = np.exp(-1j * waves.angular[:, None] * late)
        return monopolar
    half = waves.ied_mm / 2
    away = [np.abs(waves.along_mm + shift - zones[:, None]) for shift in (half, -half)]  # (zones, rows) each
    delay = [slownesses[None, :, None] * distance[:, None, :] for distance in away]  # (zones, slownesses, rows) ms
    phase = waves.angular[:, None]  # (frequencies, 1)
    upper, lower = (np.exp(-1j * phase * d[:, :, None, :]) for d in delay)
    return upper - lower


def explained_power(
    waves: Waves, zones: NDArray[np.float64], slownesses: NDArray[np.float64], by_column: bool = False
) -> NDArray[np.float64]:
    """Power that two equal waves from each zone explain, the waveform of each column free.

    Returns
    -------
    ndarray of float64, shape (zones, slownesses), or (zones, slownesses, columns)
    """
    transfer = steering(waves, zones, slownesses)  # (z, p, f, rows)
    norm = _norm(waves, transfer)  # (z, p, f, columns)
    spectrum = waves.spectrum.transpose(2, 1, 0)  # (f, rows, columns)
    answer = np.matmul(transfer.transpose(2, 0, 1, 3).conj().reshape(len(spectrum), -1, spectrum.shape[1]), spectrum)
    answer = answer.reshape(len(spectrum), len(zones), len(slownesses), -1).transpose(1, 2, 0, 3)
    least = 1e-3 * waves.present.sum(axis=0).max(initial=1)
    power = (np.abs(answer) ** 2 / np.maximum(norm, least)).sum(axis=2)  # (z, p, columns)
    result: NDArray[np.float64] = power if by_column else power.sum(axis=2)
    return result


def _norm(waves: Waves, transfer: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Power of the transfer over a column's channels, less its common part where that was taken out."""
    present = waves.present.T.astype(float)  # (rows, columns)
    norm: NDArray[np.float64]
    if waves.order > 0:
        norm = (np.abs(transfer) ** 2) @ present
    else:
        count = present.sum(axis=0)
        norm = count - np.abs(transfer @ present) ** 2 / np.maximum(count, 1.0)
    return norm


def _zoom(
    waves: Waves, zones: NDArray[np.float64], slownesses: NDArray[np.float64], explained: NDArray[np.float64]
) -> tuple[float, float, float]:
    zone_step = float(zones[1] - zones[0]) if len(zones) > 1 else waves.ied_mm / 3
    speed_step = float(np.log(slownesses[0] / slownesses[1]))
    for _ in range(ZOOMS + 1):
        i, j = np.unravel_index(int(explained.argmax()), explained.shape)
        zone, slowness, best = float(zones[i]), float(slownesses[j]), float(explained[i, j])
        zones = zone + zone_step * np.linspace(-1, 1, 7)
        slownesses = slowness * np.exp(speed_step * np.linspace(-1, 1, 7))
        slownesses = np.maximum(slownesses, 1.0 / FASTEST_M_S)
        explained = explained_power(waves, zones, slownesses)
        zone_step, speed_step = zone_step / 3, speed_step / 3
    return zone, slowness, best


def _residual(waves: Waves, zone: float, slowness: float) -> NDArray[np.float64]:
    """Power of each channel that the wave of its column does not explain, shape (columns, rows)."""
    transfer = steering(waves, np.array([zone]), np.array([slowness]))[0, 0]  # (f, rows)
    norm = np.maximum(_norm(waves, transfer), 1e-3 * waves.present.sum(axis=0).max(initial=1))  # (f, columns)
    shape = np.einsum("fr,crf->fc", transfer.conj(), waves.spectrum) / norm
    explained = np.einsum("fc,fr->crf", shape, transfer) * waves.present[:, :, None]
    left = waves.spectrum - _without_common(replace(waves, spectrum=explained)).spectrum
    residual: NDArray[np.float64] = (np.abs(left) ** 2).sum(axis=2)
    return residual


def _standard_deviation(waves: Waves, fit: _Fit) -> float:
    """The larger of the Cramer-Rao form, its noise taken from the residual, and the scatter between columns."""
    dz, dp = 0.05 * waves.ied_mm, 0.02 * fit.slowness
    zones = fit.zone + dz * np.array([-1.0, 0.0, 1.0])
    slownesses = fit.slowness + dp * np.array([-1.0, 0.0, 1.0])
    power = explained_power(waves, zones, slownesses, by_column=True)  # (3, 3, columns)
    total = power.sum(axis=2)
    zz = -(total[2, 1] - 2 * total[1, 1] + total[0, 1]) / dz**2
    pp = -(total[1, 2] - 2 * total[1, 1] + total[1, 0]) / dp**2
    zp = -(total[2, 2] - total[2, 0] - total[0, 2] + total[0, 0]) / (4 * dz * dp)
    information = zz - zp**2 / pp if pp > 0 else zz
    if information <= 0:
        return waves.ied_mm
    noise = np.sqrt(2.0 * fit.variance / information)
    pull = (power[2, 1] - power[0, 1]) / (2 * dz)  # of each column; they sum to 0 at the best zone
    columns = int((waves.present.sum(axis=1) > 1).sum())
    scatter = np.sqrt((pull**2).sum() * columns / max(columns - 1, 1)) / information if columns > 1 else 0.0
    return float(max(noise, scatter))


def _none(reason: str, coherence: float = 0.0, channels: int = 0) -> InnervationZone:
    return InnervationZone(None, None, reason, 0, coherence, None, channels)
