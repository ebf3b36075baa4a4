"""What an LSL stream says about itself, in our units, and whether a decoder can take it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from .decoder_file import Decoder
from .errors import MismatchError, StreamError

DTYPES = {
    pylsl.cf_float32: np.float32,
    pylsl.cf_double64: np.float64,
    pylsl.cf_int8: np.int8,
    pylsl.cf_int16: np.int16,
    pylsl.cf_int32: np.int32,
    pylsl.cf_int64: np.int64,
}
MICROVOLTS = {
    "uv": 1.0, "µv": 1.0, "μv": 1.0, "uvolt": 1.0, "µvolt": 1.0, "μvolt": 1.0, "microvolt": 1.0, "microvolts": 1.0,
    "mv": 1e3, "mvolt": 1e3, "millivolt": 1e3, "millivolts": 1e3, "v": 1e6, "volt": 1e6, "volts": 1e6,
}  # fmt: skip
RATE_TOLERANCE = 1e-3
LONGEST_UNIT = 40  # characters


@dataclass(frozen=True)
class SourceInfo:
    """A stream's description.

    Attributes
    ----------
    name, source_id, uid, hostname : str
    fs_hz : float
    channels : int
    dtype : type
        NumPy scalar type of the samples.
    labels : tuple of str or None
        The channels' own labels; None when absent or mere numbers.
    units : tuple of str
        Unit of every channel, lower case; "" where the stream gives none.
    positions : ndarray of float64, shape (channels, 3), mm, or None
        X across the fibres, Y depth, Z along the fibres.
    units_said : tuple of str
        The units as the stream writes them; empty as `units` are.
    """

    name: str
    source_id: str
    uid: str
    hostname: str
    fs_hz: float
    channels: int
    dtype: type
    labels: tuple[str, ...] | None
    units: tuple[str, ...]
    positions: NDArray[np.float64] | None
    units_said: tuple[str, ...] = ()

    def unit_said(self, channel: int) -> str:
        """Unit of a channel as the stream writes it, "" where it gives none."""
        return (self.units_said or self.units)[channel][:LONGEST_UNIT]


def describe(info: pylsl.StreamInfo) -> SourceInfo:
    """Read a full stream description, as an inlet's ``info()`` gives it.

    Raises
    ------
    StreamError
        The stream has string samples or no regular rate.
    """
    name = info.name()
    form = info.channel_format()
    if form not in DTYPES:
        raise StreamError(f'stream "{name}" has samples that are not numbers: choose the EMG stream with --stream')
    fs_hz = info.nominal_srate()
    if not fs_hz > 0:
        raise StreamError(f'stream "{name}" has no regular rate (0 Hz): choose the EMG stream with --stream')
    channels = info.channel_count()
    labels: list[str] = []
    units: list[str] = []
    positions = np.full((channels, 3), np.nan)
    entry = info.desc().child("channels").child("channel")
    while not entry.empty() and len(labels) < channels:
        location = entry.child("location")
        for axis, letter in enumerate("XYZ"):
            positions[len(labels), axis] = _number(location.child_value(letter))
        labels.append(entry.child_value("label").strip())
        units.append(entry.child_value("unit").strip())
        entry = entry.next_sibling("channel")
    own = len(labels) == channels and own_labels(labels)
    return SourceInfo(
        name=name,
        source_id=info.source_id(),
        uid=info.uid(),
        hostname=info.hostname(),
        fs_hz=fs_hz,
        channels=channels,
        dtype=DTYPES[form],
        labels=tuple(labels) if own else None,
        units=tuple(unit.lower() for unit in units) if len(units) == channels else ("",) * channels,
        positions=positions if np.isfinite(positions).any() else None,
        units_said=tuple(units) if len(units) == channels else (),
    )


def gain_to_microvolts(source: SourceInfo, index: NDArray[np.int64], gain: float | None) -> NDArray[np.float32]:
    """Factor from the stream's numbers to uV for the channels `index`, shape (channels,).

    Raises
    ------
    StreamError
        No gain is given and the stream names a unit that is not a voltage.
    """
    if gain is not None:
        return np.full(len(index), gain, np.float32)
    factors = np.ones(len(index), np.float32)
    for i, channel in enumerate(index):
        unit = source.units[channel]
        if unit in MICROVOLTS:
            factors[i] = MICROVOLTS[unit]
        elif unit:
            raise StreamError(
                f'channel {channel} of stream "{source.name}" is in "{unit[:20]}", not a voltage: '
                "choose the EMG channels with --channels, or give uV per unit with --gain"
            )
    return factors


def names_no_unit(source: SourceInfo, index: NDArray[np.int64]) -> bool:
    """Whether a selected channel comes without a unit, so that its numbers are taken as uV unless a gain is given."""
    return any(not source.units[channel] for channel in index)


def check_fit(source: SourceInfo, decoder: Decoder) -> None:
    """Refuse a stream that the decoder cannot take, naming the field that differs.

    Raises
    ------
    MismatchError
    """
    info = decoder.info
    name = f'stream "{source.name}"'
    if abs(source.fs_hz - info.fs_hz) > RATE_TOLERANCE * info.fs_hz:
        raise MismatchError(
            f"{decoder.path} was calibrated at {info.fs_hz:g} Hz, {name} runs at {source.fs_hz:g} Hz: "
            f"set the amplifier to {info.fs_hz:g} Hz or calibrate again"
        )
    index = np.array(info.channels.index)
    if source.channels <= index.max():
        raise MismatchError(
            f"{decoder.path} decodes channel {index.max()} (counted from 0), {name} has {source.channels} channels: "
            "set the amplifier as at calibration or calibrate again"
        )
    if info.channels.labels is not None and source.labels is not None:
        for channel, label in zip(index, info.channels.labels, strict=True):
            if source.labels[channel] != label:
                raise MismatchError(
                    f'{decoder.path} was calibrated with channel {channel} labelled "{label}", {name} labels it '
                    f'"{source.labels[channel][:40]}": restore the amplifier\'s channel order or calibrate again'
                )
    _check_positions(source, decoder, index)


def _check_positions(source: SourceInfo, decoder: Decoder, index: NDArray[np.int64]) -> None:
    """Compare places across and along the fibres after removing the mean, to within half a spacing."""
    if source.positions is None:
        return
    given = source.positions[index][:, [0, 2]]  # (channels, across and along), mm
    if not np.isfinite(given).all() or np.ptp(given, axis=0).max() == 0:
        return
    geometry = decoder.info.channels.geometry()
    expected = np.column_stack([geometry.across_mm(), geometry.along_mm()])
    apart = np.abs((given - given.mean(axis=0)) - (expected - expected.mean(axis=0))).max(axis=1)
    worst = int(apart.argmax())
    if apart[worst] > geometry.ied_mm / 2:
        raise MismatchError(
            f'{decoder.path} and stream "{source.name}" place channel {index[worst]} {apart[worst]:.1f} mm apart: '
            "the stream's electrode positions are not those of the calibration; restore them or calibrate again"
        )


def own_labels(labels: Sequence[str]) -> bool:
    """Whether labels say anything about which electrode is which."""
    return not all(_is_invented(label) for label in labels)


def _is_invented(label: str) -> bool:
    """Labels that only count: they say nothing about which electrode it is."""
    return not label or label.removeprefix("Ch").removeprefix("CH").removeprefix("ch").strip(" _-").isdigit()


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
