"""From a recording to everything a decoder holds: filter, separate, freeze, set thresholds and levels.

What is measured here (thresholds, quality, levels) is measured with the live kernels on what the live path will see,
so that a decoder behaves on a stream as it did at its calibration.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..stream.decoder_file import (
    SCHEMA,
    Channels,
    CommandLevels,
    DecoderInfo,
    DetectorSettings,
    FilterSettings,
    Unit,
    WhiteningSettings,
)
from ..stream.detect import Detector
from ..stream.drive import DriveMaker, DriveSettings
from ..stream.errors import CalibrationError
from ..stream.filter import CausalFilter
from ..stream.geometry import Geometry
from ..stream.pipeline import SETTLE_S
from ..stream.watch import GOOD, REASONS, ChannelWatch, replace_what_is_no_number
from .bandpass import design_filter
from .extension import extend, project
from .peaks import capped, two_means
from .quality import interval_variation, mean_rate, pulse_to_noise_db, silhouette
from .separation import SearchSettings, Separation, separate

LOOKAHEAD_S = 0.001  # on real and hybrid recordings 1 to 10 ms find the same discharges
REFRACTORY_S = 0.02
ONSET_SHARE = 0.05  # of a waveform's energy lies before its onset
WAVEFORM_S = 0.03  # of unfiltered EMG before a discharge that the onset is looked for in
BAD_SHARE = 0.5  # of the stretches flagged: a channel not to calibrate with
PARITY_WINDOWS = 512


@dataclass(frozen=True)
class CalibrationInput:
    """What to calibrate on.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        Only the selected channels.
    fs_hz : float
    geometry : Geometry
        Of the selected channels.
    index : list of int
        Their places in the stream or recording.
    stream_channels : int
        How many channels that has in all.
    labels : list of str or None
        The source's own labels of the selected channels.
    montage : str
    source_sha256 : str
    """

    emg: NDArray[np.float32]
    fs_hz: float
    geometry: Geometry
    index: list[int]
    stream_channels: int
    labels: list[str] | None = None
    montage: str = "monopolar"
    source_sha256: str = ""


@dataclass(frozen=True)
class CalibrationSettings:
    """How to calibrate; `bad` are places in the stream to leave out."""

    search: SearchSettings = field(default_factory=SearchSettings)
    bad: tuple[int, ...] = ()
    mains_hz: float | None = None
    low_hz: float = 20.0
    high_hz: float = 500.0


@dataclass(frozen=True)
class Calibration:
    """All that goes into a decoder file.

    Attributes
    ----------
    info : DecoderInfo
    matrices : dict of str to ndarray of float32
        filters, separation_vectors, whitening, inverse_covariance, unit_means.
    windows : ndarray of float32, shape (PARITY_WINDOWS, extension * channels), uV
        Real extended samples, to hold the exported graph to.
    discharges : list of ndarray of int64
        Of every unit, over the whole recording, as the live path reports them.
    left_out : dict of int to str
        Channels that were found bad, and why.
    """

    info: DecoderInfo
    matrices: dict[str, NDArray[np.float32]]
    windows: NDArray[np.float32]
    discharges: list[NDArray[np.int64]]
    left_out: dict[int, str]


def calibrate(
    source: CalibrationInput,
    settings: CalibrationSettings | None = None,
    progress: Callable[[float, int], None] | None = None,
    created_by: dict[str, object] | None = None,
) -> Calibration:
    """Find the units of a recording and measure all that decoding them live needs.

    Parameters
    ----------
    source : CalibrationInput
    settings : CalibrationSettings, optional
    progress : callable, optional
        Told the share done and the number of units found so far.
    created_by : dict, optional
        Recorded in the decoder beside method, settings and seed.

    Raises
    ------
    CalibrationError
        No unit, or too little EMG, is found.
    """
    settings = settings or CalibrationSettings()
    fs_hz = source.fs_hz
    filter_settings = design_filter(fs_hz, low_hz=settings.low_hz, high_hz=settings.high_hz, mains_hz=settings.mains_hz)
    filtered = _filtered(source.emg, filter_settings)
    left_out = _bad_channels(source, filtered, settings.bad)
    kept = np.array([c for c, place in enumerate(source.index) if place not in left_out])
    if len(kept) < 4:
        raise CalibrationError(
            f"{len(kept)} of {len(source.index)} channels are usable, of 4 needed: check the electrodes"
        )
    raw = np.ascontiguousarray(source.emg[:, kept])
    filtered = np.ascontiguousarray(filtered[:, kept])

    found = separate(filtered, settings.search, fs_hz=fs_hz, progress=progress)
    detector = DetectorSettings(lookahead=math.ceil(LOOKAHEAD_S * fs_hz), refractory=math.ceil(REFRACTORY_S * fs_hz))
    sources = project(filtered, found.filters, found.extension)  # (samples, units)
    units, discharges = _measure_units(found, sources, raw, fs_hz, detector)
    geometry = source.geometry.select(kept)
    info = DecoderInfo(
        schema=SCHEMA,
        fs_hz=fs_hz,
        channels=Channels(
            index=[source.index[c] for c in kept],
            stream_channels=source.stream_channels,
            row=geometry.row.tolist(),
            col=geometry.col.tolist(),
            ied_mm=geometry.ied_mm,
            grid_rows=geometry.grid_rows,
            grid_cols=geometry.grid_cols,
            labels=None if source.labels is None else [source.labels[c] for c in kept],
            bad=sorted(left_out),
        ),
        montage=source.montage,
        filter=filter_settings,
        extension=found.extension,
        whitening=WhiteningSettings(found.whitening.method, found.whitening.rank, found.whitening.regularisation),
        detector=detector,
        units=units,
        command=_levels(filtered, discharges, fs_hz, detector),
        created_by={
            "method": "cbss", "settings": msgspec.to_builtins(settings.search), "seed": settings.search.seed,
            **(created_by or {}),
        },
        source_sha256=source.source_sha256,
    )  # fmt: skip
    matrix = found.whitening.matrix
    matrices = {
        "filters": found.filters,
        "separation_vectors": _separation_vectors(matrix, found.filters),
        "whitening": matrix,
        "inverse_covariance": matrix @ matrix.T,
        "unit_means": found.unit_means,
    }
    stretch = _liveliest(filtered, PARITY_WINDOWS + found.extension)
    return Calibration(
        info=info,
        matrices={name: np.ascontiguousarray(value, np.float32) for name, value in matrices.items()},
        windows=extend(filtered[stretch], found.extension)[found.extension :],
        discharges=discharges,
        left_out=left_out,
    )


def _filtered(emg: NDArray[np.float32], settings: FilterSettings) -> NDArray[np.float32]:
    """The EMG as the live path filters it."""
    filtered = np.array(emg, np.float32, order="C")
    replace_what_is_no_number(filtered, np.zeros(filtered.shape[1], np.float32))
    CausalFilter(settings.sections, filtered.shape[1])(filtered)
    return filtered


def _bad_channels(source: CalibrationInput, filtered: NDArray[np.float32], named: tuple[int, ...]) -> dict[int, str]:
    """Channels named as bad, and those that the live watch flags over half the recording."""
    watch = ChannelWatch(source.fs_hz, source.geometry.neighbours())
    emg = np.ascontiguousarray(source.emg, np.float32)
    stretch = watch.stretch
    stretches = len(emg) // stretch
    flagged = np.full((max(1, stretches), emg.shape[1]), GOOD, np.int64)
    for s in range(stretches):
        part = slice(s * stretch, (s + 1) * stretch)
        watch.forgive()
        watch(emg[part], filtered[part])
        flagged[s] = watch.state
    left_out = {channel: "named as bad" for channel in named if channel in source.index}
    often = (flagged != GOOD).mean(axis=0) > BAD_SHARE
    for c in np.flatnonzero(often):
        kinds, counts = np.unique(flagged[flagged[:, c] != GOOD, c], return_counts=True)
        left_out.setdefault(source.index[c], REASONS[int(kinds[counts.argmax()])])
    return left_out


def _separation_vectors(whitening: NDArray[np.float32], filters: NDArray[np.float32]) -> NDArray[np.float64]:
    """What does behind the whitening stage what `filters` do without it: ``filters = whitening @ vectors``."""
    matrix = whitening.astype(np.float64)
    return np.linalg.solve(matrix.T @ matrix, matrix.T @ filters)  # (rank, units)


def _measure_units(
    found: Separation,
    sources: NDArray[np.float32],
    raw: NDArray[np.float32],
    fs_hz: float,
    detector: DetectorSettings,
) -> tuple[list[Unit], list[NDArray[np.int64]]]:
    """Thresholds from the peaks that the live detector sees, and the quality of what it then reports."""
    deaf_until = max(found.extension, math.ceil(SETTLE_S * fs_hz))  # as the live path, until its filter has settled
    any_peak = np.full(sources.shape[1], 1e-3, np.float32)
    peaks = _detect(sources, any_peak, detector.lookahead, detector.lookahead + 1, deaf_until)
    power_of_all = float(raw.var(axis=0, dtype=np.float64).sum())
    units, discharges = [], []
    for m, places in enumerate(peaks):
        source = sources[:, m]
        power = source[places].astype(np.float64) ** 2
        split = two_means(capped(power))
        threshold = math.sqrt(split.boundary)
        above = np.array([threshold], np.float32)
        spikes = _detect(source[:, None], above, detector.lookahead, detector.refractory, deaf_until)[0]
        if len(spikes) < 2:
            raise CalibrationError(f"unit {m} has {len(spikes)} discharges with its frozen filter: record for longer")
        rest = np.setdiff1d(places[power < split.boundary], spikes)
        units.append(
            Unit(
                id=m,
                sil=silhouette(source[spikes].astype(np.float64) ** 2, source[rest].astype(np.float64) ** 2),
                pnr_db=pulse_to_noise_db(source, spikes),
                cov_isi=interval_variation(spikes, fs_hz),
                threshold=threshold,
                spike_height=float(source[spikes].mean()),
                noise_height=math.sqrt(split.low),
                lag_s=_lag_s(raw, power_of_all, spikes, fs_hz),
                discharges=len(spikes),
                rate_hz=mean_rate(spikes, fs_hz),
            )
        )
        discharges.append(spikes)
    return units, discharges


def _detect(
    sources: NDArray[np.float32], threshold: NDArray[np.float32], lookahead: int, refractory: int, deaf_until: int
) -> list[NDArray[np.int64]]:
    """Discharges of every unit by the live detector."""
    detector = Detector(threshold, lookahead, refractory, len(sources))
    detector.reset(deaf_until)
    count = detector(np.ascontiguousarray(sources), 0)
    unit, sample = detector.unit[:count], detector.sample[:count]
    return [sample[unit == m].copy() for m in range(len(threshold))]


def _lag_s(raw: NDArray[np.float32], power: float, spikes: NDArray[np.int64], fs_hz: float) -> float:
    """From the onset of a unit's unfiltered waveform to the peak of its source, s.

    The onset is where the spike-triggered average, summed in square over the channels, has passed 5 % of its energy.
    `power` is the variance of `raw`, summed over the channels, uV^2.
    """
    before, after = math.ceil(WAVEFORM_S * fs_hz), math.ceil(0.01 * fs_hz)
    inside = spikes[(spikes >= before) & (spikes < len(raw) - after)]
    if len(inside) == 0:
        return 0.0
    waveform = np.zeros((before + after, raw.shape[1]))
    for spike in inside:
        waveform += raw[spike - before : spike + after]
    waveform /= len(inside)
    waveform -= np.median(waveform, axis=0)
    left_by_others = power / len(inside)  # what averaging leaves of the other EMG
    energy = np.cumsum(np.maximum(0.0, (waveform**2).sum(axis=1) - left_by_others))
    onset = int(np.searchsorted(energy, ONSET_SHARE * energy[-1]))
    return (before - onset) / fs_hz


def _levels(
    filtered: NDArray[np.float32], discharges: list[NDArray[np.int64]], fs_hz: float, detector: DetectorSettings
) -> CommandLevels:
    """Rest and full level of the command: nothing, and the 95th percentile of this recording."""
    samples, channels = filtered.shape
    unknown = CommandLevels(rest=0.0, full=1.0, envelope_rest=0.0, envelope_full=1.0)
    maker = DriveMaker(len(discharges), channels, fs_hz, detector.lookahead, unknown, DriveSettings(), samples)
    sample = np.concatenate(discharges)
    unit = np.repeat(np.arange(len(discharges)), [len(spikes) for spikes in discharges])
    order = np.argsort(sample, kind="stable")
    rows = maker(filtered, 0, unit[order], sample[order], len(sample))
    settled = maker.due[maker.settle * rows // samples : rows]
    summed, envelope = settled[:, 1], settled[:, 2]
    envelope_rest = float(np.percentile(envelope, 5))
    return CommandLevels(
        rest=0.0,
        full=max(1.0, float(np.percentile(summed, 95))),
        envelope_rest=envelope_rest,
        envelope_full=max(envelope_rest + 1.0, float(np.percentile(envelope, 95))),
    )


def _liveliest(filtered: NDArray[np.float32], samples: int) -> slice:
    """The stretch of `samples` with the most EMG in it."""
    power = np.concatenate([[0.0], np.cumsum((filtered.astype(np.float64) ** 2).sum(axis=1))])
    samples = min(samples, len(filtered))
    start = int(np.argmax(power[samples:] - power[:-samples]))
    return slice(start, start + samples)
