"""EMG and waveforms as arrays, straight from the bytes that came.

They are thousands of numbers thirty times a second. Each as an object of Python's costs more than all the rest that a
page is sent.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...stream.messages import MAX_MESSAGE_BYTES, UNREADABLE, VERSION, Emg, Message, Muap, kind_of
from ..subscriber import Subscriber

FEW, SHORT, LONG = 0x90, 0xDC, 0xDD  # MessagePack: how an array of up to 15, 65535 and more begins
_NUMBER = np.dtype([("kind", "u1"), ("value", ">f8")])
FLOAT = 0xCB  # kind of a number of 64 bits


class PackedEmg(Emg):
    """A block of EMG whose numbers are bytes yet."""

    emg: msgspec.Raw


class PackedMuap(Muap):
    """A waveform whose numbers are bytes yet."""

    waveform: msgspec.Raw


_decoders = {b"emg": msgspec.msgpack.Decoder(PackedEmg), b"muaps": msgspec.msgpack.Decoder(PackedMuap)}


class PictureSubscriber(Subscriber):
    """A subscriber to EMG and waveforms only, which leaves their numbers packed for `matrix`."""

    def _take(self, now: float) -> tuple[str, Message] | None:
        topic, *rest = self._socket.recv_multipart()
        message = _unpack(topic, rest)
        if message is None or not self._numbers.take(topic, message.session, message.seq):
            self.damaged += 1
            return None
        self._topic, self._heard = topic, now
        return kind_of(topic), message


def matrix(values: msgspec.Raw | list[list[float]]) -> NDArray[np.float32]:
    """Rows of numbers as an array, packed or not.

    Raises
    ------
    ValueError
        They are no rows of one length.
    """
    if isinstance(values, msgspec.Raw):
        found = _floats(memoryview(values))
        if found is not None:
            return found
        try:
            values = msgspec.msgpack.decode(values, type=list[list[float]])
        except UNREADABLE as error:
            raise ValueError("no rows of numbers") from error
    return np.array(values, np.float32)


def _unpack(topic: bytes, rest: list[bytes]) -> Message | None:
    decoder = _decoders.get(topic.partition(b"/")[0])
    if decoder is None or len(rest) != 1 or len(rest[0]) > MAX_MESSAGE_BYTES:
        return None
    try:
        message = decoder.decode(rest[0])
    except UNREADABLE:
        return None
    return message if message.v == VERSION else None


def _floats(packed: memoryview) -> NDArray[np.float32] | None:
    """The array, if it is packed as ours are: rows of one length of numbers of 64 bits."""
    rows, begin = _begin(packed, 0)
    columns, first = _begin(packed, begin)
    head, wide = first - begin, first - begin + columns * _NUMBER.itemsize
    if rows == 0 or columns == 0 or len(packed) != begin + rows * wide:
        return None
    table = np.frombuffer(packed, np.uint8, offset=begin).reshape(rows, wide)
    numbers = table[:, head:].view(_NUMBER)  # (rows, columns)
    if (table[:, :head] != table[0, :head]).any() or (numbers["kind"] != FLOAT).any():
        return None
    return numbers["value"].astype(np.float32)


def _begin(packed: memoryview, at: int) -> tuple[int, int]:
    """How many entries the array at a place has, and where they begin; 0 entries if there is none."""
    kind = packed[at] if at < len(packed) else 0
    if kind & 0xF0 == FEW:
        return kind & 0x0F, at + 1
    size = {SHORT: 2, LONG: 4}.get(kind, 0)
    return int.from_bytes(packed[at + 1 : at + 1 + size], "big"), at + 1 + size
