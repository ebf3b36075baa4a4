"""Requests that no friend sends to the control socket; the same seed gives the same."""

from __future__ import annotations

import msgspec
import numpy as np

from ..stream.control import MAX_FRAME_BYTES

_WRONG: tuple[object, ...] = (
    None, 0, -1, 2**63, 1.5, float("nan"), "ping", b"ping", [], {}, ["ping"], {"do": 5}, {"do": None}, {"do": ["stop"]},
    {"do": "destroy"}, {"do": "PING"}, {"do": "ping", "more": 1}, {"do": b"stop"}, {1: 2}, {"do": {"do": "stop"}},
    {"do": "x" * 900}, {"undo": "ping"},
)  # fmt: skip
_DECLARED = (
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdc\xff\xff",
    b"\x81\xa2do\xdb\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x00", b"\x81\xdb\x7f\xff\xff\xff", b"\xde\xff\xff",
)  # fmt: skip
MOST_FRAMES = 20


def request(rng: np.random.Generator) -> list[bytes]:
    """One request that must be answered with a refusal: its frames."""
    kind = int(rng.integers(7))
    if kind == 0:
        return [rng.bytes(int(rng.integers(1, 1500)))]
    if kind == 1:
        return [msgspec.msgpack.encode(_WRONG[int(rng.integers(len(_WRONG)))])]
    if kind == 2:
        return [bytes([int(rng.choice([0x91, 0x81, 0xDC]))]) * int(rng.integers(1, 1024))]
    if kind == 3:
        return [_DECLARED[int(rng.integers(len(_DECLARED)))] + rng.bytes(int(rng.integers(0, 64)))]
    if kind == 4:
        return [b"x", *[rng.bytes(int(rng.integers(0, 20))) for _ in range(int(rng.integers(1, MOST_FRAMES)))]]
    if kind == 5:
        return [b""]
    return [rng.bytes(int(rng.integers(1024, MAX_FRAME_BYTES)))]


def oversized(rng: np.random.Generator) -> list[bytes]:
    """One that costs its sender the connection."""
    return [rng.bytes(int(rng.integers(MAX_FRAME_BYTES + 1, 1 << 18)))]
