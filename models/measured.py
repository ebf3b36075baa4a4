"""What is measured for a decoder once its units are known, with the live kernels on what the live path will see."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..stream.decoder_file import CommandLevels, DetectorSettings
from ..stream.drive import DriveMaker, DriveSettings

ONSET_SHARE = 0.05  # of a waveform's energy lies before its onset
WAVEFORM_S = 0.03  # of unfiltered EMG before a discharge that the onset is looked for in


def matrices_of(
    whitening: NDArray[np.float32], filters: NDArray[np.float32], unit_means: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """The matrices of a decoder file, under their names there.

    Parameters
    ----------
    whitening : ndarray of float32, shape (extended, rank), 1/uV
    filters : ndarray of float32, shape (extended, units), 1/uV
    unit_means : ndarray of float32, shape (extended, units), uV
    """
    matrices = {
        "filters": filters,
        "separation_vectors": separation_vectors(whitening, filters),
        "whitening": whitening,
        "inverse_covariance": whitening @ whitening.T,
        "unit_means": unit_means,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in matrices.items()}


def separation_vectors(whitening: NDArray[np.float32], filters: NDArray[np.float32]) -> NDArray[np.float64]:
    """What does behind the whitening stage what `filters` do without it: ``filters = whitening @ vectors``."""
    matrix = whitening.astype(np.float64)
    return np.linalg.solve(matrix.T @ matrix, matrix.T @ filters)  # (rank, units)


def lag_s(raw: NDArray[np.float32], power: float, spikes: NDArray[np.int64], fs_hz: float) -> float:
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


def levels(
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


def liveliest(filtered: NDArray[np.float32], samples: int) -> slice:
    """The stretch of `samples` with the most EMG in it."""
    power = np.concatenate([[0.0], np.cumsum((filtered.astype(np.float64) ** 2).sum(axis=1))])
    samples = min(samples, len(filtered))
    start = int(np.argmax(power[samples:] - power[:-samples]))
    return slice(start, start + samples)
