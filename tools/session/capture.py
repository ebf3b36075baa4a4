"""Samples of the stream as they come, for as long as a step needs them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import MissingStreamError, StreamError
from ...stream.inlet import StreamSource
from ..calibration_source import FIND_S
from .electrodes import Electrodes

HOP_S = 0.02  # of samples handed on at a time: a picture of it moves smoothly


class Block(NamedTuple):
    """Samples that follow each other.

    `signal` is float32 (samples, channels), uV; `stamps` float64 (samples,), s on the LSL clock; `lost_before` how many
    sample periods are missing before the first.
    """

    signal: NDArray[np.float32]
    stamps: NDArray[np.float64]
    lost_before: int


def blocks(electrodes: Electrodes, seconds: float) -> Iterator[Block]:
    """Samples of `seconds`, block by block; what is lost is missing, as in `calibrate --stream`.

    Raises
    ------
    StreamError
        The stream cannot be used, or stops.
    """
    source, fs_hz = electrodes.source, electrodes.source.fs_hz
    samples, taken = round(seconds * fs_hz), 0
    hop = max(8, round(HOP_S * fs_hz))
    stream = StreamSource(
        source.name, electrodes.index, fs_hz, hop, lambda found: None, electrodes.gain, electrodes.counter
    )
    deadline = time.monotonic() + 1.5 * seconds + FIND_S
    try:
        while taken < samples:
            found = stream.next_hop()
            refusal = stream.refusal
            if taken == 0 and refusal is not None and not isinstance(refusal, MissingStreamError):  # it was there
                raise refusal
            count = min(found.samples, samples - taken)
            if count:
                behind = np.arange(found.samples - 1, -1, -1)[:count] / fs_hz  # s, of each sample to the hop's last
                yield Block(found.signal[:count].copy(), found.stamp - behind, found.lost_before)
            taken += count
            if stream.stalled or time.monotonic() > deadline:
                raise StreamError(
                    f'stream "{source.name}" stopped after {taken / fs_hz:.1f} s of {seconds:g} s: start it again'
                )
    finally:
        stream.close()
