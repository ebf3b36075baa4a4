"""A decoder without some of its units, as if they had never been found."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...export.decoder import write_decoder
from ...models.calibration import PARITY_WINDOWS
from ...models.extension import extend
from ...models.measured import levels, liveliest
from ...stream.decoder_file import Decoder, DecoderInfo, read_decoder
from ...stream.errors import OptionError
from ...stream.filter import CausalFilter
from ...stream.pipeline import Pipeline
from ..commands.decode import decode

HOP = 64


def kept_units(decoder: Decoder, drop: Collection[int]) -> list[int]:
    """Numbers of the units that are left.

    Raises
    ------
    OptionError
        A number is no unit's, or none would be left.
    """
    units = len(decoder.info.units)
    unknown = sorted(unit for unit in drop if not 0 <= unit < units)
    if unknown:
        raise OptionError(f"{decoder.path} has units 0 to {units - 1}, and no unit {unknown[0]}: correct what to drop")
    kept = [unit for unit in range(units) if unit not in drop]
    if not kept:
        raise OptionError(f"none of the {units} units would be left: keep one at least, or record and calibrate again")
    return kept


def write_without(
    decoder: Decoder, drop: Collection[int], emg: NDArray[np.float32], path: Path
) -> tuple[Decoder, dict[int, NDArray[np.int64]]]:
    """Write the decoder without some units; what says how hard is full is measured anew.

    A unit's filter, threshold and quality stay as they were. Units are counted anew from 0, as in every decoder;
    ``created_by.reviewed.was`` holds their numbers in `decoder`. Where units are taken out of each other, those that
    were dropped no longer are.

    Parameters
    ----------
    decoder : Decoder
    drop : collection of int
        Units of it.
    emg : ndarray of float32, shape (samples, channels), uV
        The decoder's channels of the recording that it was calibrated on, unfiltered.
    path : Path

    Returns
    -------
    Decoder
    dict of int to ndarray of int64
        Discharges of its units in `emg`, by their new numbers.

    Raises
    ------
    OptionError
        As `kept_units` does, and where `path` cannot be written.
    """
    kept = np.array(kept_units(decoder, drop))
    filtered = np.array(emg, np.float32, order="C")
    CausalFilter(decoder.info.filter.sections, filtered.shape[1])(filtered)
    extension = decoder.info.extension
    stretch = liveliest(filtered, PARITY_WINDOWS + extension)
    windows = extend(filtered[stretch], extension)[extension:]
    info = _info_of(decoder, kept)
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / path.name
        _write(first, info, decoder, kept, windows)
        found = decode(emg, Pipeline(read_decoder(first), HOP), HOP)
    command = levels(filtered, [found[unit] for unit in sorted(found)], info.fs_hz, info.detector)
    _write(path, msgspec.structs.replace(info, command=command), decoder, kept, windows)
    return read_decoder(path), found


def _info_of(decoder: Decoder, kept: NDArray[np.int64]) -> DecoderInfo:
    info, detector = decoder.info, decoder.info.detector
    if detector.cancellation is not None:
        weight = [detector.cancellation.weight[unit] for unit in kept]
        cancellation = msgspec.structs.replace(detector.cancellation, weight=weight)
        detector = msgspec.structs.replace(detector, cancellation=cancellation)
    units = [msgspec.structs.replace(info.units[was], id=unit) for unit, was in enumerate(kept)]
    reviewed: dict[str, Any] = {"of": decoder.sha256, "was": kept.tolist()}
    created_by = info.created_by | {"reviewed": reviewed}
    return msgspec.structs.replace(info, units=units, detector=detector, created_by=created_by)


def _write(
    path: Path, info: DecoderInfo, decoder: Decoder, kept: NDArray[np.int64], windows: NDArray[np.float32]
) -> None:  # fmt: skip
    write_decoder(
        path, info, filters=decoder.filters[:, kept], separation_vectors=decoder.separation_vectors[:, kept],
        whitening=decoder.whitening, inverse_covariance=decoder.inverse_covariance,
        unit_means=decoder.unit_means[:, kept], windows=windows,
        responses=None if decoder.responses is None else decoder.responses[np.ix_(kept, kept)],
        waveforms=None if decoder.waveforms is None else decoder.waveforms[kept],
    )  # fmt: skip
