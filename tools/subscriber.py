"""A reader of what a pipeline publishes, which notices when it missed something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import zmq

from ..stream.curve import ClientKeys
from ..stream.errors import AddressError, MessageError
from ..stream.messages import MAX_MESSAGE_BYTES, Message, decode, kind_of

STALE_S = 0.2  # a client must not act on messages older than this
MOST_TOPICS = 1000  # of a pipeline there are seven


class Subscriber:
    """Receives messages and counts the holes in their numbers.

    Parameters
    ----------
    address : str
        Of the pipeline, such as ``tcp://127.0.0.1:5570``.
    topics : sequence of str
        Prefixes, such as "spikes/"; the empty one takes everything.
    keys : ClientKeys, optional
        For a pipeline that takes CURVE only.
    high_water : int
        Messages that may wait here for `receive`; of large ones, let there be few.

    Attributes
    ----------
    missed : dict of str to int
        Messages lost per topic, as the holes in its numbers say; what was lost last shows with the next message.
    damaged : int
        Messages that could not be read.
    """

    def __init__(
        self, address: str, topics: Sequence[str] = ("",), keys: ClientKeys | None = None, high_water: int = 100_000
    ) -> None:
        self.missed: dict[str, int] = defaultdict(int)
        self.damaged = 0
        self._address = address
        port = address.rpartition(":")[2]
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise AddressError(f'"{address}" cannot be connected to: an address looks like tcp://127.0.0.1:5570')
        self._next: dict[str, tuple[str, int]] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, high_water)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._turned_away = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        if keys is not None:
            keys.secure(self._socket)
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
        """The next message and its kind, or None when none came in time.

        Raises
        ------
        AddressError
            The pipeline has turned this client's key away; ZeroMQ does not try again.
        """
        if not self._socket.poll(max(0, round(1e3 * timeout_s))):
            if self._turned_away.poll(0):
                raise AddressError(f"{self._address} turns this key away: put client.key on the list of the pipeline")
            return None
        frames = self._socket.recv_multipart()
        try:
            message = decode(frames)
        except MessageError:
            self.damaged += 1
            return None
        topic = frames[0].decode("utf-8", "replace")
        if topic not in self._next and len(self._next) == MOST_TOPICS:
            self.damaged += 1
            return None
        session, expected = self._next.get(topic, (message.session, message.seq))
        if session == message.session and message.seq > expected:
            self.missed[topic] += message.seq - expected
        self._next[topic] = message.session, message.seq + 1
        return kind_of(frames[0]), message

    def close(self) -> None:
        """Let go of the connection."""
        self._turned_away.close(linger=0)
        self._socket.close(linger=0)
        self._context.term()


def ask(address: str, word: str, timeout_s: float = 2.0, keys: ClientKeys | None = None) -> bytes | None:
    """Ask the control socket at `address` one word; its reply, or None when there is none in time."""
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    if keys is not None:
        keys.secure(socket)
    try:
        socket.connect(address)
        socket.send(msgspec.msgpack.encode({"do": word}))
        return socket.recv() if socket.poll(round(1e3 * timeout_s)) else None
    finally:
        socket.close(linger=0)
        context.term()
