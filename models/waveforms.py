"""Every unit's average waveform of a whole recording, or of stretches of it, cut exactly as the live path cuts it.

With `joint`, the waveforms of all units are solved for together first (`peeling.waveforms`), and what is averaged is
the recording without the other units: their residue, which a plain average keeps however many discharges it has where
two units fire in step, goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stream.average import add_window, noise_of_average, snr_db, window_samples
from .peeling import subtract, waveforms

Train = NDArray[np.int64]
JOINT_MARGIN_S = 0.015  # the others' waveforms are solved for over this much more on either side


@dataclass(frozen=True)
class UnitAverage:
    """One unit's average over one stretch.

    Attributes
    ----------
    waveform : ndarray of float32, shape (channels, window), uV
    noise : ndarray of float64, shape (channels,), uV^2
        Variance of its samples, from the scatter of the windows; NaN below two windows.
    discharges, dropped : int
        Windows averaged, and those left out because they leave the recording.
    snr_db : float
    """

    waveform: NDArray[np.float32]
    noise: NDArray[np.float64]
    discharges: int
    dropped: int
    snr_db: float


def average_file(
    emg: NDArray[np.float32],
    trains: Sequence[Train],
    fs_hz: float,
    *,
    before: int | None = None,
    after: int | None = None,
    stretches: Sequence[tuple[int, int]] | None = None,
    joint: bool = False,
) -> list[list[UnitAverage]]:
    """Average the windows around every unit's discharges.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        Filtered by the decoder's causal filter, as the live path filters it.
    trains : sequence of ndarray of int64, samples, ascending
    fs_hz : float
    before, after : int, optional
        The window is [-before, after); by default that of the live path.
    stretches : sequence of (int, int), optional
        Discharges from the first sample to before the second go into one average; by default one, the whole.
    joint : bool
        Take the other units out before averaging.

    Returns
    -------
    list of list of UnitAverage
        By unit, then by stretch. Without `joint` the first equals the live average of the same discharges to the bit
        while they are no more than its memory.
    """
    usual_before, usual_after = window_samples(fs_hz)
    before = usual_before if before is None else before
    after = usual_after if after is None else after
    emg = np.ascontiguousarray(emg, np.float32)
    stretches = [(0, len(emg))] if stretches is None else stretches
    own = np.zeros((len(trains), before + after, emg.shape[1]), np.float32)
    if joint and len(trains):
        margin = min(round(JOINT_MARGIN_S * fs_hz), max(0, (len(emg) - before - after) // 2))
        shapes = waveforms(emg, trains, before + margin, after + margin)
        emg = subtract(emg, trains, shapes, before + margin)
        own = shapes[:, margin : margin + before + after]
    return [
        [_average(emg, train, fs_hz, before, after, stretch, shape) for stretch in stretches]
        for train, shape in zip(trains, own, strict=True)
    ]


def _average(
    emg: NDArray[np.float32],
    train: Train,
    fs_hz: float,
    before: int,
    after: int,
    stretch: tuple[int, int],
    own: NDArray[np.float32],
) -> UnitAverage:
    """Average of what is left of `emg` around the discharges, and the unit's `own` (window, channels) on top."""
    train = train[(train >= stretch[0]) & (train < stretch[1])]
    inside = train[(train >= before) & (train + after <= len(emg))]
    window, channels = own.shape
    mean = np.zeros((window, channels), np.float32)
    count = np.zeros(channels, np.int64)
    variance, concentration = np.zeros(channels), np.zeros(channels)
    weight, square = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    good = np.ones(channels, np.bool_)
    memory = float(max(len(inside), 1))
    for instant in inside:
        add_window(emg, instant - before, good, memory, mean, count, variance, concentration, weight, square)
    if len(inside):
        mean += own
    noise = noise_of_average(variance, concentration)
    return UnitAverage(
        np.ascontiguousarray(mean.T), noise, len(inside), len(train) - len(inside), snr_db(mean, noise, fs_hz)
    )
