"""Some seconds of a live stream, block by block, and which refusals of one are final."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..stream.errors import MissingStreamError, SilentStreamError, StreamError
from ..stream.inlet import StreamSource
from ..stream.source_info import SourceInfo

FIND_S = 10.0  # that a stream may take to appear
SLOWEST = 1.5  # how much longer than they last some seconds may take to come


class Block(NamedTuple):
    """Samples that follow each other.

    `signal` is float32 (samples, channels), uV; `stamps` float64 (samples,), s on the LSL clock; `lost_before` how many
    sample periods are missing before the first.
    """

    signal: NDArray[np.float32]
    stamps: NDArray[np.float64]
    lost_before: int


def blocks(
    source: SourceInfo, index: NDArray[np.int64], seconds: float, hop: int, gain: float | None, counter: int | None
) -> Iterator[Block]:
    """Samples of `seconds` of a stream that has been seen; what is lost is missing.

    A stream that LSL does not find again at once, as it may under load, is waited for.

    Parameters
    ----------
    source : SourceInfo
    index : ndarray of int64, shape (channels,)
        Channels of the stream to take.
    seconds : float
    hop : int
        Most samples of a block.
    gain : float or None
        uV per number, where the stream does not say.
    counter : int or None
        Channel of the stream that counts samples.

    Raises
    ------
    StreamError
        The stream cannot be used, or stops.
    """
    samples, taken = round(seconds * source.fs_hz), 0
    stream = StreamSource(source.name, index, source.fs_hz, hop, lambda found: None, gain, counter)
    deadline = time.monotonic() + SLOWEST * seconds + FIND_S
    try:
        while taken < samples:
            found = stream.next_hop()
            if taken == 0:
                raise_final(stream.refusal, MissingStreamError)
            count = min(found.samples, samples - taken)
            if count:
                behind = np.arange(found.samples - 1, -1, -1)[:count] / source.fs_hz  # s, of each to the hop's last
                yield Block(found.signal[:count].copy(), found.stamp - behind, found.lost_before)
            taken += count
            if taken < samples and (time.monotonic() > deadline or (stream.stalled and not count)):
                raise StreamError(
                    f'stream "{source.name}" stopped after {taken / source.fs_hz:.1f} s of {seconds:g} s: '
                    "start it again"
                )
    finally:
        stream.close()


def raise_final(refusal: StreamError | None, *passing: type[MissingStreamError | SilentStreamError]) -> None:
    """Raise why a stream is not taken, unless it is of a kind, of `passing`, that may pass while one waits."""
    if refusal is not None and not isinstance(refusal, passing):
        raise refusal
