"""What both classical estimators share: which channels can be used, differences along the columns, delays as phase.

Potentials that stand still (the end of the fibres, other muscles) reach neighbouring electrodes almost alike; taking
one or two differences along the fibres removes most of them. Delays of a fraction of a sample are a phase per
frequency (McGill & Dorfman 1984).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry

BAND_HZ = (20.0, 450.0)  # where surface potentials have their power; above it there is only noise
SLOWEST_M_S = 1.5
FASTEST_M_S = 12.0  # beyond what muscle fibres do: an estimate this fast is a wave that stands
NOISY_TIMES = 12.0  # a channel whose residual has this many times the usual power is taken out
FEWEST_ROWS = 5  # two on either side of an innervation zone and the zone; three double differences
MONTAGES = ("monopolar", "single-differential")


@dataclass(frozen=True)
class Waves:
    """Spectra of a waveform, or of its differences along the columns, on its grid.

    Attributes
    ----------
    spectrum : ndarray of complex128, shape (columns, rows, frequencies)
        Zero where a channel is missing.
    present : ndarray of bool, shape (columns, rows)
    along_mm : ndarray of float64, shape (rows,)
        Where each channel is taken, from the grid's centre towards higher rows.
    angular : ndarray of float64, shape (frequencies,)
        rad/ms.
    ied_mm : float
    order : int
        How many differences were taken since the monopolar potential.
    padding : float
        Length of the transform over that of the waveform: neighbouring frequencies are that much alike.
    """

    spectrum: NDArray[np.complex128]
    present: NDArray[np.bool_]
    along_mm: NDArray[np.float64]
    angular: NDArray[np.float64]
    ied_mm: float
    order: int
    padding: float

    @property
    def rows(self) -> int:
        """Most neighbouring electrodes in one column."""
        return longest_run(self.present) + self.order if self.present.any() else 0

    @property
    def power(self) -> float:
        """Sum of squares over all channels and frequencies."""
        return float((np.abs(self.spectrum) ** 2).sum())

    def only(self, present: NDArray[np.bool_]) -> Waves:
        """The same without the channels that `present` lacks."""
        kept = self.present & present
        return replace(self, spectrum=self.spectrum * kept[:, :, None], present=kept)

    def differences(self, order: int) -> Waves:
        """Differences along the columns: 1 single, 2 double differential; as they are where they are of `order`."""
        spectrum, present, along = self.spectrum, self.present, self.along_mm
        for _ in range(order - self.order):
            spectrum = np.diff(spectrum, axis=1)
            present = present[:, 1:] & present[:, :-1]
            along = (along[1:] + along[:-1]) / 2
        spectrum = np.where(present[:, :, None], spectrum, 0.0)
        return replace(self, spectrum=spectrum, present=present, along_mm=along, order=order)

    def too_few_rows(self, what: str) -> str | None:
        """Why `what` cannot be estimated at all; None where there are rows enough."""
        if self.rows >= FEWEST_ROWS:
            return None
        return f"{self.rows} neighbouring good electrodes along the fibres: the {what} needs at least {FEWEST_ROWS}"


def at_electrodes(
    waveform: NDArray[np.floating], fs_hz: float, geometry: Geometry, good: NDArray[np.bool_] | None, montage: str
) -> Waves:
    """A waveform as recorded, at the channels that can be used: good, and numbers throughout.

    Parameters
    ----------
    waveform : ndarray, shape (channels, time), uV
    fs_hz : float
    geometry : Geometry
    good : ndarray of bool, shape (channels,), or None
    montage : str
        Of the waveform. A single-differential channel lies half a spacing above its row.

    Raises
    ------
    ValueError
        The shapes do not agree, or the rate or montage is impossible: a mistake of the caller.
    """
    values = np.asarray(waveform, np.float64)
    if values.ndim != 2 or len(values) != len(geometry):
        raise ValueError(f"a waveform of shape {values.shape} for {len(geometry)} channels: give (channels, time)")
    if montage not in MONTAGES:
        raise ValueError(f'montage "{montage}" is unknown: choose {" or ".join(MONTAGES)}')
    if not fs_hz > 10 * BAND_HZ[0]:
        raise ValueError(f"a rate of {fs_hz} Hz is too low for EMG")
    if good is not None and np.shape(good) != (len(geometry),):
        raise ValueError(f"good has shape {np.shape(good)} for {len(geometry)} channels")
    usable = np.isfinite(values).all(axis=1)
    if good is not None:
        usable &= np.asarray(good, bool)
    order, time = MONTAGES.index(montage), values.shape[1]
    grid = np.zeros((geometry.grid_cols, geometry.grid_rows, time))
    present = np.zeros(grid.shape[:2], bool)
    grid[geometry.col[usable], geometry.row[usable]] = values[usable]
    present[geometry.col[usable], geometry.row[usable]] = True
    largest = np.abs(grid).max(initial=0.0)
    if largest > 0:
        grid /= largest  # amplitude decides nothing below
    length = 2 ** math.ceil(math.log2(1.5 * max(time, 2)))
    frequency = np.fft.rfftfreq(length, 1.0 / fs_hz)
    inside = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    return Waves(
        spectrum=np.fft.rfft(grid, length, axis=2)[:, :, inside],
        present=present,
        along_mm=(np.arange(geometry.grid_rows) - (geometry.grid_rows - 1) / 2 + order / 2) * geometry.ied_mm,
        angular=2.0 * np.pi * frequency[inside] / 1000.0,
        ied_mm=geometry.ied_mm,
        order=order,
        padding=length / max(time, 1),
    )


def longest_run(present: NDArray[np.bool_]) -> int:
    """Most neighbouring channels in one column."""
    longest = 0
    for column in present:
        run = 0
        for here in column:
            run = run + 1 if here else 0
            longest = max(longest, run)
    return longest


def velocities(count: int, fastest_m_s: float = FASTEST_M_S) -> NDArray[np.float64]:
    """Slownesses to search, ms/mm, evenly spaced on a logarithmic scale from the slowest velocity to the fastest."""
    return 1.0 / np.geomspace(SLOWEST_M_S, fastest_m_s, count)


def without_noisy(waves: Waves, residual: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Channels whose residual is not far above the usual one, shape (columns, rows).

    Parameters
    ----------
    residual : ndarray of float64, shape (columns, rows)
        Power of each channel that the travelling wave does not explain.
    """
    if not waves.present.any():
        return waves.present
    usual = np.median(residual[waves.present])
    kept: NDArray[np.bool_] = waves.present & (residual <= NOISY_TIMES * usual)
    return kept
