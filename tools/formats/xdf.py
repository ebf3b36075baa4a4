"""XDF, as LabRecorder writes it: one stream of several, on the recorder's clock, with its missing samples as NaN.

A stream is described as `run` reads one off the network, and its stamps are counted by the same `Timeline`: whole
sample periods that nobody recorded become rows of NaN, repeats are dropped, and a clock that was reset in between is
aligned by the recorder's clock offsets (pyxdf), so the time it took is kept too. Format: github.com/sccn/xdf/wiki.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element

import msgspec
import numpy as np
import pylsl
from numpy.typing import NDArray

from ...stream.errors import MyodriveError, OptionError, RecordingError
from ...stream.geometry import Geometry
from ...stream.markers import label_of
from ...stream.source_info import MICROVOLTS, SourceInfo, describe
from ...stream.timeline import Timeline
from ..events import Mark
from ..force import force_at
from ..positions import geometry_at
from ..recording import LARGEST_BYTES, MOST_MARKS, Recording, shown
from .bounded import LARGEST_TEXT, damaged, gunzipped, xml_root
from .held import chosen, microvolts, recording_held
from .wanted import Wanted

MAGIC = b"XDF:"
OUTLETS = "myodrive:"  # how the source ids of what we publish ourselves begin
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, FOOTER = 1, 2, 3, 4, 5, 6
OF_A_STREAM = (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, FOOTER)
BLOCK = 64  # samples whose stamps are accounted for at a time
RATE_IS_WRONG = 0.01  # stamps that differ by more from the rate declared are believed instead
WIDTHS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8}
FORMATS = {
    "int8": pylsl.cf_int8, "int16": pylsl.cf_int16, "int32": pylsl.cf_int32, "int64": pylsl.cf_int64,
    "float32": pylsl.cf_float32, "double64": pylsl.cf_double64,
}  # fmt: skip


@dataclass
class _Stream:
    """One stream's header and how much of it there is."""

    number: int
    header: Element
    chunks: int = 0

    def value(self, name: str) -> str:
        return (self.header.findtext(name) or "").strip()

    @property
    def name(self) -> str:
        return self.value("name")

    @property
    def regular(self) -> bool:
        """Whether it holds numbers at a fixed rate."""
        try:
            return self.value("channel_format") in FORMATS and float(self.value("nominal_srate")) > 0
        except ValueError:
            return False

    @property
    def marks(self) -> bool:
        """Whether it holds markers: text or numbers of that type, at any time."""
        said = self.value("channel_format") == "string" or self.value("type").lower() == "markers"
        return bool(self.chunks) and said and self.value("nominal_srate").strip("0.") == ""


class _Node:
    """An element as pylsl shows one, so that a recorded description is read by what reads a live one."""

    def __init__(self, element: Element | None, following: list[Element] | None = None) -> None:
        self._element = element
        self._following = following or []

    def empty(self) -> bool:
        return self._element is None

    def child(self, name: str) -> _Node:
        found = [] if self._element is None else self._element.findall(name)
        return _Node(found[0], found[1:]) if found else _Node(None)

    def next_sibling(self, name: str | None = None) -> _Node:
        return _Node(self._following[0], self._following[1:]) if self._following else _Node(None)

    def child_value(self, name: str) -> str:
        return "" if self._element is None else (self._element.findtext(name) or "")


class _Info:
    """A stream header as pylsl shows one."""

    def __init__(self, stream: _Stream, path: Path) -> None:
        self._stream = stream
        try:
            self._channels, self._rate = int(stream.value("channel_count")), float(stream.value("nominal_srate"))
        except ValueError as error:
            raise damaged(path, error) from error

    def name(self) -> str:
        return self._stream.name

    def channel_format(self) -> int:
        return FORMATS.get(self._stream.value("channel_format"), pylsl.cf_string)

    def nominal_srate(self) -> float:
        return self._rate

    def channel_count(self) -> int:
        return self._channels

    def source_id(self) -> str:
        return self._stream.value("source_id")

    def uid(self) -> str:
        return self._stream.value("uid")

    def hostname(self) -> str:
        return self._stream.value("hostname")

    def desc(self) -> _Node:
        return _Node(self._stream.header.find("desc"))


