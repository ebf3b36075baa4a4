"""EDF and BDF files: 16-bit and 24-bit samples with a scale for every channel (edfplus.info, biosemi.com).

What is written is plain 24-bit BDF. A channel's samples x become whole numbers n = round(x D / P) with D = 8388607 and
P the smallest decimal that the header's eight characters hold and that is not below max|x|, so what is read back
differs from x by P / (2 D) at most (see `step_of`), beside the rounding of float32 itself.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import RecordingError
from ..recording import LARGEST_BYTES, shown
from ..whole_file import written_whole
from .bounded import damaged

LARGEST_DIGITAL = 8_388_607  # 24 bits, the same both ways, so that 0 uV is written as 0
MOST_SIGNALS = 4096
FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)  # widths of each signal's part of the header
LABEL, TRANSDUCER, DIMENSION, LOWEST, HIGHEST, DIGITAL_LOWEST, DIGITAL_HIGHEST, FILTER, COUNT, RESERVED = range(10)
LONGEST_RECORD_S = 100
NUMBER_WIDTH = 8
LARGEST_UV = 9_999_999
MOST_DECIMALS = 5  # of "-0.00001"
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True)
class Signal:
    """One channel of a file.

    Attributes
    ----------
    label, unit : str
    values : ndarray of float64, shape (samples,)
        In `unit`.
    fs_hz : float
    """

    label: str
    unit: str
    values: NDArray[np.float64]
    fs_hz: float


@dataclass(frozen=True)
class _Header:
    """What precedes the samples."""

    signals: list[list[str]]
    width: int  # bytes of a sample
    size: int  # bytes of the header
    record_s: float
    records: int
    broken: bool  # records need not follow one another

    @property
    def counts(self) -> list[int]:
        """Samples of each signal in a record."""
        return [int(fields[COUNT]) for fields in self.signals]


def read_edf(path: Path) -> list[Signal]:
    """The channels of an EDF or BDF file, pauses between its records filled with NaN.

    Raises
    ------
    RecordingError
    """
    header = _header(path)
    counts = header.counts
    wide = sum(counts) * header.width
    with open(path, "rb") as file:
        file.seek(header.size)
        raw = np.frombuffer(file.read(header.records * wide), np.uint8).reshape(header.records, wide)
    first = np.concatenate([[0], np.cumsum(counts)]) * header.width
    columns = [raw[:, first[n] : first[n + 1]] for n in range(len(counts))]
    onsets = _onsets(header, columns, path) if header.broken else np.arange(header.records) * header.record_s
    return [
        _signal(fields, column, count, header, onsets, path)
        for fields, column, count in zip(header.signals, columns, counts, strict=True)
        if fields[LABEL] not in ANNOTATIONS and count
    ]


def _header(path: Path) -> _Header:
    """Read and check the header."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(256)
        try:
            width = 3 if head[0] == 0xFF else 2
            signals = int(head[252:256])
            if not 1 <= signals <= MOST_SIGNALS:
                raise ValueError(f"{signals} signals")
            records, record_s = int(head[236:244]), float(head[244:252])
            table = file.read(256 * signals).decode("latin-1")
            if len(table) < 256 * signals or int(head[184:192]) != 256 * (signals + 1):
                raise ValueError("its header is not whole")
            fields, at = [], 0
            for wide in FIELDS:
                fields.append([table[at + wide * n : at + wide * (n + 1)].strip(" \0") for n in range(signals)])
                at += wide * signals
            each = [list(one) for one in zip(*fields, strict=True)]
            counts = [int(one[COUNT]) for one in each]
            if min(counts) < 0 or not sum(counts) or not (math.isfinite(record_s) and record_s >= 0):
                raise ValueError("records that hold nothing")
        except (ValueError, IndexError) as error:
            raise damaged(path, error) from error
    wide = sum(counts) * width
    present = (size - 256 * (signals + 1)) // wide
    if records < 0:
        records = present  # still being written when it was closed
    if records > present or records == 0:
        raise damaged(path, f"{present} of its {records} records are there")
    if records * sum(counts) * 4 > LARGEST_BYTES:
        raise RecordingError(f'"{path}" holds more than the {LARGEST_BYTES >> 30} GiB read at once: cut it into parts.')
    if record_s == 0:
        raise RecordingError(f'"{path}" holds events and no signal: choose another file.')
    return _Header(each, width, 256 * (signals + 1), record_s, records, head[192:197] in (b"EDF+D", b"BDF+D"))


def _signal(
    fields: list[str], column: NDArray[np.uint8], count: int, header: _Header, onsets: NDArray[np.float64], path: Path
) -> Signal:
    try:
        low, high, below, above = (float(fields[n]) for n in (LOWEST, HIGHEST, DIGITAL_LOWEST, DIGITAL_HIGHEST))
    except ValueError as error:
        raise damaged(path, error) from error
    if not (above > below and math.isfinite(high - low)):
        raise damaged(path, f'the range of channel "{fields[LABEL]}"')
    step = (high - low) / (above - below)
    values = (_whole_numbers(column, count, header.width) - below) * step + low
    fs_hz = count / header.record_s
    places = np.round(onsets * fs_hz).astype(np.int64)
    if (np.diff(places) == count).all() and len(places):
        values = values.ravel()
    else:
        spread = np.full(int(places[-1]) + count, np.nan)
        for place, record in zip(places.tolist(), values, strict=True):
            spread[place : place + count] = record
        values = spread
    return Signal(fields[LABEL], fields[DIMENSION], values, fs_hz)


