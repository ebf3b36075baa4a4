"""Samples of the stream as they come, for as long as a step needs them."""

from __future__ import annotations

from collections.abc import Iterator

from ..stream_blocks import Block
from ..stream_blocks import blocks as stream_blocks
from .electrodes import Electrodes

HOP_S = 0.02  # of samples handed on at a time: a picture of it moves smoothly


def blocks(electrodes: Electrodes, seconds: float) -> Iterator[Block]:
    """Samples of `seconds`, block by block; what is lost is missing, as in `calibrate --stream`.

    Raises
    ------
    StreamError
        The stream cannot be used, or stops.
    """
    source = electrodes.source
    hop = max(8, round(HOP_S * source.fs_hz))
    return stream_blocks(source, electrodes.index, seconds, hop, electrodes.gain, electrodes.counter)
