"""OT Bioelettronica's archives, OTB+ and OTB4: told apart by what lies in them.

Each is a tar archive of signals, all channels of an instant together, and XML that describes them. What is known of
them is what the maker's own scripts do (github.com/OTBioelettronica/OTB-Matlab).

- OTB+: `NAME.sig` with `NAME.xml`: a Device (Name, SampleFrequency, ad_bits, DeviceTotalChannels) with Adapters (ID,
  Gain, ChannelStartIndex) with Channels (Index, ID, Muscle, Gain). A count is `range / 2^ad_bits / gain` volts; the
  converter's range is not in the file but known of each device (`_converter`).
- OTB4: `Tracks_000.xml` with one TrackInfo an array: SignalStreamPath, AcquisitionChannel, NumberOfChannels,
  ADC_Range (V), ADC_Nbits, Gain, SamplingFrequency, SubTitle (the grid). A count is `range / 2^bits / gain` volts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import RecordingError
from ...stream.geometry import Geometry
from ..grids import NAMED, grid, grid_within
from ..recording import Recording, shown
from .bounded import Archive, damaged
from .held import chosen, rate, recording_held
from .wanted import Wanted

UV_PER_V = 1e6
MOST_CHANNELS = 65_536
NO_EMG = (
    "aux", "quaternion", "buffer", "ramp", "load", "force", "control", "trigger", "direct connection", "performed",
    "original", "trapezoid", "imu",
)  # fmt: skip
FORCES = ("load cell", "loadcell", "force")
_DTYPES = {2: "<i2", 4: "<i4", 8: "<f8"}


@dataclass
class _Channel:
    """One channel of a signal: where it lies, what it is, and volts in one of its numbers."""

    column: int
    grid: str
    muscle: str
    volts: float
    emg: bool
    adapter: int = 0
    name: str = ""


@dataclass
class _Signals:
    """A `.sig` of an archive and its channels."""

    name: str
    fs_hz: float
    total: int
    width: int  # bytes of a number
    channels: list[_Channel] = field(default_factory=list)
    device: str = ""


@dataclass
class _Array:
    """Channels of EMG that lie on one grid."""

    signals: _Signals
    channels: list[_Channel]

    @property
    def name(self) -> str:
        first = self.channels[0]
        words = [first.grid, f"on {first.muscle}" if first.muscle else "", f"{len(self.channels)} channels"]
        return ", ".join(word for word in words if word)

    @property
    def geometry(self) -> Geometry | None:
        known = grid_within(self.channels[0].grid)
        places = None if known is None else grid(known)
        return places if places is not None and len(places) == len(self.channels) else None


def read_otb(path: Path, wanted: Wanted) -> Recording:
    """An array of an OTB+ or OTB4 file.

    Raises
    ------
    RecordingError
    """
    archive = Archive(path)
    try:
        tracks = [name for name in archive.names(".xml") if Path(name).name.startswith("Tracks_")]
        signals = _of_tracks(archive, tracks, path) if tracks else _of_devices(archive, path)
        arrays = [array for one in signals for array in _arrays(one)]
        if not arrays:
            raise RecordingError(f'"{path}" holds no EMG: choose another file.')
        array = arrays[chosen([one.name for one in arrays], wanted.part, path, "arrays of electrodes")]
        numbers = _numbers(archive, array.signals, path)
    finally:
        archive.close()
    volts = np.array([channel.volts for channel in array.channels])
    emg = (numbers[:, [channel.column for channel in array.channels]] * (volts * UV_PER_V)).astype(np.float32)
    force = _force(signals, array.signals, wanted, path)
    return recording_held(
        path,
        wanted,
        emg,
        array.signals.fs_hz,
        None if wanted.grid is not None else array.geometry,
        force=None if force is None else numbers[:, force.column] * force.volts,
        force_unit="" if force is None else "V",
        muscle=array.channels[0].muscle,
        source=", ".join(filter(None, [array.signals.device, array.channels[0].grid, path.name])),
    )


# --- OTB+ -------------------------------------------------------------------------------------------------------------


def _of_devices(archive: Archive, path: Path) -> list[_Signals]:
    """Every signal that a device recorded; what was computed of them has no Device."""
    found = []
    for name in archive.names(".sig"):
        description = name[: -len(".sig")] + ".xml"
        if description not in archive:
            continue
        root = archive.xml(description)
        if root.tag == "Device":
            found.append(_of_device(root, name, path))
    if not found:
        raise RecordingError(f'"{path}" is an archive without signals of an OT amplifier: choose another file.')
    return found


def _of_device(device: Element, name: str, path: Path) -> _Signals:
    bits, total = _whole(device, "ad_bits", path), _whole(device, "DeviceTotalChannels", path)
    if bits not in (16, 24, 32) or not 1 <= total <= MOST_CHANNELS:
        raise damaged(path, f"{total} channels of {bits} bits")
    device_name = device.get("Name", "").partition(";")[0].strip()
    signals = _Signals(name, rate(device.get("SampleFrequency"), path), total, bits // 8, device=device_name)
    for number, adapter in enumerate(device.iter("Adapter")):
        adapter_id = adapter.get("ID", "").partition(";")[0].strip()
        first = _whole(adapter, "ChannelStartIndex", path)
        for channel in adapter.iter("Channel"):
            column = first + _whole(channel, "Index", path)
            if not 0 <= column < total:
                raise damaged(path, f"channel {column} of {total}")
            gain = _number(adapter, "Gain", path) * _number(channel, "Gain", path)
            label = channel.get("ID", "").strip()
            emg = _is_emg(label, channel.get("Description", "")) and _is_emg(adapter_id.removeprefix("Adapter"))
            volts = _volts(device_name, adapter_id, gain, bits, path) if emg or _names_force(label, adapter_id) else 1.0
            muscle = channel.get("Muscle", "").strip()
            muscle = "" if muscle.lower() in ("not defined", "undefined", "n/a") else muscle
            signals.channels.append(_Channel(column, label, muscle, volts, emg, number, label or adapter_id))
    signals.channels.sort(key=lambda channel: channel.column)
    return signals


def _converter(device: str, adapter: str, bits: int) -> tuple[float, float] | None:
    """Range of the converter, V, and the gain before it, where the file says 1; None for a device nobody described."""
    device = device.upper()
    if adapter.startswith("Direct connection"):
        return 5.0, 0.5
    if "load" in adapter.lower():
        return 5.0, 205.0
    if device.startswith(("QUATTRO+", "DUE+")) or adapter in ("Due+", "Quattro+"):
        return 3.3, 202.0
    if device.startswith("QUATTRO"):  # QUATTROCENTO too
        return 5.0, 150.0
    if device == "DUE":
        return 5.0, 200.0
    if device.startswith(("SESSANTAQUATTRO", "MUOVI", "SYNCSTATION")):
        return 4.8, 256.0 if bits == 16 else 1.0
    return None


def _volts(device: str, adapter: str, gain: float, bits: int, path: Path) -> float:
    known = _converter(device, adapter, bits)
    if known is None:
        raise RecordingError(
            f'"{path}" was recorded with "{shown(device)}", whose converter is not known here: export it from its '
            "program in another format."
        )
    range_v, usual_gain = known
    return float(range_v / 2**bits / (usual_gain if gain in (0.0, 1.0) else gain))


# --- OTB4 -------------------------------------------------------------------------------------------------------------


def _of_tracks(archive: Archive, tracks: Sequence[str], path: Path) -> list[_Signals]:
    entries = [entry for name in tracks for entry in archive.xml(name).iter("TrackInfo")]
    entries = [entry for entry in entries if _text(entry, "SignalStreamPath")]
    found: dict[str, _Signals] = {}
    for number, entry in enumerate(entries):
        name = _text(entry, "SignalStreamPath").replace("\\", "/")
        if name not in found:
            found[name] = _stream(archive, name, entries, entry, path)
        signals = found[name]
        first, count = _of_track(entry, "AcquisitionChannel", 0, path), _of_track(entry, "NumberOfChannels", 1, path)
        if first < 0 or count < 0 or first + count > signals.total:
            raise damaged(path, f"channels {first} to {first + count - 1} of {signals.total}")
        title, grid_name = _text(entry, "Title"), _text(entry, "SubTitle")
        processed = _text(entry, "IsControl").lower() == "true" or _text(entry, "IsProcessing").lower() == "true"
        bits = _of_track(entry, "ADC_Nbits", 0, path)
        emg = not processed and bits > 0 and _is_emg(title, grid_name)
        volts = _scale_of(entry, bits, path)
        name_known = grid_within(grid_name) or grid_within(title) or grid_name
        for channel in range(count):
            signals.channels.append(
                _Channel(first + channel, name_known, "", volts, emg, number, f"{title} {grid_name}")
            )
    if not found:
        raise RecordingError(f'"{path}" names no signals in its tracks: choose another file.')
    return list(found.values())


def _scale_of(entry: Element, bits: int, path: Path) -> float:
    """Volts in one count; where there is no converter the numbers are taken as they are."""
    if not 0 < bits <= 64:
        return 1.0
    range_v, gain = _number_of(entry, "ADC_Range", 1.0, path), _number_of(entry, "Gain", 1.0, path)
    return range_v / 2.0**bits / (gain or 1.0)


def _stream(archive: Archive, name: str, entries: Sequence[Element], entry: Element, path: Path) -> _Signals:
    """A signal file: its channels and the width of its numbers, where older files do not say them."""
    same = [other for other in entries if _text(other, "SignalStreamPath").replace("\\", "/") == name]
    total = _of_track(entry, "TotalChannelsInFile", 0, path)
    total = total or sum(_of_track(other, "NumberOfChannels", 1, path) for other in same)
    width = _of_track(entry, "SampleSize", 0, path)
    device = _text(entry, "Device").partition(";")[0].strip()
    width = width or (4 if device == "Novecento+" else 2)
    if width not in (2, 3, 4, 8) or not 1 <= total <= MOST_CHANNELS:
        raise damaged(path, f"{total} channels of {width} bytes")
    rates = {rate(_text(other, "SamplingFrequency"), path) for other in same}
    if len(rates) > 1:
        raise damaged(path, f'several rates in "{name}"')
    return _Signals(name, rates.pop(), total, width, device=device)


# --- both -------------------------------------------------------------------------------------------------------------


def _arrays(signals: _Signals) -> list[_Array]:
    """Runs of EMG channels with one grid and muscle, a new one where a grid is full or, of an unknown one, an adapter.

    A grid of 64 may come through one connector or through four of 16.
    """
    found: list[_Array] = []
    for channel in signals.channels:
        if not channel.emg:
            continue
        last = found[-1].channels if found else []
        if last and last[-1].grid == channel.grid and last[-1].muscle == channel.muscle:
            known = grid_within(channel.grid)
            full = len(last) >= len(grid(known)) if known in NAMED else last[-1].adapter != channel.adapter
            if not full:
                last.append(channel)
                continue
        found.append(_Array(signals, [channel]))
    return found


def _numbers(archive: Archive, signals: _Signals, path: Path) -> NDArray[Any]:
    """What the converter gave, shape (samples, channels)."""
    raw = archive.read(signals.name)
    if len(raw) % (signals.total * signals.width):
        raise damaged(path, f'"{signals.name}" is no whole number of samples of {signals.total} channels')
    if signals.width in _DTYPES:
        return np.frombuffer(raw, _DTYPES[signals.width]).reshape(-1, signals.total)
    wide = np.zeros((len(raw) // 3, 4), np.uint8)  # above an empty lowest byte, so that the sign comes along
    wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
    return wide.view("<i4").reshape(-1, signals.total) >> 8


def _force(found: list[_Signals], signals: _Signals, wanted: Wanted, path: Path) -> _Channel | None:
    """The channel of the force: the one named, or the only one that is called load cell or force."""
    others = [channel for channel in signals.channels if not channel.emg]
    if wanted.force is not None:
        return others[chosen([channel.name for channel in others], wanted.force, path, "channels beside the EMG")]
    forces = [channel for channel in others if _names_force(channel.name)]
    return forces[0] if len(forces) == 1 else None


def _is_emg(*words: str) -> bool:
    return not any(word.lower().strip().startswith(NO_EMG) for word in words)


def _names_force(*words: str) -> bool:
    return any(name in word.lower() for word in words for name in FORCES)


def _text(entry: Element, name: str) -> str:
    return (entry.findtext(name) or "").strip()


def _of_track(entry: Element, name: str, usual: int, path: Path) -> int:
    return int(_number_of(entry, name, usual, path))


def _number_of(entry: Element, name: str, usual: float, path: Path) -> float:
    text = _text(entry, name)
    return usual if not text else _parsed(text, name, path)


def _number(entry: Element, name: str, path: Path) -> float:
    return _parsed(entry.get(name, "1"), name, path)


def _whole(entry: Element, name: str, path: Path) -> int:
    return int(_parsed(entry.get(name, ""), name, path))


def _parsed(text: str, name: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not abs(value) < 1e12:
        raise damaged(path, f'{name} = "{text[:20]}"')
    return value
