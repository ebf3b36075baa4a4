"""Messages out over ZeroMQ: XPUB, so that every new subscriber is seen and told at once how things stand.

A slow subscriber loses the newest messages, silently for us: it sees a hole in ``seq``. XPUB_NODROP would let one
stopped subscriber hold up all others and is not used.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from .errors import AddressError
from .messages import KINDS, Message, encode

HIGH_WATER = 1000  # messages a slow subscriber may fall behind, beyond what the system's buffers hold; 64 B each
SEND_BUFFER = 256 << 10  # bytes of the system's memory for each subscriber; by itself Linux takes 4 MiB
LONGEST_SUBSCRIPTION = 512  # bytes, room for CURVE's greetings; ZeroMQ cuts off whoever sends more, for it keeps
# every subscription, 50 B for each of its bytes
AT_ONCE = 64  # subscriptions looked at between two hops
HANDSHAKE_MS = 5000  # a connection that has not said by then that it speaks ZeroMQ is closed
DOMAIN = b"myodrive"  # in which clients are authenticated
READABLE, WRITABLE = int(zmq.POLLIN), int(zmq.POLLOUT)


def bind(socket: zmq.Socket[bytes], address: str) -> None:
    """Bind `socket`, or raise AddressError with what to do."""
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            reason = f"{address} is in use: stop the other pipeline or choose another address with --bind"
        else:
            reason = f"{address} cannot be bound ({error.strerror}): an address looks like tcp://127.0.0.1:5570"
        raise AddressError(reason) from error


def refuse_strangers(socket: zmq.Socket[bytes]) -> None:
    """Close connections that do not say in time that they speak ZMTP 3 (https://rfc.zeromq.org/spec/23/).

    Left to itself libzmq takes any bytes for its protocol of 2010, and whoever sends them for a subscriber to
    everything; 4.3.5 ends the process when such bytes come while the socket is closed. It refuses all that is older
    than ZMTP 3 where clients may be authenticated, which the name of a domain says; without a handler that does so,
    nobody else is refused.
    """
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)


def leave_plain(socket: zmq.Socket[bytes]) -> None:
    """Neither encrypt nor ask who comes in."""


def events(socket: zmq.Socket[bytes]) -> int:
    """What `socket` is ready for, READABLE or WRITABLE or both."""
    return int(socket.getsockopt(zmq.EVENTS))


class Publisher:
    """Sends messages and keeps count; owned by one thread.

    Parameters
    ----------
    context : zmq.Context
    address : str
        Such as ``tcp://127.0.0.1:5570``.
    stream : str
        Name of the LSL stream, the second part of every topic.
    session : str
    secure : callable
        Called with the socket before it is bound.

    Attributes
    ----------
    dropped : int
        Messages that the publisher itself could not send.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        stream: str,
        session: str,
        secure: Callable[[zmq.Socket[bytes]], None] = leave_plain,
    ) -> None:
        self.dropped = 0
        self._session = session
        self._stream = stream
        self._seq: dict[str, int] = {}
        self._topics: dict[str, bytes] = {}
        self._prefixes: set[bytes] = set()
        self._socket = context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        self._socket.setsockopt(zmq.SNDBUF, SEND_BUFFER)
        longest = max(len(self.topic(kind)) for kind in KINDS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, max(LONGEST_SUBSCRIPTION, longest + 64))
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        refuse_strangers(self._socket)
        secure(self._socket)
        try:
            bind(self._socket, address)
        except AddressError:
            self._socket.close()
            raise

    def send(self, kind: str, message: Message, now: float) -> None:
        """Stamp `message` with its number, session and `now`, and send it under ``<kind>/<stream>``."""
        seq = self._seq.get(kind, 0)
        self._seq[kind] = seq + 1
        message.seq = seq
        message.session = self._session
        message.t_pub = now
        body = encode(message)
        topic = self.topic(kind)
        if events(self._socket) & WRITABLE:
            self._socket.send(topic, zmq.SNDMORE)
            self._socket.send(body)
        else:
            self.dropped += 1

    def topic(self, kind: str) -> bytes:
        """The topic of `kind`."""
        if kind not in self._topics:
            self._topics[kind] = f"{kind}/{self._stream}".encode()
        return self._topics[kind]

    def newcomers(self) -> set[str] | None:
        """Prefixes subscribed to since the last call, or None; call it often, it costs a microsecond."""
        if not events(self._socket) & READABLE:
            return None
        arrived: set[str] = set()
        for _ in range(AT_ONCE):
            if not events(self._socket) & READABLE:
                break
            event = self._socket.recv()
            prefix = event[1:]
            if event[:1] == b"\x01" and self._may_match(prefix):
                self._prefixes.add(prefix)
                arrived.add(prefix.decode("utf-8", "replace"))
            elif event[:1] == b"\x00":
                self._prefixes.discard(prefix)
        return arrived

    def _may_match(self, prefix: bytes) -> bool:
        """Whether a topic of ours begins so; what can never match is not kept."""
        return any(self.topic(kind).startswith(prefix) for kind in KINDS)

    def wanted(self, kind: str) -> bool:
        """Whether anybody subscribes to `kind`."""
        topic = self.topic(kind)
        return any(topic.startswith(prefix) for prefix in self._prefixes)

    def close(self) -> None:
        """Free the address; messages not yet handed over get a moment to leave."""
        self._socket.close(linger=200)
