"""Parameters of every unit of a recording: where it lies, how fast it conducts, and its firing.

They come from each unit's average waveform with the other units taken out: by inverting the physics where PyTorch is
installed, and always by the classical estimators too (maximum likelihood for the velocity, the place where propagation
reverses for the innervation zone). Where there is no number to be had there is none, and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

NAMED = ("innervation_zone_mm", "conduction_velocity_m_s")
CLASSICAL = ("iz_mm", "iz_mm_sd", "cv_m_s", "cv_m_s_sd")
METHODS = ("physics", "classical")
FEWEST_SPIKES = 20  # averaged; below, the noise left in the waveform is of the size of small units
ISOLATED_S = 0.5  # a discharge further from the next is not yet, or no more, the unit's steady firing


@dataclass(frozen=True)
class Parameters:
    """What was found of one unit in one stretch of time; None where there is no number, with `reason`.

    Attributes
    ----------
    iz_mm, iz_mm_sd, cv_m_s, cv_m_s_sd : float or None
        By the method asked for.
    reason : str or None
    classical : dict of str to float or None
        The same four by the classical estimators.
    more : dict of str to float or None
        Every further parameter of the physics, each with ``<name>_sd``; empty for the classical method.
    misfit_db : float or None
        Power that the physics leaves unexplained beyond noise, relative to the waveform's.
    spikes_used : int
    snr_db : float or None
    peak_to_peak_uv : float
    """

    iz_mm: float | None
    iz_mm_sd: float | None
    cv_m_s: float | None
    cv_m_s_sd: float | None
    reason: str | None
    classical: dict[str, float | None]
    more: dict[str, float | None]
    misfit_db: float | None
    spikes_used: int
    snr_db: float | None
    peak_to_peak_uv: float

    def as_json(self) -> dict[str, object]:
        """As `estimate --json` lists it: one flat map."""
        fields = asdict(self)
        classical = {f"classical_{name}": value for name, value in fields.pop("classical").items()}
        return {**fields, **fields.pop("more"), **classical}


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
        windows = [{"start_s": start, "end_s": end, **found.as_json()} for start, end, found in self.windows]
        return {
            "unit": self.unit,
            **self.whole.as_json(),
            "recruited_at": self.recruited_at,
            "derecruited_at": self.derecruited_at, "rate_hz": self.rate_hz, "cov_isi": self.cov_isi,
            "discharges": self.discharges, **({"windows": windows} if windows else {}),
        }  # fmt: skip


def estimate(
    recording: Recording,
    decoder: Decoder,
    emg: NDArray[np.float32],
    discharges: Mapping[int, NDArray[np.int64]],
    window_s: float | None = None,
    method: str = "classical",
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
    method : {"physics", "classical"}
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
    flat = [average for by_stretch in averages for average in by_stretch]
    every = _parameters(flat, decoder, fs_hz, method, lambda share: progress(share, ""))
    found = []
    for unit, (train, by_stretch) in enumerate(zip(trains, averages, strict=True)):
        parameters = every[unit * len(stretches) : (unit + 1) * len(stretches)]
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
    return found


def classical_of(average: UnitAverage, decoder: Decoder, fs_hz: float) -> tuple[dict[str, float | None], str | None]:
    """Innervation zone and conduction velocity by the classical estimators, and why one is missing."""
    geometry = decoder.info.channels.geometry()
    montage = decoder.info.montage
    zone = find_innervation_zone(average.waveform, fs_hz, geometry, montage=montage)
    speed = estimate_conduction_velocity(average.waveform, fs_hz, geometry, montage=montage, zone=zone)
    reasons = [f"{name}: {reason}" for name, reason in (("IZ", zone.reason), ("CV", speed.reason)) if reason]
    found = {"iz_mm": zone.iz_mm, "iz_mm_sd": zone.sd_mm, "cv_m_s": speed.cv_m_s, "cv_m_s_sd": speed.sd_m_s}
    return found, "; ".join(reasons) or None


def _parameters(
    averages: Sequence[UnitAverage], decoder: Decoder, fs_hz: float, method: str, progress: Callable[[float], None]
) -> list[Parameters]:
    """Of every average that has spikes enough; those without say so."""
    enough = [i for i, average in enumerate(averages) if average.discharges >= FEWEST_SPIKES]
    inverted = dict.fromkeys(enough)
    if method == "physics" and enough:
        from ..models.inversion.fit import use_available_cores
        from ..models.inversion.inverter import Inverter

        use_available_cores()
        info = decoder.info
        samples = averages[0].waveform.shape[1]
        inverter = Inverter(info.channels.geometry(), info.filter.sections, fs_hz, samples, info.montage)
        waveforms = np.stack([averages[i].waveform for i in enough])
        noise = np.stack([averages[i].noise for i in enough])
        inverted = dict(zip(enough, inverter.invert(waveforms, noise, progress), strict=True))
    found = []
    for i, average in enumerate(averages):
        largest = float(np.ptp(average.waveform, axis=1).max()) if average.waveform.size else 0.0
        common = average.discharges, _finite(average.snr_db), largest
        nothing: dict[str, float | None] = dict.fromkeys(CLASSICAL)
        if i not in inverted:
            reason = f"{average.discharges} discharges, {FEWEST_SPIKES} are needed"
            found.append(Parameters(None, None, None, None, reason, nothing, {}, None, *common))
            continue
        classical, reason = classical_of(average, decoder, fs_hz)
        one = inverted[i]
        if one is None:
            found.append(Parameters(*classical.values(), reason, classical, {}, None, *common))  # type: ignore[misc]
            continue
        more = {name: value for name, value in one.values.items() if name not in NAMED}
        more |= {f"{name}_sd": sd for name, sd in one.sds.items() if name not in NAMED}
        four = [table[name] for name in NAMED for table in (one.values, one.sds)]
        found.append(Parameters(*four, one.reason, classical, more, _finite(one.misfit_db), *common))
    return found


def _steady(train: NDArray[np.int64], fs_hz: float) -> NDArray[np.int64]:
    """The discharges that have another within `ISOLATED_S`."""
    if len(train) < 2:
        return train[:0]
    near = np.diff(train) <= ISOLATED_S * fs_hz
    return train[np.r_[near, False] | np.r_[False, near]]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
