"""Parameters of every unit of a recording: place of the innervation zone, conduction velocity, and its firing.

Classical estimators: multichannel maximum likelihood for the velocity, and the place where propagation reverses. They
work on each unit's average waveform with the other units taken out, and give no number where there is none to be had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..models.classical.conduction_velocity import estimate_conduction_velocity
from ..models.classical.innervation_zone import find_innervation_zone
from ..models.quality import interval_variation, mean_rate
from ..models.waveforms import UnitAverage, average_file
from ..stream.decoder_file import Decoder
from ..stream.filter import CausalFilter
from .recording import Recording

FEWEST_SPIKES = 20  # averaged; below, the noise left in the waveform is of the size of small units
ISOLATED_S = 0.5  # a discharge further from the next is not yet, or no more, the unit's steady firing


@dataclass(frozen=True)
class Parameters:
    """What was found of one unit in one stretch of time; None where there is no number, with `reason`."""

    iz_mm: float | None
    iz_mm_sd: float | None
    cv_m_s: float | None
    cv_m_s_sd: float | None
    reason: str | None
    spikes_used: int
    snr_db: float | None
    peak_to_peak_uv: float


@dataclass(frozen=True)
class UnitEstimate:
    """One line of the pool.

    Attributes
    ----------
    unit : int
    whole : Parameters
        Over the whole recording.
    windows : list of (start_s, end_s, Parameters)
    recruited_at, derecruited_at : float or None
        Force at the first and at the last discharge of steady firing, in the recording's unit of force.
    rate_hz, cov_isi : float or None
    discharges : int
    average : UnitAverage
    """

    unit: int
    whole: Parameters
    windows: list[tuple[float, float, Parameters]]
    recruited_at: float | None
    derecruited_at: float | None
    rate_hz: float | None
    cov_isi: float | None
    discharges: int
    average: UnitAverage = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """As `estimate --json` lists it."""
        windows = [{"start_s": start, "end_s": end, **asdict(found)} for start, end, found in self.windows]
        return {
            "unit": self.unit, **asdict(self.whole), "recruited_at": self.recruited_at,
            "derecruited_at": self.derecruited_at, "rate_hz": self.rate_hz, "cov_isi": self.cov_isi,
            "discharges": self.discharges, **({"windows": windows} if windows else {}),
        }  # fmt: skip


def estimate(
    recording: Recording,
    decoder: Decoder,
    emg: NDArray[np.float32],
    discharges: Mapping[int, NDArray[np.int64]],
    window_s: float | None = None,
    progress: Callable[[float, str], None] = lambda share, note: None,
) -> list[UnitEstimate]:
    """Estimate the parameters of every unit of `decoder` in a recording.

    Parameters
    ----------
    recording : Recording
    decoder : Decoder
    emg : ndarray of float32, shape (samples, channels), uV
        The decoder's channels of the recording, unfiltered.
    discharges : mapping of int to ndarray of int64
        By unit, as `decode` finds them.
    window_s : float, optional
        Also over stretches of this length.
    """
    filtered = np.array(emg, np.float32, order="C")
    CausalFilter(decoder.info.filter.sections, filtered.shape[1])(filtered)
    fs_hz = recording.fs_hz
    stretches = [(0, len(filtered))]
    if window_s is not None:
        length = max(1, round(window_s * fs_hz))
        stretches += [(first, min(first + length, len(filtered))) for first in range(0, len(filtered), length)]
    trains = [discharges[unit] for unit in sorted(discharges)]
    averages = average_file(filtered, trains, fs_hz, stretches=stretches, joint=True)
    found = []
    for unit, (train, by_stretch) in enumerate(zip(trains, averages, strict=True)):
        parameters = [parameters_of(average, decoder, fs_hz) for average in by_stretch]
        steady = _steady(train, fs_hz)
        force = recording.force
        found.append(
            UnitEstimate(
                unit=unit,
                whole=parameters[0],
                windows=[
                    (first / fs_hz, last / fs_hz, one)
                    for (first, last), one in zip(stretches[1:], parameters[1:], strict=True)
                ],
                recruited_at=float(force[steady[0]]) if force is not None and len(steady) else None,
                derecruited_at=float(force[steady[-1]]) if force is not None and len(steady) else None,
                rate_hz=_finite(mean_rate(train, fs_hz)),
                cov_isi=_finite(interval_variation(train, fs_hz)),
                discharges=len(train),
                average=by_stretch[0],
            )
        )
        progress((unit + 1) / len(trains), f"unit {unit}")
    return found


def parameters_of(average: UnitAverage, decoder: Decoder, fs_hz: float) -> Parameters:
    """Innervation zone and conduction velocity of one averaged waveform."""
    waveform = average.waveform
    largest = float(np.ptp(waveform, axis=1).max()) if waveform.size else 0.0
    snr_db = _finite(average.snr_db)
    if average.discharges < FEWEST_SPIKES:
        reason = f"{average.discharges} discharges, {FEWEST_SPIKES} are needed"
        return Parameters(None, None, None, None, reason, average.discharges, snr_db, largest)
    geometry = decoder.info.channels.geometry()
    montage = decoder.info.montage
    zone = find_innervation_zone(waveform, fs_hz, geometry, montage=montage)
    speed = estimate_conduction_velocity(waveform, fs_hz, geometry, montage=montage, zone=zone)
    reasons = [f"{name}: {reason}" for name, reason in (("IZ", zone.reason), ("CV", speed.reason)) if reason]
    return Parameters(
        zone.iz_mm, zone.sd_mm, speed.cv_m_s, speed.sd_m_s, "; ".join(reasons) or None, average.discharges, snr_db,
        largest,
    )  # fmt: skip


def _steady(train: NDArray[np.int64], fs_hz: float) -> NDArray[np.int64]:
    """The discharges that have another within `ISOLATED_S`."""
    if len(train) < 2:
        return train[:0]
    near = np.diff(train) <= ISOLATED_S * fs_hz
    return train[np.r_[near, False] | np.r_[False, near]]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
