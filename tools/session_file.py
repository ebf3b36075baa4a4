"""A recorded session: a folder that is readable up to its last second, whatever ended the recorder.

``session.json`` says what ran, ``decoder.onnx`` and ``parameters.onnx`` are copies of what it ran with. The rest are
segments that are only ever appended to, ``raw-0000.myo`` and on (turns of the loop with their samples, and what
changed between them) and ``messages-0000.myo`` and on (the messages as published). A segment is a row of frames::

    magic 4 bytes | length of the payload u32 | kind u16, 0 u16 | CRC-32 of the 12 bytes before and the payload u32

all little-endian, then the payload. A frame that was being written when the power went is recognised and left out. A
damaged one is skipped to the next sound one, and said with its place.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..stream.decoder_file import Decoder, read_decoder
from ..stream.errors import RecordingError
from ..stream.hop import LONGEST_HOP
from ..stream.recording import EVENT, EVENT_FORM, TICK, TICK_FORM, Tick

VERSION = 1
INFO, DECODER, PARAMETERS = "session.json", "decoder.onnx", "parameters.onnx"
RAW, MESSAGES, SUFFIX = "raw", "messages", ".myo"
MESSAGE, NOTE = 3, 4  # kinds of frames beside TICK and EVENT
MAGIC = b"\xa5myo"
HEADER = struct.Struct("<4sIHHI")
TOPIC_LENGTH = struct.Struct("<H")
NUMBER = struct.Struct("<8xq")  # at the beginning of a turn and of an event
LARGEST_PAYLOAD = 32 << 20
SEGMENT_BYTES = 64 << 20
LARGEST_INFO = 1 << 20
TIMES = slice(Tick._fields.index("reported"), Tick._fields.index("period") + 1)
SEARCHED_TIMES = 4  # the length of a damaged file: so much is read at most in search of the next sound frame


class SessionInfo(msgspec.Struct, kw_only=True):
    """What `session.json` holds: enough to run the session again.

    ``channels`` are the stream's channels that were decoded, in order; ``clock`` is [LSL clock, UTC] in s at the start.
    """

    version: int
    session: str
    stream: str
    fs_hz: float
    channels: list[int]
    decoder_sha256: str
    hop: int
    provider: str
    whitening: str
    gain: float | None
    drive_rate_hz: float
    smoothing_s: float
    fallback: str
    parameters_sha256: str | None
    why_no_parameters: str
    clock: tuple[float, float]
    created_by: dict[str, str]
    options: dict[str, Any] = {}
    source: dict[str, Any] | None = None


class Frame(NamedTuple):
    """One sound frame of a segment."""

    kind: int
    payload: bytes


@dataclass(frozen=True)
class Damage:
    """Bytes of a segment that hold no sound frame; `torn` where it is the end that was not written whole."""

    file: str
    position: int
    length: int
    torn: bool

    def __str__(self) -> str:
        if self.torn:
            return f"{self.file} ends in a frame that was not written whole, at byte {self.position}: left out"
        return f"{self.file} is damaged from byte {self.position} on, {self.length} bytes are left out"


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


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the folder's files, where the system lets one ask for it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_synced(path: Path, content: bytes) -> None:
    """Write a small file whole, on disk when this returns; another of that name is replaced at the end."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_frames(path: Path, damage: list[Damage]) -> Iterator[Frame]:
    """Every sound frame of a segment, in order; what is not sound is added to `damage`."""
    size = path.stat().st_size
    if size == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place, bad_from, budget = 0, -1, SEARCHED_TIMES * size
        while place < size:
            found = _frame_at(content, place, size)
            if found is not None:
                if bad_from >= 0:
                    damage.append(Damage(path.name, bad_from, place - bad_from, False))
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
            damage.append(Damage(path.name, bad_from, size - bad_from, _is_torn(content, bad_from, size)))


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