def read_xdf(path: Path, wanted: Wanted) -> Recording:
    """The EMG stream of an XDF file.

    Raises
    ------
    RecordingError
    """
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    held = gunzipped(path) if packed else None
    with _opened(path, held) as file:
        streams = _streams(file, path)
    stream = _choose(streams, wanted, path)
    source = describe(_Info(stream, path))  # type: ignore[arg-type]
    index = _emg_channels(source, stream, wanted, path)
    with _opened(path, held) as file:
        series, stamps = _load(file, stream, path)
    if not len(stamps) or series.ndim != 2 or series.shape[1] != source.channels:
        raise RecordingError(f'"{path}" holds no samples of stream "{shown(stream.name)}": choose another with --part.')
    factors = np.array([_factor(source, channel, wanted, path) for channel in index])
    fs_hz, signal, instants, notes = _evenly(series[:, index], stamps, source, path)
    marks, more = _marks([one for one in streams if one.marks], path, held, instants, fs_hz)
    force_stream = _force_stream(streams, stream, wanted, path)
    force = None
    if force_stream is not None:
        with _opened(path, held) as file:
            force = _force(*_load(file, force_stream, path), instants, force_stream, path)
    return recording_held(
        path,
        msgspec.structs.replace(wanted, channels=None),  # they are chosen
        _scaled(signal, factors),
        fs_hz,
        None if wanted.grid is not None else _geometry(source, index, wanted, path),
        labels=None if source.labels is None else [source.labels[channel] for channel in index],
        source=f'stream "{stream.name}" of {path.name}',
        force=force,
        force_unit="" if force_stream is None else _force_unit(force_stream),
        notes=(*notes, *more),
        marks=tuple(marks),
    )


def _opened(path: Path, held: bytes | None) -> BinaryIO:
    """The file, or what it unpacked to: pyxdf would tell by the name whether to unpack."""
    return open(path, "rb") if held is None else io.BytesIO(held)


def _streams(file: BinaryIO, path: Path) -> list[_Stream]:
    """The streams of a file, which must be whole: pyxdf would take what it can of a damaged one."""
    streams: dict[int, _Stream] = {}
    if file.read(4) != MAGIC:
        raise damaged(path, "it does not begin as XDF does")
    while (chunk := _next_chunk(file, path)) is not None:
        tag, size = chunk
        if tag not in OF_A_STREAM:
            if not FILE_HEADER <= tag <= FOOTER:
                raise damaged(path, f"a chunk of kind {tag}")
            _skip(file, size, path)
            continue
        number = int.from_bytes(_exactly(file, 4, path), "little")
        if tag == STREAM_HEADER:
            if size > LARGEST_TEXT or number in streams:
                raise damaged(path, f"the header of stream {number}")
            streams[number] = _Stream(number, xml_root(_exactly(file, size - 4, path), path, f"stream {number}"))
        else:
            if number not in streams:
                raise damaged(path, f"a chunk of stream {number}, which has no header")
            streams[number].chunks += tag == SAMPLES
            _skip(file, size - 4, path)
    return list(streams.values())


def _next_chunk(file: BinaryIO, path: Path) -> tuple[int, int] | None:
    """Kind and size of what follows; None at the end."""
    width = file.read(1)
    if not width:
        return None
    if width[0] not in (1, 4, 8):
        raise damaged(path, "a chunk of no known size")
    size = int.from_bytes(_exactly(file, width[0], path), "little")
    if size < 2:
        raise damaged(path, "an empty chunk")
    return int.from_bytes(_exactly(file, 2, path), "little"), size - 2


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    found = file.read(size) if 0 <= size <= LARGEST_BYTES else b""
    if len(found) != size:
        raise damaged(path, "its last chunk is not whole")
    return found


def _skip(file: BinaryIO, size: int, path: Path) -> None:
    """Pass over a chunk, of which the last byte must be there."""
    if size < 0:
        raise damaged(path, "a chunk shorter than its head")
    if size:
        file.seek(min(size - 1, 1 << 62), 1)
        _exactly(file, 1, path)


def _choose(streams: list[_Stream], wanted: Wanted, path: Path) -> _Stream:
    """The stream asked for; else the only one of EMG, else the only one of numbers at a fixed rate."""
    usable = [stream for stream in streams if stream.regular and stream.chunks]
    if not usable:
        raise RecordingError(f'"{path}" holds no stream of numbers at a fixed rate: choose another file.')
    if wanted.part is None:
        usable = [stream for stream in usable if stream.value("type").upper() == "EMG"] or usable
    names = [f"{stream.name} ({stream.value('type')})" for stream in usable]
    exact = [n for n, stream in enumerate(usable) if stream.name == wanted.part]
    return usable[exact[0] if len(exact) == 1 else chosen(names, wanted.part, path, "streams")]


