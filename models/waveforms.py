"""Every unit's average waveform of a whole recording, or of stretches of it, cut exactly as the live path cuts it.

With `joint`, the waveforms of all units are solved for together first (`peeling.waveforms`), and what is averaged is
the recording without the other units: their residue, which a plain average keeps however many discharges it has where
two units fire in step, goes. What remains is mostly units that nobody found, no white noise: windows of it tell how it
is correlated over channels and time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..stream.average import add_window
from ..stream.average_window import noise_of_average, snr_db, window_samples
from .peeling import subtract, waveforms

Train = NDArray[np.int64]
JOINT_MARGIN_S = 0.015  # the others' waveforms are solved for over this much more on either side
MOST_RESIDUE, FEWEST_RESIDUE = 100, 20  # windows of what is left of the recording
LEAST_FREE = 0.1  # of the recording's samples that are taken to be left after the waveforms were fitted to it


@dataclass(frozen=True)
class UnitAverage:
    """One unit's average over one stretch.

    Attributes
    ----------
    waveform : ndarray of float32, shape (channels, window), uV
    noise : ndarray of float64, shape (channels,), uV^2
        Variance of its samples, from the scatter of the windows; NaN below two windows. Joint averages: more by what
        the waveforms, fitted to the same samples, have taken of the scatter and added to each other's.
    discharges, dropped : int
        Windows averaged, and those left out because they leave the recording.
    snr_db : float
    residue : ndarray of float32, shape (windows, channels, window), uV, or None
        What no unit explains, at discharges all over the recording: noise of a joint average is like it in all but
        size, which is `noise`. One for all units and stretches; None without `joint`, and where windows are too few.
    """

    waveform: NDArray[np.float32]
    noise: NDArray[np.float64]
    discharges: int
    dropped: int
    snr_db: float
    residue: NDArray[np.float32] | None = field(default=None, repr=False)


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
    residue, more = None, 1.0
    if joint and len(trains):
        margin = min(round(JOINT_MARGIN_S * fs_hz), max(0, (len(emg) - before - after) // 2))
        shapes = waveforms(emg, trains, before + margin, after + margin)
        emg = subtract(emg, trains, shapes, before + margin)
        own = shapes[:, margin : margin + before + after]
        residue = residue_windows(emg, trains, before, after)
        free = max(LEAST_FREE, 1.0 - len(trains) * shapes.shape[1] / max(len(emg), 1))
        more = free**-2
    return [
        [_average(emg, train, fs_hz, before, after, stretch, shape, more, residue) for stretch in stretches]
        for train, shape in zip(trains, own, strict=True)
    ]


def residue_windows(
    emg: NDArray[np.float32], trains: Sequence[Train], before: int, after: int
) -> NDArray[np.float32] | None:
    """Windows of what is left of a recording, around discharges of whichever unit, spread over all of them.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        Without any unit.
    trains : sequence of ndarray of int64, samples
    before, after : int
        The window is [-before, after).

    Returns
    -------
    ndarray of float32, shape (windows, channels, before + after), uV, or None
        None where there are too few to tell anything.
    """
    instants = np.unique(np.concatenate(list(trains)))
    instants = instants[(instants >= before) & (instants + after <= len(emg))]
    if len(instants) < FEWEST_RESIDUE:
        return None
    chosen = instants[np.linspace(0, len(instants) - 1, min(len(instants), MOST_RESIDUE)).round().astype(np.int64)]
    return np.stack([np.ascontiguousarray(emg[instant - before : instant + after].T) for instant in chosen])


def _average(
    emg: NDArray[np.float32],
    train: Train,
    fs_hz: float,
    before: int,
    after: int,
    stretch: tuple[int, int],
    own: NDArray[np.float32],
    more: float,
    residue: NDArray[np.float32] | None,
) -> UnitAverage:
    """Average of what is left of `emg` around the discharges, and the unit's `own` (window, channels) on top.

    Its noise is `more` times what the scatter of the windows says.
    """
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
    noise = noise_of_average(variance, concentration) * more
    dropped = len(train) - len(inside)
    return UnitAverage(np.ascontiguousarray(mean.T), noise, len(inside), dropped, snr_db(mean, noise, fs_hz), residue)
