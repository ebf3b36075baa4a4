"""A reader of what a pipeline publishes, which notices when it missed something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import zmq

from ..stream.errors import AddressError, MessageError
from ..stream.messages import Message, decode, kind_of

STALE_S = 0.2  # a client must not act on messages older than this


class Subscriber:
    """Receives messages and counts the holes in their numbers.

    Parameters
    ----------
    address : str
        Of the pipeline, such as ``tcp://127.0.0.1:5570``.
    topics : sequence of str
        Prefixes, such as "spikes/"; the empty one takes everything.

    Attributes
    ----------
    missed : dict of str to int
        Messages lost per topic within the present session.
    damaged : int
        Messages that could not be read.
    """

    def __init__(self, address: str, topics: Sequence[str] = ("",)) -> None:
        self.missed: dict[str, int] = defaultdict(int)
        self.damaged = 0
        port = address.rpartition(":")[2]
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise AddressError(f'"{address}" cannot be connected to: an address looks like tcp://127.0.0.1:5570')
        self._next: dict[str, tuple[str, int]] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, 100_000)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise AddressError(
                f'"{address}" cannot be connected to ({error.strerror}): one looks like tcp://127.0.0.1:5570'
            ) from error
        for topic in topics:
            self._socket.subscribe(topic)

    def receive(self, timeout_s: float) -> tuple[str, Message] | None:
        """The next message and its kind, or None when none came in time."""
        if not self._socket.poll(max(0, round(1e3 * timeout_s))):
            return None
        frames = self._socket.recv_multipart()
        try:
            message = decode(frames)
        except MessageError:
            self.damaged += 1
            return None
        topic = frames[0].decode("utf-8", "replace")
        session, expected = self._next.get(topic, (message.session, message.seq))
        if session == message.session and message.seq > expected:
            self.missed[topic] += message.seq - expected
        self._next[topic] = message.session, message.seq + 1
        return kind_of(frames[0]), message

    def close(self) -> None:
        """Let go of the connection."""
        self._socket.close(linger=0)
        self._context.term()


def ask(address: str, word: str, timeout_s: float = 2.0) -> bytes | None:
    """Ask the control socket at `address` one word; its reply, or None when there is none in time."""
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    try:
        socket.connect(address)
        socket.send(msgspec.msgpack.encode({"do": word}))
        return socket.recv() if socket.poll(round(1e3 * timeout_s)) else None
    finally:
        socket.close(linger=0)
        context.term()
