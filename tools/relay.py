"""The least that any pipeline must do, to compare with: samples in over LSL, the same samples out over ZeroMQ.

python -m myodrive.tools.relay STREAM ADDRESS HOP
"""

from __future__ import annotations

import sys

import numpy as np
import pylsl
import zmq

from ..stream.finder import open_stream, resolve
from ..stream.source_info import SourceInfo


def main(arguments: list[str]) -> int:
    """Relay until told to stop."""
    name, address, hop = arguments[0], arguments[1], int(arguments[2])
    found = open_stream(resolve(name, None, 20.0)[0], _take_any)
    inlet, source = found.inlet, found.source
    block = np.zeros((hop, source.channels), source.dtype)
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.bind(address)
    while True:
        _, stamps = inlet.pull_chunk(timeout=1.0, max_samples=hop, dest_obj=block)
        if stamps:
            socket.send(np.array([stamps[0], stamps[-1], pylsl.local_clock()]).tobytes(), zmq.SNDMORE)
            socket.send(block[: len(stamps)].tobytes())


def _take_any(source: SourceInfo) -> None:
    """A relay has no decoder to fit."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