@dataclass(frozen=True)
class Turn:
    """A turn of the loop as recorded.

    `missing` is how many sample periods right before it are not in the recording, the first one `missing_from`;
    `lacking` is how many records are not, turns without samples and events among them; `signal` is float32
    (samples, channels), uV.
    """

    tick: Tick
    signal: NDArray[np.float32]
    missing_from: int = 0
    missing: int = 0
    lacking: int = 0


@dataclass
class Contents:
    """What a pass over a session's turns found.

    Attributes
    ----------
    seconds : float
        Of samples recorded.
    holes : list of (int, int)
        First sample period and number of those that the recording lacks.
    damage : list of Damage
    ended : bool
        Whether the session says that it ended.
    lacking : int
        Turns and events that the recording lacks, by their numbers.
    """

    seconds: float = 0.0
    samples: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    ended: bool = False
    lacking: int = 0


class Session:
    """A recorded session, opened for reading.

    Parameters
    ----------
    folder : path

    Attributes
    ----------
    info : SessionInfo
    damage : list of Damage
        Found so far; each pass begins anew.
    lacking : int
        Turns and events that are not in the recording, found so far.

    Raises
    ------
    RecordingError
        The folder holds no session, or one of another version.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.info = _read_info(self.folder)
        self.damage: list[Damage] = []
        self.lacking = 0

    def decoder(self) -> Decoder:
        """The decoder that ran.

        Raises
        ------
        RecordingError
            It is not the one that the session names.
        """
        decoder = read_decoder(self.folder / DECODER)
        channels = decoder.info.channels.index
        if decoder.sha256 != self.info.decoder_sha256 or list(channels) != self.info.channels:
            raise RecordingError(
                f'"{self.folder / DECODER}" is not the decoder that this session ran with: put the right one there'
            )
        return decoder

    def turns(self) -> Iterator[Turn | dict[str, Any]]:
        """Turns of the loop, and events as maps, in order.

        Raises
        ------
        RecordingError
            There are turns of more samples than the session's hop.
        """
        self.damage = []
        self.lacking = told = number = 0
        before: Tick | None = None
        for kind, payload in self._frames(RAW):
            if kind == EVENT:
                event = _event(payload)
                if event is not None:
                    number = self._count(number, payload)
                    yield event
                continue
            tick = _tick(payload, len(self.info.channels)) if kind == TICK else None
            if tick is None or (before is not None and not _follows(before, tick)):
                continue
            if tick.samples > self.info.hop:
                raise RecordingError(
                    f'"{self.folder}" holds turns of {tick.samples} samples and its {INFO} says {self.info.hop} at '
                    "most: put the right one there"
                )
            number = self._count(number, payload)
            known = before.samples_in + before.samples_lost if before is not None else 0
            own = tick.samples + tick.lost_before if tick.samples else 0
            signal = np.frombuffer(payload, np.float32, tick.samples * tick.channels, TICK_FORM.size).copy()
            yield Turn(
                tick,
                signal.reshape(tick.samples, len(self.info.channels) if tick.samples else 0),
                known,
                tick.samples_in + tick.samples_lost - known - own,
                self.lacking - told,
            )
            before, told = tick, self.lacking

    def _count(self, expected: int, payload: bytes) -> int:
        """Count the records that are missing before this one; the next one's number."""
        number = int(NUMBER.unpack_from(payload)[0])
        if number != expected:
            self.lacking += max(1, number - expected)
        return number + 1

    def messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Topic and body of every message, in order."""
        for kind, payload in self._frames(MESSAGES):
            if kind == MESSAGE and len(payload) >= TOPIC_LENGTH.size:
                end = TOPIC_LENGTH.size + TOPIC_LENGTH.unpack_from(payload)[0]
                yield payload[TOPIC_LENGTH.size : end], payload[end:]

    def notes(self) -> Iterator[dict[str, Any]]:
        """What the recorder had to say: messages missed, clock pairs, how it ended."""
        for kind, payload in self._frames(MESSAGES):
            if kind == NOTE:
                note = _map(payload)
                if note is not None:
                    yield note

    def look_through(self) -> Contents:
        """Read every turn once."""
        found = Contents()
        for one in self.turns():
            if isinstance(one, dict):
                found.ended = found.ended or one.get("event") == "end"
                continue
            if one.missing:
                found.holes.append((one.missing_from, one.missing))
            found.samples += one.tick.samples
        found.seconds = found.samples / self.info.fs_hz
        found.damage, found.lacking = list(self.damage), self.lacking
        return found

    def _frames(self, name: str) -> Iterator[Frame]:
        pattern = re.compile(rf"{name}-(\d{{4,}})\.myo")
        matches = [(match, path) for path in self.folder.iterdir() if (match := pattern.fullmatch(path.name))]
        for _, path in sorted((int(match[1]), path) for match, path in matches):
            yield from read_frames(path, self.damage)


def is_session(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a recorded session."""
    return (Path(path) / INFO).is_file()


