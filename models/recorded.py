"""What a decoder is calibrated on, filtered as the live path filters it, without the channels that are of no use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stream.decoder_file import Channels, FilterSettings
from ..stream.errors import CalibrationError
from ..stream.filter import CausalFilter
from ..stream.geometry import Geometry
from ..stream.watch import GOOD, REASONS, ChannelWatch, replace_what_is_no_number

BAD_SHARE = 0.5  # of the stretches flagged: a channel not to calibrate with
FEWEST_CHANNELS = 4


@dataclass(frozen=True)
class CalibrationInput:
    """What to calibrate on.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        Only the selected channels.
    fs_hz : float
    geometry : Geometry
        Of the selected channels.
    index : list of int
        Their places in the stream or recording.
    stream_channels : int
        How many channels that has in all.
    labels : list of str or None
        The source's own labels of the selected channels.
    montage : str
    source_sha256 : str
    """

    emg: NDArray[np.float32]
    fs_hz: float
    geometry: Geometry
    index: list[int]
    stream_channels: int
    labels: list[str] | None = None
    montage: str = "monopolar"
    source_sha256: str = ""


@dataclass(frozen=True)
class Prepared:
    """The same, ready to be searched.

    Attributes
    ----------
    raw, filtered : ndarray of float32, shape (samples, kept channels), uV
    geometry : Geometry
        Of the channels kept.
    channels : Channels
        What the decoder says of them.
    left_out : dict of int to str
        Channels that were found bad, and why.
    """

    raw: NDArray[np.float32]
    filtered: NDArray[np.float32]
    geometry: Geometry
    channels: Channels
    left_out: dict[int, str]


def prepare(source: CalibrationInput, settings: FilterSettings, bad: tuple[int, ...] = ()) -> Prepared:
    """Filter a recording and leave out the channels that are of no use.

    Parameters
    ----------
    source : CalibrationInput
    settings : FilterSettings
    bad : tuple of int
        Places in the stream to leave out in any case.

    Raises
    ------
    CalibrationError
        Too few channels are left.
    """
    filtered = _filtered(source.emg, settings)
    left_out = _bad_channels(source, filtered, bad)
    kept = np.array([c for c, place in enumerate(source.index) if place not in left_out])
    if len(kept) < FEWEST_CHANNELS:
        raise CalibrationError(
            f"{len(kept)} of {len(source.index)} channels are usable, of {FEWEST_CHANNELS} needed: check the electrodes"
        )
    geometry = source.geometry.select(kept)
    return Prepared(
        raw=np.ascontiguousarray(source.emg[:, kept]),
        filtered=np.ascontiguousarray(filtered[:, kept]),
        geometry=geometry,
        channels=Channels(
            index=[source.index[c] for c in kept],
            stream_channels=source.stream_channels,
            row=geometry.row.tolist(),
            col=geometry.col.tolist(),
            ied_mm=geometry.ied_mm,
            grid_rows=geometry.grid_rows,
            grid_cols=geometry.grid_cols,
            labels=None if source.labels is None else [source.labels[c] for c in kept],
            bad=sorted(left_out),
        ),
        left_out=left_out,
    )


def _filtered(emg: NDArray[np.float32], settings: FilterSettings) -> NDArray[np.float32]:
    """The EMG as the live path filters it."""
    filtered = np.array(emg, np.float32, order="C")
    replace_what_is_no_number(filtered, np.zeros(filtered.shape[1], np.float32))
    CausalFilter(settings.sections, filtered.shape[1])(filtered)
    return filtered


def _bad_channels(source: CalibrationInput, filtered: NDArray[np.float32], named: tuple[int, ...]) -> dict[int, str]:
    """Channels named as bad, and those that the live watch flags over half the recording."""
    watch = ChannelWatch(source.fs_hz, source.geometry.neighbours())
    emg = np.ascontiguousarray(source.emg, np.float32)
    stretch = watch.stretch
    stretches = len(emg) // stretch
    flagged = np.full((max(1, stretches), emg.shape[1]), GOOD, np.int64)
    for s in range(stretches):
        part = slice(s * stretch, (s + 1) * stretch)
        watch.forgive()
        watch(emg[part], filtered[part])
        flagged[s] = watch.state
    left_out = {channel: "named as bad" for channel in named if channel in source.index}
    often = (flagged != GOOD).mean(axis=0) > BAD_SHARE
    for c in np.flatnonzero(often):
        kinds, counts = np.unique(flagged[flagged[:, c] != GOOD, c], return_counts=True)
        left_out.setdefault(source.index[c], REASONS[int(kinds[counts.argmax()])])
    return left_out