def _emg_channels(source: SourceInfo, stream: _Stream, wanted: Wanted, path: Path) -> NDArray[np.int64]:
    """The channels asked for; else those of EMG or of a voltage, which must be the stream's first ones.

    A decoder counts channels as the stream does, so channels that were left out before others would shift the rest.
    """
    if wanted.channels is not None:
        index = np.array(wanted.channels, np.int64)
        if index.size == 0 or index.max() >= source.channels:
            raise RecordingError(
                f'"{path}" has {source.channels} channels in stream "{shown(source.name)}": correct --channels.'
            )
        return index
    kinds = [
        (entry.findtext("type") or "").strip().upper() for entry in stream.header.iterfind("desc/channels/channel")
    ]
    emg = [c for c, kind in enumerate(kinds[: source.channels]) if kind == "EMG"]
    if not emg and any(source.units):
        emg = [c for c, unit in enumerate(source.units) if unit in MICROVOLTS]
    emg = emg or list(range(source.channels))
    if emg != list(range(len(emg))):
        raise RecordingError(
            f'"{path}" has other channels before the EMG in stream "{shown(source.name)}": choose them with '
            f"`myodrive convert --channels`, here {emg[0]}-{emg[-1]}."
        )
    return np.array(emg, np.int64)


def _scaled(signal: NDArray[np.float32], factors: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number stays none
        return signal * factors.astype(np.float32)


def _factor(source: SourceInfo, channel: int, wanted: Wanted, path: Path) -> float:
    unit = wanted.unit or source.units[channel]
    if not unit:
        raise RecordingError(
            f'"{path}" names no unit for channel {channel} of stream "{shown(source.name)}": '
            "say which it is with `myodrive convert --unit`."
        )
    return microvolts(unit, path, f"channel {channel}")


def _geometry(source: SourceInfo, index: NDArray[np.int64], wanted: Wanted, path: Path) -> Geometry | None:
    try:
        return geometry_at(
            None if source.positions is None else source.positions[index][:, [0, 2]], f'stream "{source.name}"'
        )
    except OptionError as error:
        if wanted.need_places:
            raise RecordingError(f'"{path}": {error}') from error
        return None


def _load(file: BinaryIO, stream: _Stream, path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Samples and their stamps on the recorder's clock."""
    import pyxdf

    complaints: list[str] = []
    listener = logging.Handler(logging.ERROR)
    listener.emit = lambda record: complaints.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("pyxdf")
    log.addHandler(listener)
    log.propagate = False
    try:
        # dejittering would close gaps shorter than a second without a word
        streams, _ = pyxdf.load_xdf(file, select_streams=[stream.number], dejitter_timestamps=False)
    except MyodriveError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # whatever pyxdf stumbles over, as any type
        raise damaged(path, error) from error
    finally:
        log.removeHandler(listener)
    if complaints or len(streams) != 1:
        raise damaged(path, complaints[0] if complaints else "its stream is not there")
    series = streams[0]["time_series"]  # a list where it is text
    kind = object if isinstance(series, list) else None
    return np.asarray(series, kind), np.asarray(streams[0]["time_stamps"], np.float64)


def measured_rate(stamps: NDArray[np.float64], nominal_hz: float) -> float:
    """The rate declared, unless every way of reading the stamps says otherwise.

    Jitter spoils single differences and gaps spoil long ones, so both the median of one and of many must disagree.
    """
    lag = max(1, min(round(nominal_hz), len(stamps) // 4))
    steps = np.diff(stamps)
    long = stamps[lag:] - stamps[:-lag]
    if not len(long) or not (np.median(steps) > 0 and np.median(long) > 0):
        return nominal_hz
    single_hz, many_hz = float(1.0 / np.median(steps)), float(lag / np.median(long))
    wrong = [abs(hz / nominal_hz - 1) > RATE_IS_WRONG for hz in (single_hz, many_hz)]
    return many_hz if all(wrong) else nominal_hz


def _evenly(
    series: NDArray[Any], stamps: NDArray[np.float64], source: SourceInfo, path: Path
) -> tuple[float, NDArray[np.float32], NDArray[np.float64], list[str]]:
    """Rate, rows from the first sample to the last, NaN where none was recorded, when each row was, and notes."""
    fs_hz = measured_rate(stamps, source.fs_hz)
    timeline = Timeline(fs_hz)
    parts: list[tuple[int, int, int]] = []  # first row taken, first sample taken, samples
    taken, row = 0, 0
    while taken < len(stamps):
        block = stamps[taken : taken + BLOCK]
        stretch = timeline.account(block, float(block[-1]) if np.isfinite(block[-1]) else 0.0)
        taken += stretch.repeats
        row += stretch.lost
        if stretch.samples:
            parts.append((row, taken, stretch.samples))
        taken += stretch.samples
        row += stretch.samples
        if not stretch.repeats and not stretch.samples:
            raise damaged(path, "its time stamps cannot be followed")
    rows = parts[-1][0] + parts[-1][2] if parts else 0
    if rows * series.shape[1] * 4 > LARGEST_BYTES:
        raise RecordingError(
            f'"{path}" has a gap of {(rows - len(stamps)) / fs_hz:.0f} s between samples, too long to be kept: '
            "take the part before or after it with another program."
        )
    signal = np.full((rows, series.shape[1]), np.nan, np.float32)
    for at, first, samples in parts:
        signal[at : at + samples] = series[first : first + samples]
    notes = []
    if fs_hz != source.fs_hz:
        notes.append(f"the stream declares {source.fs_hz:g} Hz, its time stamps say {fs_hz:.5g} Hz, which was taken")
    if dropped := len(stamps) - sum(samples for _, _, samples in parts):
        notes.append(f"{dropped} samples came a second time, by their time stamps, and were dropped")
    if timeline.timing == "estimated":
        notes.append("the time stamps are not good to a sample: the length of a gap is an estimate")
    rows_taken = np.concatenate([np.arange(at, at + samples) for at, _, samples in parts])
    kept = np.concatenate([stamps[first : first + samples] for _, first, samples in parts])
    return fs_hz, signal, np.interp(np.arange(rows), rows_taken, kept), notes


def _force_stream(streams: list[_Stream], emg: _Stream, wanted: Wanted, path: Path) -> _Stream | None:
    """The stream asked for, else the only one whose type is force; None where there is none."""
    others = [stream for stream in streams if stream.regular and stream.chunks and stream is not emg]
    if wanted.force is not None:
        return others[chosen([stream.name for stream in others], wanted.force, path, "streams beside the EMG")]
    forces = [stream for stream in others if stream.value("type").lower() == "force"]
    return forces[0] if len(forces) == 1 else None


def _force(
    series: NDArray[Any], stamps: NDArray[np.float64], instants: NDArray[np.float64], stream: _Stream, path: Path
) -> NDArray[np.float32]:
    """The first channel of a stream at the instants of the EMG, as `force_at` puts it there."""
    known = np.isfinite(stamps)
    order = np.argsort(stamps[known], kind="stable")
    if series.ndim != 2 or not order.size:
        raise RecordingError(f'"{path}" holds no samples of stream "{shown(stream.name)}": choose another --force.')
    values = series[known, 0][order].astype(np.float64)
    return force_at(stamps[known][order], values, instants, float(stream.value("nominal_srate")))


def _marks(
    found: list[_Stream], path: Path, held: bytes | None, instants: NDArray[np.float64], fs_hz: float
) -> tuple[list[Mark], list[str]]:
    """Markers of these streams on the rows of EMG nearest in time, and notes; those of several stand with its name."""
    rising, rows = np.maximum.accumulate(instants), np.arange(len(instants))
    marks: list[Mark] = []
    ours = [stream for stream in found if stream.value("source_id").startswith(OUTLETS)]
    notes = [f'the discharges in stream "{shown(stream.name)}", found live, were left out' for stream in ours]
    found = [stream for stream in found if stream not in ours]
    for stream in found:
        try:
            with _opened(path, held) as file:
                series, stamps = _load(file, stream, path)
        except RecordingError as error:
            notes.append(f'the markers of stream "{shown(stream.name)}" were left out: {error}')
            continue
        known = np.flatnonzero(np.isfinite(stamps))
        row = np.interp(stamps, rising, rows) + fs_hz * (stamps - np.clip(stamps, rising[0], rising[-1]))
        named = f"{stream.name}: " if len(found) > 1 else ""
        marks += [Mark(round(float(row[n])), named + label_of(series[n])) for n in known]
        if len(known) < len(stamps):
            notes.append(
                f'{len(stamps) - len(known)} markers of stream "{shown(stream.name)}" have no time and were left out'
            )
    if len(marks) > MOST_MARKS:
        notes.append(f"{len(marks) - MOST_MARKS} markers, all beyond the first {MOST_MARKS}, were left out")
    return sorted(marks, key=lambda mark: mark.sample)[:MOST_MARKS], notes


def _force_unit(stream: _Stream) -> str:
    return (stream.header.findtext("desc/channels/channel/unit") or "").strip()
