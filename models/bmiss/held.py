"""Units found so far in a recording, modelled or measured, on the way to a decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..extension import default_extension
from ..peeling import subtract, waveforms
from ..separation import SearchSettings, for_length, successive_cancellation
from .search import Inversion

Train = NDArray[np.int64]
BEFORE_S, AFTER_S = 0.025, 0.04  # of a waveform, about the instant that a search gives a discharge
MEASURED_S = 0.025  # of a measured waveform, either way


@dataclass(frozen=True)
class Held:
    """Units and their waveforms in the part of a recording that is searched.

    Attributes
    ----------
    trains : list of ndarray of int64, samples of that part
    waveforms : ndarray of float32, shape (units, window, channels), uV
    before : int
        Samples of the window before a discharge.
    modelled : ndarray of bool, shape (units,)
        Whether the waveform is the inversion's; else it is measured anew whenever units come or go.
    """

    trains: list[Train]
    waveforms: NDArray[np.float32]
    before: int
    modelled: NDArray[np.bool_]

    @classmethod
    def none(cls, channels: int, fs_hz: float) -> Held:
        """No units yet."""
        before = round(BEFORE_S * fs_hz)
        return cls([], np.zeros((0, before + round(AFTER_S * fs_hz), channels), np.float32), before, np.zeros(0, bool))

    def __len__(self) -> int:
        return len(self.trains)

    def some(self, which: Sequence[int] | NDArray[np.int64]) -> Held:
        """Of some of the units."""
        index = np.asarray(which, np.int64)
        return Held([self.trains[i] for i in index], self.waveforms[index], self.before, self.modelled[index])

    def fired(self, trains: Sequence[Train]) -> Held:
        """With other discharges of the units whose waveform is measured; the modelled ones keep theirs.

        A modelled waveform is as sharp as the instants it was fitted with, and the live ones are coarser.
        """
        chosen = [a if model else b for a, b, model in zip(self.trains, trains, self.modelled, strict=True)]
        return replace(self, trains=chosen)

    def left_of(self, part: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the units leave of that part of the EMG."""
        return subtract(part, self.trains, self.waveforms, self.before)

    def with_inverted(self, found: Inversion, start: int) -> Held:
        """And those that an inversion found in what begins at sample `start`."""
        window = self.waveforms.shape[1]
        first = self.before - found.fires_at  # of the inversion's window in this one
        shapes = np.zeros((len(found.trains), *self.waveforms.shape[1:]), np.float32)
        low, high = max(0, first), min(window, first + found.waveforms.shape[1])
        shapes[:, low:high] = found.waveforms[:, low - first : high - first]
        return Held(
            [*self.trains, *(train + start for train in found.trains)],
            np.concatenate([self.waveforms, shapes]),
            self.before,
            np.concatenate([self.modelled, np.ones(len(shapes), bool)]),
        )

    def with_trains(self, part: NDArray[np.float32], trains: Sequence[Train], fs_hz: float) -> Held:
        """And units of which there is nothing but discharges; the waveforms of all such are measured together."""
        shapes = np.zeros((len(trains), *self.waveforms.shape[1:]), np.float32)
        more = Held(
            [*self.trains, *trains],
            np.concatenate([self.waveforms, shapes]),
            self.before,
            np.concatenate([self.modelled, np.zeros(len(trains), bool)]),
        )
        return more.measured(part, fs_hz)

    def measured(self, part: NDArray[np.float32], fs_hz: float) -> Held:
        """With the waveforms that are not modelled measured anew, each without the others."""
        which = np.flatnonzero(~self.modelled)
        if not len(which):
            return self
        left = self.some(np.flatnonzero(self.modelled)).left_of(part)
        trains = [self.trains[i] for i in which]
        reach = round(MEASURED_S * fs_hz)
        found = waveforms(left, trains, reach, reach)
        shapes = self.waveforms.copy()
        first = self.before - reach
        shapes[which] = 0.0
        shapes[which, first : first + found.shape[1]] = found
        return replace(self, waveforms=shapes)


def blind_trains(
    left: NDArray[np.float32],
    settings: SearchSettings,
    fs_hz: float,
    progress: Callable[[float, int], object] = lambda share, units: None,
) -> list[Train]:
    """Discharges of units that blind separation finds in what is left of the EMG.

    Parameters
    ----------
    left : ndarray of float32, shape (samples, channels), uV
    settings : SearchSettings
    fs_hz : float
    progress : callable
        Told the share done and the units found.
    """
    power = float(np.mean(np.square(left, dtype=np.float64)))
    if not power > 0.0:
        return []
    limits = for_length(settings.limits, len(left) / fs_hz)
    units, _ = successive_cancellation(
        np.ascontiguousarray(left / np.float32(np.sqrt(power))), default_extension(left.shape[1]),
        replace(settings, limits=limits), fs_hz, progress,
    )  # fmt: skip
    return [one.spikes for one in units]
