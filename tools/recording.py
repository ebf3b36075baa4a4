"""A recording in memory: EMG, the places of its electrodes, what else is known, and what no recording may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..stream.errors import RecordingError
from ..stream.geometry import Geometry
from .events import Mark

BUNDLED = Path(__file__).parent / "data" / "vl_excerpt.h5"  # what the demo plays
SHORTEST_S = 1.0
LARGEST_BYTES = 8 << 30  # a declared shape costs nothing in the file, so it is refused before memory is taken
LARGEST_UNPACKED = 64  # times what lies in the file; EMG packs to a third, and only a bomb to a thousandth
SMALLEST_BOMB = 64 << 20  # bytes; what is smaller may unpack as it likes
MOST_MARKS = 1_000_000
LARGEST_GRID = 4096  # rows or columns, as a decoder takes
MONTAGES = ("monopolar", "single-differential")


@dataclass(frozen=True)
class InStream:
    """Where the channels of a recording stood in the stream that they were taken from.

    Parameters
    ----------
    index : tuple of int
        Of each channel, its number in the stream.
    channels : int
        How many the stream had.
    """

    index: tuple[int, ...]
    channels: int


@dataclass(frozen=True)
class Recording:
    """Surface EMG with the places of its electrodes and, where known, its motor units.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        C-contiguous: one sample of all channels lies together, as a stream delivers it.
    fs_hz : float
        Samples per second.
    geometry : Geometry
        Place of each channel.
    muscle, source, license : str
        What was recorded, where it is from, under which terms; empty where unknown.
    montage : str
        "monopolar", or "single-differential" along the columns.
    force : ndarray of float32, shape (samples,), or None
        Force beside the EMG, in the unit `force_unit`.
    force_unit : str
        Unit of `force`, for instance "%MVC".
    labels : tuple of str or None
        Names of the channels, where the recording brought its own.
    units : dict of int to ndarray of int64, shape (discharges,)
        Reference discharges by unit, sample numbers from 0.
    unit_attributes : dict of int to dict
        What else is known of a unit; of simulated files every true parameter.
    muaps : ndarray of float32, shape (units, channels, time), uV, or None
        True waveforms of simulated files.
    path : Path or None
        The file it was read from.
    places_known : bool
        False where nobody said where the electrodes are, and `geometry` is one row of them, to be replaced.
    notes : tuple of str
        What reading it from another format took for granted or left out, a sentence each.
    in_stream : InStream or None
        Where it holds some channels of a stream: their numbers there, by which decoders and options then name them.
    marks : tuple of Mark
        Cues, trials and pulses that were recorded beside it.
    """

    emg: NDArray[np.float32]
    fs_hz: float
    geometry: Geometry
    muscle: str = ""
    source: str = ""
    license: str = ""
    montage: str = "monopolar"
    force: NDArray[np.float32] | None = None
    force_unit: str = ""
    labels: tuple[str, ...] | None = None
    units: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    unit_attributes: dict[int, dict[str, object]] = field(default_factory=dict)
    muaps: NDArray[np.float32] | None = None
    path: Path | None = None
    places_known: bool = True
    notes: tuple[str, ...] = ()
    in_stream: InStream | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number by which each channel is named."""
        return tuple(range(self.channels)) if self.in_stream is None else self.in_stream.index

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.emg.shape[0]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.emg.shape[1]

    @property
    def duration_s(self) -> float:
        """Length, s."""
        return self.samples / self.fs_hz


def check_size(path: Path, channels: int, samples: int, fs_hz: float) -> None:
    """Refuse EMG that holds nothing, lies on its side, is too short for anything, or too long for memory.

    Raises
    ------
    RecordingError
    """
    if channels == 0 or samples == 0:
        raise RecordingError(f'"{path}" has emg of shape [{channels}, {samples}], which holds nothing: record again.')
    if channels * samples * 4 > LARGEST_BYTES:
        size = channels * samples * 4 / 1e9
        raise RecordingError(
            f'"{path}" declares {size:.0f} GB of EMG, more than the {LARGEST_BYTES >> 30} GiB read at once: '
            "cut it into parts."
        )
    if channels > samples:
        raise RecordingError(
            f'"{path}" has more channels ({channels}) than samples ({samples}), it is probably transposed: '
            "write emg as [channels, samples]."
        )
    if samples < SHORTEST_S * fs_hz:
        raise RecordingError(
            f'"{path}" lasts {samples / fs_hz:.2f} s, at least {SHORTEST_S:g} s is needed: choose a longer recording.'
        )


def refuse_not_finite(emg: NDArray[np.float32], path: Path) -> None:
    """Refuse EMG, shape (samples, channels), that holds what is no number.

    Raises
    ------
    RecordingError
    """
    bad = ~np.isfinite(emg)
    if not bad.any():
        return
    channels = np.flatnonzero(bad.any(axis=0))
    named = ", ".join(map(str, channels[:8])) + (f" and {len(channels) - 8} more" if len(channels) > 8 else "")
    raise RecordingError(
        f'"{path}" has {int(bad.sum())} values that are not finite (NaN or inf), in channel(s) {named}: '
        "repair the recording or leave these channels out."
    )


def in_a_row(channels: int) -> Geometry:
    """Places of electrodes that nothing is known of."""
    return Geometry(np.arange(channels), np.zeros(channels, np.int64), 1.0, channels, 1)


def shown(what: object) -> str:
    """What a file says, as it may stand in a message: short, on one line, and without control characters."""
    return ascii(" ".join(str(what).split()))[1:-1][:120]
