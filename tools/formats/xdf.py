"""XDF, as LabRecorder writes it: one stream of several, on the recorder's clock, with its missing samples as NaN.

A stream is described as `run` reads one off the network, and its stamps are counted by the same `Timeline`: whole
sample periods that nobody recorded become rows of NaN, repeats are dropped, and a clock that was reset in between is
aligned by the recorder's clock offsets (pyxdf), so the time it took is kept too. Format: github.com/sccn/xdf/wiki.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...stream.errors import OptionError, RecordingError
from ...stream.geometry import Geometry
from ...stream.markers import label_of
from ...stream.source_info import MICROVOLTS, SourceInfo, describe
from ...stream.timeline import Timeline
from ..events import Mark
from ..force import force_at
from ..positions import geometry_at
from ..recording import LARGEST_BYTES, MOST_MARKS, Recording, shown
from .bounded import damaged, gunzipped
from .held import chosen, microvolts, recording_held
from .wanted import Wanted
from .xdf_streams import StreamHeader, XdfStream, load, opened, streams_of

OUTLETS = "myodrive:"  # how the source ids of what we publish ourselves begin
BLOCK = 64  # samples whose stamps are accounted for at a time
RATE_IS_WRONG = 0.01  # stamps that differ by more from the rate declared are believed instead


def read_xdf(path: Path, wanted: Wanted) -> Recording:
    """The EMG stream of an XDF file.

    Raises
    ------
    RecordingError
    """
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    held = gunzipped(path) if packed else None
    with opened(path, held) as file:
        streams = streams_of(file, path)
    stream = _choose(streams, wanted, path)
    source = describe(StreamHeader(stream, path))  # type: ignore[arg-type]
    index = _emg_channels(source, stream, wanted, path)
    with opened(path, held) as file:
        series, stamps = load(file, stream, path)
    if not len(stamps) or series.ndim != 2 or series.shape[1] != source.channels:
        raise RecordingError(f'"{path}" holds no samples of stream "{shown(stream.name)}": choose another with --part.')
    factors = np.array([_factor(source, channel, wanted, path) for channel in index])
    fs_hz, signal, instants, notes = _evenly(series[:, index], stamps, source, path)
    marks, more = _marks([one for one in streams if one.marks], path, held, instants, fs_hz)
    force_stream = _force_stream(streams, stream, wanted, path)
    force = None
    if force_stream is not None:
        with opened(path, held) as file:
            force = _force(*load(file, force_stream, path), instants, force_stream, path)
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


def _choose(streams: list[XdfStream], wanted: Wanted, path: Path) -> XdfStream:
    """The stream asked for; else the only one of EMG, else the only one of numbers at a fixed rate."""
    usable = [stream for stream in streams if stream.regular and stream.chunks]
    if not usable:
        raise RecordingError(f'"{path}" holds no stream of numbers at a fixed rate: choose another file.')
    if wanted.part is None:
        usable = [stream for stream in usable if stream.value("type").upper() == "EMG"] or usable
    names = [f"{stream.name} ({stream.value('type')})" for stream in usable]
    exact = [n for n, stream in enumerate(usable) if stream.name == wanted.part]
    return usable[exact[0] if len(exact) == 1 else chosen(names, wanted.part, path, "streams")]


def _emg_channels(source: SourceInfo, stream: XdfStream, wanted: Wanted, path: Path) -> NDArray[np.int64]:
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


def _force_stream(streams: list[XdfStream], emg: XdfStream, wanted: Wanted, path: Path) -> XdfStream | None:
    """The stream asked for, else the only one whose type is force; None where there is none."""
    others = [stream for stream in streams if stream.regular and stream.chunks and stream is not emg]
    if wanted.force is not None:
        return others[chosen([stream.name for stream in others], wanted.force, path, "streams beside the EMG")]
    forces = [stream for stream in others if stream.value("type").lower() == "force"]
    return forces[0] if len(forces) == 1 else None


def _force(
    series: NDArray[Any], stamps: NDArray[np.float64], instants: NDArray[np.float64], stream: XdfStream, path: Path
) -> NDArray[np.float32]:
    """The first channel of a stream at the instants of the EMG, as `force_at` puts it there."""
    known = np.isfinite(stamps)
    order = np.argsort(stamps[known], kind="stable")
    if series.ndim != 2 or not order.size:
        raise RecordingError(f'"{path}" holds no samples of stream "{shown(stream.name)}": choose another --force.')
    values = series[known, 0][order].astype(np.float64)
    return force_at(stamps[known][order], values, instants, float(stream.value("nominal_srate")))


def _marks(
    found: list[XdfStream], path: Path, held: bytes | None, instants: NDArray[np.float64], fs_hz: float
) -> tuple[list[Mark], list[str]]:
    """Markers of these streams on the rows of EMG nearest in time, and notes; those of several stand with its name."""
    rising, rows = np.maximum.accumulate(instants), np.arange(len(instants))
    marks: list[Mark] = []
    ours = [stream for stream in found if stream.value("source_id").startswith(OUTLETS)]
    notes = [f'the discharges in stream "{shown(stream.name)}", found live, were left out' for stream in ours]
    found = [stream for stream in found if stream not in ours]
    for stream in found:
        try:
            with opened(path, held) as file:
                series, stamps = load(file, stream, path)
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


def _force_unit(stream: XdfStream) -> str:
    return (stream.header.findtext("desc/channels/channel/unit") or "").strip()