def _read_info(folder: Path) -> SessionInfo:
    if not folder.is_dir():
        raise RecordingError(f'no session at "{folder}": give the folder that `myodrive run --record` wrote')
    path = folder / INFO
    try:
        if path.stat().st_size > LARGEST_INFO:
            raise RecordingError(f'"{path}" is larger than any of ours: choose another session')
        info = msgspec.json.decode(path.read_bytes(), type=SessionInfo)
    except FileNotFoundError as error:
        raise RecordingError(f'"{folder}" is no recorded session, it has no {INFO}: choose another folder') from error
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordingError(f'"{path}" cannot be read ({str(error)[:80]}): choose another session') from error
    if info.version != VERSION:
        raise RecordingError(f'"{folder}" is a session of version {info.version}, this program reads {VERSION}: update')
    sound = (
        0 < info.fs_hz < 1e6 and 1 <= info.hop <= LONGEST_HOP and 1 <= len(info.channels) <= 65536
        and min(info.channels) >= 0 and max(info.channels) < 65536 and 1 <= info.drive_rate_hz <= 1000
        and 0.001 <= info.smoothing_s <= 5 and info.fallback in ("none", "envelope")
    )  # fmt: skip
    if not sound:
        raise RecordingError(f'"{path}" holds numbers that no session has: choose another session')
    return info


def _tick(payload: bytes, channels: int) -> Tick | None:
    """The head of a turn, or None for one that contradicts itself."""
    if len(payload) < TICK_FORM.size:
        return None
    tick = Tick(*TICK_FORM.unpack_from(payload))
    fits = 0 <= tick.samples <= LONGEST_HOP and (tick.channels == channels or not tick.samples)
    if not fits or len(payload) < TICK_FORM.size + 4 * tick.samples * channels:
        return None
    counts = tick.samples_in >= tick.samples and tick.samples_lost >= 0 and tick.lost_before >= 0
    placed = not tick.samples or tick.first_sample + tick.samples == tick.samples_in + tick.samples_lost
    timed = all(map(math.isfinite, tick[TIMES])) and tick.period > 0
    return tick if counts and placed and timed and tick.samples_in + tick.samples_lost < 1 << 53 else None


def _follows(before: Tick, tick: Tick) -> bool:
    """Whether the counters only grew."""
    return tick.samples_in >= before.samples_in + tick.samples and (
        tick.samples_lost >= before.samples_lost + (tick.lost_before if tick.samples else 0)
    )


def _event(payload: bytes) -> dict[str, Any] | None:
    if len(payload) < EVENT_FORM.size:
        return None
    length = EVENT_FORM.unpack_from(payload)[2]
    return _map(payload[EVENT_FORM.size : EVENT_FORM.size + length]) if length >= 0 else None


def _map(text: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_info(folder: Path, info: SessionInfo) -> None:
    """Write `session.json`, whole or not at all."""
    text = json.dumps(msgspec.to_builtins(info), indent=1)
    write_synced(folder / INFO, text.encode())


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder of a new session, empty.

    Raises
    ------
    RecordingError
        Something is there already, or it cannot be made.
    """
    folder = Path(path)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RecordingError(f'"{folder}" holds something already: give --record a new folder')
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f'"{folder}" cannot be made ({error.strerror}): give --record a folder that can be written'
        ) from error
    return folder