def _whole_numbers(column: NDArray[np.uint8], count: int, width: int) -> NDArray[np.float64]:
    """Samples of all records, shape (records, count), from their bytes, the lowest first."""
    if width == 2:
        return np.ascontiguousarray(column).view("<i2").astype(np.float64)
    shifted = np.zeros((len(column), count, 4), np.uint8)  # above an empty lowest byte, so that the sign comes along
    shifted[:, :, 1:] = column.reshape(len(column), count, 3)
    return (shifted.reshape(len(column), -1).view("<i4") >> 8).astype(np.float64)


def _onsets(header: _Header, columns: list[NDArray[np.uint8]], path: Path) -> NDArray[np.float64]:
    """When each record begins, s from the first, as the first annotation in it says."""
    at = next((n for n, fields in enumerate(header.signals) if fields[LABEL] in ANNOTATIONS), None)
    if at is None:
        raise damaged(path, "its records are not continuous and do not say when they begin")
    onsets = []
    for record in columns[at]:
        stamp = re.match(rb"([+-]\d+(?:\.\d+)?)\x14", record.tobytes())
        if stamp is None:
            raise damaged(path, "a record that does not say when it begins")
        onsets.append(float(stamp[1]))
    found = np.array(onsets) - onsets[0]
    longest = LARGEST_BYTES / 4 / max(header.counts) * header.record_s
    if (np.diff(found) < header.record_s * (1 - 1e-3)).any() or found[-1] > longest:
        raise damaged(path, "records that begin before the last one ended, or years later")
    return found


def step_of(values: NDArray[np.float32]) -> float:
    """Uv between neighbouring whole numbers when these values are written; half of it is the largest error."""
    return float(_bound(values)) / LARGEST_DIGITAL


def _bound(values: NDArray[np.float32]) -> Decimal:
    """The smallest number of at most seven characters not below any |value|, so that its negative has eight."""
    largest = Decimal(float(np.abs(values).max(initial=0.0)))
    if largest == 0:
        return Decimal(1)
    if largest > LARGEST_UV:
        raise RecordingError(f"{float(largest):g} does not fit the header of a BDF file: leave that channel out.")
    for decimals in range(MOST_DECIMALS, -1, -1):
        found = largest.quantize(Decimal(1).scaleb(-decimals), ROUND_UP)
        if len(_decimal(-found)) <= NUMBER_WIDTH:
            break
    return found


def _decimal(number: Decimal) -> str:
    return f"{number.normalize():f}"


def record_of(fs_hz: float) -> tuple[int, str]:
    """Samples in a record and its length in s, which must be exact in eight characters wherever that can be."""
    for seconds in range(1, LONGEST_RECORD_S + 1):
        if (fs_hz * seconds).is_integer():
            return int(fs_hz * seconds), str(seconds)
    count = max(1, round(fs_hz))
    return count, f"{count / fs_hz:.6f}"


def write_bdf(
    path: str | os.PathLike[str],
    signals: Sequence[NDArray[np.float32]],
    labels: Sequence[str],
    units: Sequence[str],
    fs_hz: float,
) -> None:
    """Write channels of one length as 24-bit BDF, whole or not at all; the last record is filled up with zeros.

    Parameters
    ----------
    path : path
    signals : sequence of ndarray of float32, shape (samples,)
        Finite, in `units`.
    labels : sequence of str
        16 characters of ASCII at most.
    units : sequence of str
        8 characters of ASCII at most.
    fs_hz : float
    """
    count, seconds = record_of(fs_hz)
    records = -(-len(signals[0]) // count)
    bounds = [_bound(values) for values in signals]
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(_written_header(labels, units, bounds, count, seconds, records))
        raw = np.zeros((records, len(signals), count, 3), np.uint8)
        for n, (values, bound) in enumerate(zip(signals, bounds, strict=True)):
            whole = np.zeros(records * count, "<i4")
            whole[: len(values)] = np.rint(values.astype(np.float64) * (LARGEST_DIGITAL / float(bound)))
            raw[:, n] = whole.view(np.uint8).reshape(records, count, 4)[:, :, :3]
        file.write(raw.tobytes())


def _written_header(
    labels: Sequence[str], units: Sequence[str], bounds: Sequence[Decimal], count: int, seconds: str, records: int
) -> bytes:
    size = 256 * (len(labels) + 1)
    head = [b"\xffBIOSEMI"]
    fixed = (("X X X X", 80), ("Startdate X X X X", 80), ("01.01.85", 8), ("00.00.00", 8), (str(size), 8))
    head += [_field(text, wide) for text, wide in fixed]
    head += [
        _field(text, wide) for text, wide in (("24BIT", 44), (str(records), 8), (seconds, 8), (str(len(labels)), 4))
    ]
    columns: list[list[str]] = [
        list(labels),
        [""] * len(labels),
        list(units),
        [_decimal(-bound) for bound in bounds],
        [_decimal(bound) for bound in bounds],
        [str(-LARGEST_DIGITAL)] * len(labels),
        [str(LARGEST_DIGITAL)] * len(labels),
        [""] * len(labels),
        [str(count)] * len(labels),
        [""] * len(labels),
    ]
    head += [_field(text, wide) for wide, column in zip(FIELDS, columns, strict=True) for text in column]
    return b"".join(head)


def _field(text: str, width: int) -> bytes:
    found = text.encode("ascii")
    if len(found) > width:
        raise RecordingError(f'"{shown(text)}" does not fit the {width} characters that BDF has for it: shorten it.')
    return found.ljust(width)
