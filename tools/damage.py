"""Damages files at random, as bad disks and bad people do; the same seed damages the same way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

HEAD = 8192  # bytes at either end that half of all damage is aimed at: there is the structure, elsewhere are numbers
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def damaged(raw: bytes, rng: np.random.Generator) -> bytes:
    """`raw` with one to four faults, each of a kind drawn at random."""
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        raw = FAULTS[int(rng.integers(len(FAULTS)))](raw, rng)
    return raw


def damaged_copy(whole: Path, copy: Path, rng: np.random.Generator) -> None:
    """Write a damaged copy of a file, or of a folder in which one file is damaged, gone, empty or another's."""
    if whole.is_file():
        copy.write_bytes(damaged(whole.read_bytes(), rng))
        return
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)
    files = sorted(path for path in copy.iterdir() if path.is_file())
    hit = files[int(rng.integers(len(files)))]
    how = int(rng.integers(12))
    if how == 0:
        hit.unlink()
    elif how == 1:
        hit.write_bytes(b"")
    elif how == 2:
        hit.write_bytes(files[int(rng.integers(len(files)))].read_bytes())
    else:
        hit.write_bytes(damaged(hit.read_bytes(), rng))


def place(raw: bytes, rng: np.random.Generator) -> int:
    """Where to damage."""
    size = max(1, len(raw))
    near = int(rng.integers(4))
    if near == 0:
        return int(rng.integers(min(HEAD, size)))
    if near == 1:
        return size - 1 - int(rng.integers(min(HEAD, size)))
    return int(rng.integers(size))


def flipped(raw: bytes, rng: np.random.Generator) -> bytes:
    """A few bits the other way round."""
    out = bytearray(raw)
    for _ in range(int(rng.integers(1, 17))):
        if out:
            out[place(raw, rng) % len(out)] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(raw: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return raw[: place(raw, rng)]


def hole(raw: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes in the middle are missing."""
    at = place(raw, rng)
    return raw[:at] + raw[at + int(rng.integers(1, 200)) :]


def inserted(raw: bytes, rng: np.random.Generator) -> bytes:
    """Bytes that do not belong there."""
    at = place(raw, rng)
    return raw[:at] + rng.bytes(int(rng.integers(1, 200))) + raw[at:]


def repeated(raw: bytes, rng: np.random.Generator) -> bytes:
    """A piece stands there twice."""
    at = place(raw, rng)
    piece = raw[at : at + int(rng.integers(1, 4096))]
    return raw[:at] + piece + raw[at:]


def blank(raw: bytes, rng: np.random.Generator) -> bytes:
    """A stretch of zeros or ones, as a sector that was not written."""
    at, size = place(raw, rng), int(rng.integers(1, 512))
    return raw[:at] + bytes([int(rng.choice([0, 255]))]) * size + raw[at + size :]


def numbered(raw: bytes, rng: np.random.Generator) -> bytes:
    """A number that may be a size or an address, replaced by a telling one."""
    at, size = place(raw, rng), int(rng.choice([1, 2, 4, 8]))
    value = NUMBERS[int(rng.integers(len(NUMBERS)))] % 256**size
    return raw[:at] + value.to_bytes(size, "little") + raw[at + size :]


def long(raw: bytes, rng: np.random.Generator) -> bytes:
    """A protobuf length put in that says more than there is."""
    at = place(raw, rng)
    return raw[:at] + b"\xff" * int(rng.integers(1, 10)) + bytes([int(rng.integers(1, 128))]) + raw[at + 1 :]


FAULTS = (flipped, cut, hole, inserted, repeated, blank, numbered, long)
