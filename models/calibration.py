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

from ..stream.decoder_file import SCHEMA, DecoderInfo, DetectorSettings, Unit, WhiteningSettings
from ..stream.detect import Detector
from ..stream.errors import CalibrationError
from ..stream.pipeline import SETTLE_S
from .bandpass import design_filter
from .extension import extend, project
from .measured import lag_s, levels, liveliest, matrices_of
from .peaks import capped, two_means
from .quality import interval_variation, mean_rate, pulse_to_noise_db, silhouette
from .recorded import CalibrationInput, prepare
from .separation import SearchSettings, Separation, separate

LOOKAHEAD_S = 0.001  # on real and hybrid recordings 1 to 10 ms find the same discharges
REFRACTORY_S = 0.02
PARITY_WINDOWS = 512


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
    responses : ndarray of float32, shape (units, units, length), or None
        Of the sources to each unit's discharge, where these are taken out at run time.
    waveforms : ndarray of float32, shape (units, length - extension + 1, channels), uV, or None
        That the responses are of.
    notes : tuple of str
        What whoever calibrates should know.
    """

    info: DecoderInfo
    matrices: dict[str, NDArray[np.float32]]
    windows: NDArray[np.float32]
    discharges: list[NDArray[np.int64]]
    left_out: dict[int, str]
    responses: NDArray[np.float32] | None = None
    waveforms: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()


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
    recorded = prepare(source, filter_settings, settings.bad)
    filtered = recorded.filtered

    found = separate(filtered, settings.search, fs_hz=fs_hz, progress=progress)
    detector = DetectorSettings(lookahead=math.ceil(LOOKAHEAD_S * fs_hz), refractory=math.ceil(REFRACTORY_S * fs_hz))
    sources = project(filtered, found.filters, found.extension)  # (samples, units)
    units, discharges = _measure_units(found, sources, recorded.raw, fs_hz, detector)
    info = DecoderInfo(
        schema=SCHEMA,
        fs_hz=fs_hz,
        channels=recorded.channels,
        montage=source.montage,
        filter=filter_settings,
        extension=found.extension,
        whitening=WhiteningSettings(found.whitening.method, found.whitening.rank, found.whitening.regularisation),
        detector=detector,
        units=units,
        command=levels(filtered, discharges, fs_hz, detector),
        created_by={
            "method": "cbss", "settings": msgspec.to_builtins(settings.search), "seed": settings.search.seed,
            **(created_by or {}),
        },
        source_sha256=source.source_sha256,
    )  # fmt: skip
    matrices = matrices_of(found.whitening.matrix, found.filters, found.unit_means)
    stretch = liveliest(filtered, PARITY_WINDOWS + found.extension)
    return Calibration(
        info=info,
        matrices=matrices,
        windows=extend(filtered[stretch], found.extension)[found.extension :],
        discharges=discharges,
        left_out=recorded.left_out,
    )


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
                lag_s=lag_s(raw, power_of_all, spikes, fs_hz),
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
