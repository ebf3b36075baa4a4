"""A recorded session: a folder that is readable up to its last second, whatever ended the recorder.

``session.json`` says what ran, ``decoder.onnx`` and ``parameters.onnx`` are copies of what it ran with. The rest are
segments that are only ever appended to, ``raw-0000.myo`` and on (turns of the loop with their samples, and what
changed between them) and ``messages-0000.myo`` and on (the messages as published): `segments.py` has their format.
"""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..stream.decoder_file import Decoder, read_decoder
from ..stream.errors import RecordingError
from ..stream.hop import LONGEST_HOP
from ..stream.recording import EVENT, EVENT_FORM, TICK, TICK_FORM, Tick
from .segments import Damage, Frame, read_frames
from .session_info import INFO, read_info

DECODER, PARAMETERS = "decoder.onnx", "parameters.onnx"
RAW, MESSAGES = "raw", "messages"
MESSAGE, NOTE = 3, 4  # kinds of frames beside TICK and EVENT
TOPIC_LENGTH = struct.Struct("<H")
NUMBER = struct.Struct("<8xq")  # at the beginning of a turn and of an event
TIMES = slice(Tick._fields.index("reported"), Tick._fields.index("period") + 1)


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
        self.info = read_info(self.folder)
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
