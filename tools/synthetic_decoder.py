"""Decoders and EMG of any size for measurements: the arithmetic of real ones, the units invented."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..export.decoder import write_decoder
from ..models.bandpass import design_filter
from ..models.extension import extend, live_extension, project
from ..stream.decoder_file import (
    SCHEMA,
    Channels,
    CommandLevels,
    Decoder,
    DecoderInfo,
    DetectorSettings,
    Unit,
    WhiteningSettings,
    read_decoder,
)
from ..stream.filter import CausalFilter

THRESHOLD = 0.9
SPIKES_HZ = 15.0  # samples above the threshold, a second; about 10 discharges, as a peak may last two samples
RANK_SHARE = 0.6  # of the extended channels that real recordings keep when whitened


def synthetic_emg(channels: int, seconds: float, fs_hz: float, seed: int) -> NDArray[np.float32]:
    """Noise with the spread of EMG, float32 (samples, channels), uV."""
    rng = np.random.default_rng(seed)
    return (30.0 * rng.standard_normal((round(seconds * fs_hz), channels))).astype(np.float32)


def synthetic_decoder(
    path: Path, channels: int, units: int, fs_hz: float, seed: int, extension: int | None = None
) -> Decoder:
    """A decoder of random filters whose sources cross their thresholds about as often as units discharge.

    Parameters
    ----------
    path : Path
        Where to write it.
    channels, units : int
    fs_hz : float
    seed : int
    extension : int, optional
        Samples stacked; by default as many as a calibration takes.
    """
    rng = np.random.default_rng(seed)
    extension = extension or live_extension(channels)
    width = extension * channels
    rank = round(RANK_SHARE * width)
    whitening = rng.standard_normal((width, rank)) / (30.0 * np.sqrt(width))
    vectors = rng.standard_normal((rank, units))
    filters = whitening @ vectors
    band_pass = design_filter(fs_hz)
    emg = synthetic_emg(channels, 4.0, fs_hz, seed)
    CausalFilter(band_pass.sections, channels)(emg)
    sources = project(emg, filters.astype(np.float32), extension)
    scale = THRESHOLD / np.quantile(sources[len(sources) // 4 :], 1.0 - SPIKES_HZ / fs_hz, axis=0)
    matrices = {
        "filters": filters * scale,
        "separation_vectors": vectors * scale,
        "whitening": whitening,
        "inverse_covariance": whitening @ whitening.T,
        "unit_means": whitening @ np.linalg.solve(whitening.T @ whitening, vectors),  # what the filters would be of
    }
    one = Unit(
        id=0, sil=0.95, pnr_db=30.0, cov_isi=0.2, threshold=THRESHOLD, spike_height=1.0, noise_height=0.3, lag_s=0.0,
        discharges=100, rate_hz=10.0,
    )  # fmt: skip
    columns = max(1, round(np.sqrt(channels)))
    place = np.arange(channels)
    info = DecoderInfo(
        schema=SCHEMA,
        fs_hz=fs_hz,
        channels=Channels(
            index=place.tolist(), stream_channels=channels, row=(place // columns).tolist(),
            col=(place % columns).tolist(), ied_mm=8.0, grid_rows=-(-channels // columns), grid_cols=columns,
        ),
        montage="monopolar",
        filter=band_pass,
        extension=extension,
        whitening=WhiteningSettings("synthetic", rank, 0.0),
        detector=DetectorSettings(lookahead=5, refractory=41),
        units=[msgspec.structs.replace(one, id=m) for m in range(units)],
        command=CommandLevels(rest=0.0, full=10.0 * units, envelope_rest=0.0, envelope_full=100.0),
        created_by={"program": "myodrive bench", "method": "synthetic", "seed": seed},
        source_sha256="",
    )  # fmt: skip
    windows = extend(emg[:256], extension)
    write_decoder(path, info, windows=windows, **{k: v.astype(np.float32) for k, v in matrices.items()})
    return read_decoder(path)


def with_units(decoder: Decoder, units: int, path: Path) -> Decoder:
    """The same decoder with its units repeated or cut off to `units`: the cost of any number, on real sources."""
    have = len(decoder.info.units)
    order = np.arange(units) % have
    detector, responses, waveforms = decoder.info.detector, None, None
    if decoder.responses is not None and detector.cancellation is not None:
        weight = [detector.cancellation.weight[m] for m in order]
        cancellation = msgspec.structs.replace(detector.cancellation, weight=weight)
        detector = msgspec.structs.replace(detector, cancellation=cancellation)
        responses = decoder.responses[np.ix_(order, order)]
        waveforms = decoder.waveforms[order] if decoder.waveforms is not None else None
    info = msgspec.structs.replace(
        decoder.info,
        units=[msgspec.structs.replace(decoder.info.units[m], id=i) for i, m in enumerate(order)],
        detector=detector,
    )
    width = len(decoder.filters)
    write_decoder(
        path, info, filters=decoder.filters[:, order], separation_vectors=decoder.separation_vectors[:, order],
        whitening=decoder.whitening, inverse_covariance=decoder.inverse_covariance,
        unit_means=decoder.unit_means[:, order], windows=np.ones((8, width), np.float32),
        responses=responses, waveforms=waveforms,
    )  # fmt: skip
    return read_decoder(path)
