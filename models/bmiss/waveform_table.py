"""Anybody's waveforms, where lead fields cannot be had: of many units, each with its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from .muscle_model import MuscleModelError, channels_of, check_places

NEIGHBOURS = 3  # that a unit is taken from, for every coefficient of a plane through them


@dataclass(frozen=True, eq=False)
class WaveformTable:
    """Waveforms of single discharges of many units, unfiltered.

    Parameters
    ----------
    names : tuple of str
        Of the parameters, with their units at the end, such as "depth_mm".
    parameters : ndarray of float64, shape (units, parameters)
    waveforms : ndarray of float32, shape (units, channels, samples), uV
    fs_hz : float
    fires_at : float
        Sample at which the action potential leaves the innervation zone.
    row, col : ndarray of int64, shape (channels,)
        Place of each channel on the electrode grid.
    ied_mm : float, optional
        Distance of its electrodes.
    montage : str
        What the channels are: "monopolar", or "single-differential" along the columns.

    Raises
    ------
    MuscleModelError
        They are no such table.
    """

    names: tuple[str, ...]
    parameters: NDArray[np.float64]
    waveforms: NDArray[np.float32]
    fs_hz: float
    fires_at: float
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    ied_mm: float | None = None
    montage: str = "monopolar"

    def __post_init__(self) -> None:
        units, names = len(self.parameters), len(self.names)
        if self.parameters.shape != (units, names) or names == 0 or len(set(self.names)) != names:
            raise MuscleModelError(
                f"parameters has the shape {list(self.parameters.shape)}, expected {names} different names for its "
                "columns: write one of each."
            )
        if self.waveforms.shape[:2] != (units, len(self.row)) or self.row.shape != self.col.shape:
            raise MuscleModelError(
                f"waveforms has the shape {list(self.waveforms.shape)}, expected {units} units of {len(self.row)} "
                "channels, as parameters, row and col have them: write it so."
            )
        check_places(self.row, self.col)
        least = NEIGHBOURS * (names + 1) + 1
        if units < least:
            raise MuscleModelError(
                f"{units} units are too few to interpolate over {names} parameters, at least {least} are needed: "
                "compute more."
            )
        for name, values in (("parameters", self.parameters), ("waveforms", self.waveforms)):
            bad = int(np.size(values) - np.isfinite(values).sum())
            if bad:
                raise MuscleModelError(
                    f"{name} has {bad} values that are not finite (NaN or inf): compute these again."
                )
        for name, values in zip(self.names, self.parameters.T, strict=True):
            if values.min() == values.max():
                raise MuscleModelError(f"{name} is {values[0]:g} in all units: vary it, or leave it out.")
        if not 0.0 <= self.fires_at < self.waveforms.shape[2]:
            raise MuscleModelError(
                f"the units fire at sample {self.fires_at:g} of {self.waveforms.shape[2]}: say where in the window."
            )

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.row)

    def at(self, geometry: Geometry, montage: str = "monopolar") -> WaveformTable:
        """The same for the channels of a recording, in their order.

        Raises
        ------
        MuscleModelError
            The recording has channels where the table has none, or is of another grid or montage.
        """
        chosen = channels_of(self, geometry, montage)
        return replace(
            self,
            waveforms=self.waveforms[:, chosen],
            row=geometry.row.copy(),
            col=geometry.col.copy(),
            ied_mm=geometry.ied_mm,
        )

    def seen(
        self, fs_hz: float, samples: int, fires_at: int, sections: Sequence[Sequence[float]] | NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """What a decoder sees, (units, channels, samples): at its rate, in its window, through its causal filter.

        Band-limited interpolation over time (Whittaker 1915); nothing comes before or after the table's own window.
        """
        times = (np.arange(samples) - fires_at) / fs_hz  # (samples,) s from the firing
        own = (np.arange(self.waveforms.shape[2]) - self.fires_at) / self.fs_hz
        rate = min(self.fs_hz, fs_hz)
        resample = np.sinc(rate * (times[:, None] - own)) * (rate / self.fs_hz)  # (samples, own samples)
        filtered = np.empty((*self.waveforms.shape[:2], samples), np.float32)
        for i, waveform in enumerate(self.waveforms):
            filtered[i] = scipy.signal.sosfilt(np.asarray(sections), waveform @ resample.T)
        return filtered
