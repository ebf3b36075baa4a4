"""The wire format of protobuf: numbered fields in one buffer, read with a bound on everything, and written.

Only what an ONNX file needs. A reader that may be handed anybody's bytes never looks beyond its buffer, spends a fixed
number of fields on a whole file, and does not recurse by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from .errors import DecoderError, printable

MOST_FIELDS = 50_000  # of the whole file: bounds time and memory on files made of millions of empty fields
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


class Damaged(Exception):
    """The bytes break the format; the message says where."""


class Field(NamedTuple):
    """One protobuf field: its bytes are [at, stop), its content [start, stop), or `value` for a varint."""

    number: int
    wire: int
    value: int
    at: int
    start: int
    stop: int


class Walk:
    """Reads fields out of one buffer and never beyond it; `fields_left` counts down over the whole file."""

    def __init__(self, raw: bytes, path: str, fields_left: int) -> None:
        self.view = memoryview(raw)
        self.path = path
        self.fields_left = fields_left

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """The fields of the message in [start, stop), in order."""
        at = start
        while at < stop:
            self.spend()
            tag, content = self.varint(at, stop)
            number, wire = tag >> 3, tag & 7
            if not 1 <= number < 2**29:
                raise Damaged(f"a field number of {number} at byte {at}")
            value = 0
            if wire == VARINT:
                value, end = self.varint(content, stop)
            elif wire == BYTES:
                length, content = self.varint(content, stop)
                end = content + length
            elif wire in (FIXED64, FIXED32):
                end = content + (8 if wire == FIXED64 else 4)
            else:
                raise Damaged(f"a field of unknown kind at byte {at}")
            if end > stop:
                raise Damaged(f"it ends {end - stop} bytes too early for the field at byte {at}")
            yield Field(number, wire, value, at, content, end)
            at = end

    def varint(self, at: int, stop: int) -> tuple[int, int]:
        """The number at `at`, 0 <= number < 2**64, and where it ends."""
        value = 0
        for length in range(10):
            if at + length >= stop:
                raise Damaged(f"it ends within the number at byte {at}")
            byte = self.view[at + length]
            value |= (byte & 0x7F) << (7 * length)
            if byte < 0x80:
                if value >= 2**64:
                    break
                return value, at + length + 1
        raise Damaged(f"a number of more than 64 bits at byte {at}")

    def spend(self) -> None:
        """Count one field or listed number against what a file may have."""
        self.fields_left -= 1
        if self.fields_left < 0:
            raise Damaged(f"more than {MOST_FIELDS} parts")

    def message(self, item: Field) -> Iterator[Field]:
        """The fields of the message in `item`."""
        self.expect(item, BYTES)
        return self.fields(item.start, item.stop)

    def text(self, item: Field) -> str:
        self.expect(item, BYTES)
        try:
            return str(self.view[item.start : item.stop], "utf-8")
        except UnicodeDecodeError:
            raise Damaged(f"text that is not UTF-8 at byte {item.start}") from None

    def integer(self, item: Field) -> int:
        """An int64 or an enum."""
        self.expect(item, VARINT)
        return signed(item.value)

    def integers(self, item: Field) -> list[int]:
        """The int64s of a repeated field, packed or not."""
        if item.wire == VARINT:
            return [signed(item.value)]
        self.expect(item, BYTES)
        values = []
        at = item.start
        while at < item.stop:
            self.spend()
            value, at = self.varint(at, item.stop)
            values.append(signed(value))
        return values

    def expect(self, item: Field, wire: int) -> None:
        if item.wire != wire:
            raise Damaged(f"the field at byte {item.at} is of another kind than ONNX says")

    def bytes_of(self, item: Field) -> memoryview:
        """The whole field as it stands, tag included."""
        return self.view[item.at : item.stop]

    def refuse(self, found: str) -> NoReturn:
        """Whole, but not something a decoder has."""
        raise DecoderError(f'"{self.path}" {found}: choose another file or calibrate again')


def message(number: int, parts: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """A length-delimited field made of `parts`, not yet joined: matrices are copied once, at the end."""
    length = sum(len(part) for part in parts)
    return [varint(number << 3 | BYTES) + varint(length), *parts]


def number_of(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def shown(name: str) -> str:
    """A name from the file, fit for one line of a terminal."""
    return printable(name)
