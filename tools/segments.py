"""Segments: files that are only ever appended to, readable up to their last sound frame.

A segment is a row of frames::

    magic 4 bytes | length of the payload u32 | kind u16, 0 u16 | CRC-32 of the 12 bytes before and the payload u32

all little-endian, then the payload. A frame that was being written when the power went is recognised and left out. A
damaged one is skipped to the next sound one, and said with its place.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ..stream.errors import RecordingError
from .whole_file import sync_folder

SUFFIX = ".myo"
MAGIC = b"\xa5myo"
HEADER = struct.Struct("<4sIHHI")
LARGEST_PAYLOAD = 32 << 20
SEGMENT_BYTES = 64 << 20
MOST_DAMAGE = 100  # places listed
SEARCHED_TIMES = 4  # the length of a damaged file: so much is read at most in search of the next sound frame


class Frame(NamedTuple):
    """One sound frame of a segment."""

    kind: int
    payload: bytes


@dataclass(frozen=True)
class Damage:
    """Bytes of a segment that hold no sound frame.

    `torn` where it is the end that was not written whole; `more` is how many such places follow that are not listed.
    """

    file: str
    position: int
    length: int
    torn: bool
    more: int = 0

    def __str__(self) -> str:
        if self.torn:
            return f"{self.file} ends in a frame that was not written whole, at byte {self.position}: left out"
        said = f"{self.file} is damaged from byte {self.position} on, {self.length} bytes are left out"
        return said + (f"; {self.more} more places are damaged" if self.more else "")


class SegmentWriter:
    """Appends frames to segment after segment.

    Parameters
    ----------
    folder : Path
    name : str
    segment_bytes : int
        A segment that has grown beyond this is followed by the next.

    Raises
    ------
    OSError
        From every method, where the system cannot write.
    """

    def __init__(self, folder: Path, name: str, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._name = name
        self._limit = segment_bytes
        self._number = -1
        self._file = -1
        self._held = bytearray()
        self._size = 0
        self._begin_next()

    def append(self, kind: int, *parts: bytes | memoryview) -> None:
        """Add a frame; it is written by the next `flush`."""
        self._held += frame(kind, *parts)

    def flush(self) -> None:
        """Hand everything to the system."""
        if self._size >= self._limit and self._held:
            self.sync_written()
            os.close(self._file)
            self._begin_next()
        view = memoryview(self._held)
        while view:
            written = os.write(self._file, view)
            self._size += written
            view = view[written:]
        view.release()
        self._held = bytearray()

    def sync_written(self) -> None:
        """Wait until the disk has what was flushed."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file; what was not flushed is lost."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _begin_next(self) -> None:
        self._number += 1
        self._file = -1
        self._size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(self._folder / segment_name(self._name, self._number), flags, 0o644)
        sync_folder(self._folder)


def segment_name(name: str, number: int) -> str:
    """File name of a segment."""
    return f"{name}-{number:04d}{SUFFIX}"


def frame(kind: int, *parts: bytes | memoryview) -> bytes:
    """A frame of the payload that `parts` make together."""
    length = sum(len(part) for part in parts)
    start = HEADER.pack(MAGIC, length, kind, 0, 0)[:12]
    crc = zlib.crc32(start)
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((start, struct.pack("<I", crc), *parts))


def read_frames(path: Path, damage: list[Damage]) -> Iterator[Frame]:
    """Every sound frame of a segment, in order; what is not sound is added to `damage`.

    Raises
    ------
    RecordingError
        It is no file, or cannot be read at all.
    """
    try:
        if not path.is_file():
            raise RecordingError(f'"{path}" is no file: remove it, or choose another session')
        if path.stat().st_size:
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield from _frames_of(content, path.name, damage)
    except OSError as error:
        raise RecordingError(f'"{path}" cannot be read ({error.strerror or error}): check its permissions') from error


def _frames_of(content: mmap.mmap, name: str, damage: list[Damage]) -> Iterator[Frame]:
    size = len(content)
    place, bad_from, budget = 0, -1, SEARCHED_TIMES * size
    while place < size:
        found = _frame_at(content, place, size)
        if found is not None:
            if bad_from >= 0:
                _note(damage, Damage(name, bad_from, place - bad_from, False))
                bad_from = -1
            yield found
            place += HEADER.size + len(found.payload)
            continue
        if bad_from < 0:
            bad_from = place
        budget -= _cost(content, place, size)
        next_place = content.find(MAGIC, place + 1) if budget > 0 else -1
        place = size if next_place < 0 else next_place
    if bad_from >= 0:
        _note(damage, Damage(name, bad_from, size - bad_from, _is_torn(content, bad_from, size)))


def _note(damage: list[Damage], one: Damage) -> None:
    """Add to the list, which a file of nothing but damage must not fill memory with."""
    if len(damage) < MOST_DAMAGE:
        damage.append(one)
    else:
        damage[-1] = replace(damage[-1], torn=False, more=damage[-1].more + 1)


def _cost(content: mmap.mmap, place: int, size: int) -> int:
    """Bytes that were read to find that no sound frame is at `place`."""
    if size - place < HEADER.size or content[place : place + 4] != MAGIC:
        return HEADER.size
    length = HEADER.unpack_from(content, place)[1]
    whole = length <= LARGEST_PAYLOAD and place + HEADER.size + length <= size
    return HEADER.size + (length if whole else 0)


def _frame_at(content: mmap.mmap, place: int, size: int) -> Frame | None:
    if size - place < HEADER.size:
        return None
    magic, length, kind, zero, crc = HEADER.unpack_from(content, place)
    start = place + HEADER.size
    if magic != MAGIC or zero or length > LARGEST_PAYLOAD or start + length > size:
        return None
    payload = content[start : start + length]
    if zlib.crc32(payload, zlib.crc32(content[place : place + 12])) != crc:
        return None
    return Frame(kind, payload)


def _is_torn(content: mmap.mmap, place: int, size: int) -> bool:
    """Whether the last bytes look like the beginning of a frame, or like room that was never written."""
    if size - place < HEADER.size:
        return MAGIC.startswith(content[place : place + 4][: len(MAGIC)]) or not any(content[place:size])
    magic, length, _, zero, _ = HEADER.unpack_from(content, place)
    return bool(magic == MAGIC and not zero and length <= LARGEST_PAYLOAD and place + HEADER.size + length > size) or (
        not any(content[place : min(size, place + (1 << 16))])
    )
