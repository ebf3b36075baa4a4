"""The muscle that source separation by inversion is measured on: 100 units whose every parameter is known.

The test bed of Halatsis et al. 2025 (arXiv 2510.17822): parameters uniform in [0, 1]^6 with Pareto sizes, electrodes
8 mm apart, 2000 Hz, 10 s. Besides the anisotropic half-space, which separation may invert, muscles are made with other
settings than those it assumes. The EMG is what the product sees: raw waveforms at the discharges, white noise on top,
then the decoder's causal band-pass over the sum.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..models.bandpass import design_filter
from ..stream.errors import OptionError
from ..stream.filter import CausalFilter
from ..stream.geometry import Geometry
from .bench_bmiss_waveforms import (
    BEFORE_S,
    GENERATORS,
    MATCHED,
    PARAMETERS,
    SIZE,
    Parameters,
    Progress,
    raw_waveforms,
)

IED_MM = 8.0
ARRAYS = ("10x32", "8x8", "13x5")  # rows along the fibres, columns across them
MOST_ELECTRODES = 1024
DEPTH_MM = (7.0, 23.0)  # of the territory's centre below the electrodes, whatever lies in between
WIDEST_MM = 120.0  # to either side, where the array reaches as far
ZONE_MM = (-20.0, 20.0)
VELOCITY_M_S = (3.0, 4.5)
HALF_LENGTH_MM = (50.0, 70.0)  # from the innervation zone to either end
PARETO = 2.0  # exponent of the sizes, of which none is below 1
INTERVAL_S, INTERVAL_SD_S, SHORTEST_S = 0.1, 0.03, 0.02
FILTERED_S = 0.11  # a waveform in the band-pass: the ringing that is left then is 78 dB below the EMG


@dataclass(frozen=True)
class Settings:
    """A muscle to make.

    Parameters
    ----------
    array : str
        Rows along the fibres and columns across them, as in `ARRAYS`.
    snr_db : float, optional
        Of white Gaussian noise against the mean channel power of the raw EMG; None for no noise.
    generator : str
        Of `GENERATORS`.
    seed : int
    units : int
    seconds : float
    fs_hz : float

    Raises
    ------
    OptionError
        There is no such array or generator.
    """

    array: str = "10x32"
    snr_db: float | None = None
    generator: str = MATCHED
    seed: int = 0
    units: int = 100
    seconds: float = 10.0
    fs_hz: float = 2000.0

    def __post_init__(self) -> None:
        rows, columns = self.shape
        if min(rows, columns) < 2 or rows * columns > MOST_ELECTRODES:
            raise OptionError(
                f'array "{self.array}" is no grid to measure on: give rows x columns such as {", ".join(ARRAYS)}, two'
                f" or more of either and {MOST_ELECTRODES} electrodes at most"
            )
        if self.generator not in GENERATORS:
            raise OptionError(f'no generator is called "{self.generator}": choose one of {", ".join(GENERATORS)}')

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the array; (0, 0) where its name says none."""
        found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", self.array)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    @property
    def samples(self) -> int:
        """Of the recording."""
        return round(self.seconds * self.fs_hz)

    @property
    def geometry(self) -> Geometry:
        """Of the whole grid."""
        rows, columns = self.shape
        row, col = np.divmod(np.arange(rows * columns), columns)
        return Geometry(row=row, col=col, ied_mm=IED_MM, grid_rows=rows, grid_cols=columns)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Physical values of 0 and 1, of all parameters but the size."""
        half_width = IED_MM * (self.shape[1] - 1) / 2.0
        widest = min(WIDEST_MM, half_width)
        return dict(
            zip(PARAMETERS[1:], (DEPTH_MM, (-widest, widest), ZONE_MM, VELOCITY_M_S, HALF_LENGTH_MM), strict=True)
        )


@dataclass(frozen=True)
class World:
    """A recording and all there is to know about it.

    Attributes
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        Behind the product's causal filter.
    raw : ndarray of float32, shape (samples, channels), uV
        Before it.
    noise : ndarray of float32, shape (samples, channels), uV
        The filtered noise in `emg`.
    geometry : Geometry
    fs_hz : float
    trains : tuple of ndarray of int64, samples
        When each unit's action potentials leave the innervation zone.
    waveforms : ndarray of float32, shape (units, channels, window), uV
        Filtered; `before` samples precede the discharge.
    before : int, samples
    unit_parameters : ndarray of float64, shape (units, `PARAMETERS`)
        In [0, 1]; the size as its share in Pareto's distribution.
    parameters : mapping of str to ndarray of float64, shape (units,)
        In physical units, by `PARAMETERS`. Of units of drawn fibres, the mean of those drawn.
    ranges : dict of str to (float, float)
    seed : int
    """

    emg: NDArray[np.float32]
    raw: NDArray[np.float32]
    noise: NDArray[np.float32]
    geometry: Geometry
    fs_hz: float
    trains: tuple[NDArray[np.int64], ...]
    waveforms: NDArray[np.float32]
    before: int
    unit_parameters: NDArray[np.float64]
    parameters: Parameters
    ranges: dict[str, tuple[float, float]]
    seed: int


def make_world(settings: Settings, progress: Progress = lambda share: None) -> World:
    """Draw a muscle and record from it.

    Units and discharges depend on the seed alone, noise on the seed and its level: worlds of one seed differ by nothing
    but what they are told to differ in.
    """
    geometry, fs_hz, samples = settings.geometry, settings.fs_hz, settings.samples
    rng = np.random.default_rng(settings.seed)
    unit_parameters, parameters = _drawn_parameters(settings, rng)
    trains = tuple(_discharges(settings, rng) for _ in range(settings.units))
    shapes, parameters = raw_waveforms(
        settings.generator, geometry, fs_hz, parameters, settings.seed, progress
    )  # (units, channels, window)
    before = round(BEFORE_S * fs_hz)

    raw = superposed(shapes, trains, before, samples)
    noise = np.zeros_like(raw)
    if settings.snr_db is not None:
        power = float(np.mean(np.square(raw, dtype=np.float64))) * 10.0 ** (-settings.snr_db / 10.0)
        of_noise = np.random.default_rng([settings.seed, 1])
        noise = (math.sqrt(power) * of_noise.standard_normal(raw.shape)).astype(np.float32)
        raw += noise
    sections = design_filter(fs_hz).sections
    longer = np.zeros((settings.units, shapes.shape[1], round(FILTERED_S * fs_hz)), np.float32)
    longer[:, :, : shapes.shape[2]] = shapes
    return World(
        emg=_filtered(raw, sections),
        raw=raw,
        noise=_filtered(noise, sections),
        geometry=geometry,
        fs_hz=fs_hz,
        trains=trains,
        waveforms=_filtered_waveforms(longer, sections),
        before=before,
        unit_parameters=unit_parameters,
        parameters=parameters,
        ranges=settings.ranges,
        seed=settings.seed,
    )


def superposed(
    waveforms: NDArray[np.float32], trains: tuple[NDArray[np.int64], ...], before: int, samples: int
) -> NDArray[np.float32]:
    """The EMG of units that each repeat their waveform at their discharges.

    Parameters
    ----------
    waveforms : ndarray of float32, shape (units, channels, window), uV
    trains : tuple of ndarray of int64, samples
    before : int
        Samples of the window before the discharge.
    samples : int

    Returns
    -------
    ndarray of float32, shape (samples, channels), uV
    """
    channels, window = waveforms.shape[1:]
    emg = np.zeros((before + samples + window, channels), np.float32)  # windows may reach over the ends
    for shape, train in zip(waveforms, trains, strict=True):
        upright = np.ascontiguousarray(shape.T)  # (window, channels)
        for instant in train:
            emg[instant : instant + window] += upright
    return np.ascontiguousarray(emg[before : before + samples])


def _drawn_parameters(
    settings: Settings, rng: np.random.Generator
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    share = rng.random((settings.units, len(PARAMETERS)))
    size = rng.pareto(PARETO, settings.units) + 1.0
    share[:, 0] = 1.0 - size**-PARETO  # uniform as the others are
    physical = {SIZE: size}
    for column, (name, (low, high)) in enumerate(settings.ranges.items(), start=1):
        physical[name] = low + (high - low) * share[:, column]
    return share, physical


def _discharges(settings: Settings, rng: np.random.Generator) -> NDArray[np.int64]:
    """A train that begins anywhere in an interval."""
    enough = math.ceil(1.3 * settings.seconds / INTERVAL_S)
    intervals = np.maximum(rng.normal(INTERVAL_S, INTERVAL_SD_S, enough), SHORTEST_S)
    times = np.cumsum(intervals) - INTERVAL_S * rng.random()  # s
    instants = np.round(times * settings.fs_hz).astype(np.int64)
    return instants[(instants >= 0) & (instants < settings.samples)]


def _filtered(emg: NDArray[np.float32], sections: list[list[float]]) -> NDArray[np.float32]:
    """A copy of a recording (samples, channels) behind the live filter."""
    filtered = emg.copy()
    CausalFilter(sections, emg.shape[1])(filtered)
    return filtered


def _filtered_waveforms(waveforms: NDArray[np.float32], sections: list[list[float]]) -> NDArray[np.float32]:
    """Each waveform as it comes out of the live filter after silence, (units, channels, window)."""
    silence = np.zeros((1, waveforms.shape[1]), np.float32)  # what the filter takes the past to have been
    return np.stack(
        [np.ascontiguousarray(_filtered(np.concatenate([silence, one.T]), sections)[1:].T) for one in waveforms]
    )
