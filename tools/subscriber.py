"""A reader that wants every message a pipeline publishes, and a question to its control socket."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import zmq

from ..stream.client import STALE_S, Client
from ..stream.curve import ClientKeys

__all__ = ["STALE_S", "Subscriber", "ask"]

QUEUE = 100_000  # messages it may fall behind


class Subscriber(Client):
    """A client that may fall far behind before it loses a message, for who shows or keeps all; made as `Client` is.

    Parameters
    ----------
    high_water : int
        Messages that may wait here for `receive`; of large ones, let there be few.
    """

    def __init__(
        self, address: str, topics: Sequence[str] = ("",), keys: ClientKeys | None = None, high_water: int = QUEUE
    ) -> None:
        super().__init__(address, topics, keys, queue=high_water)


def ask(address: str, word: str, timeout_s: float = 2.0, keys: ClientKeys | None = None) -> bytes | None:
    """Ask the control socket at `address` one word; its reply, or None when there is none in time."""
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDTIMEO, round(1e3 * timeout_s))  # one that was shut out already could wait for ever
    if keys is not None:
        keys.secure(socket)
    try:
        socket.connect(address)
        socket.send(msgspec.msgpack.encode({"do": word}))
        return socket.recv() if socket.poll(round(1e3 * timeout_s)) else None
    except zmq.Again:
        return None
    finally:
        socket.close(linger=0)
        context.term()
