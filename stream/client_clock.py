"""What the LSL clock of the pipeline's machine says, asked of its control socket.

The clocks of two machines have nothing to do with each other: each counts from its own start. A question and its answer
bound the difference: the time in the answer was read after the question left and before the answer came. The bounds
of several answers hold together. How long the way back takes, and when the answer is looked at, widens one bound only,
and not the one that tells how old a message may be at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import zmq

from .curve import ClientKeys
from .publisher import READABLE, events

ASK_S = 1.0
ANSWER_S = 3.0  # then the question is lost: it is asked anew over a new connection, so that no answer is mixed up
FORGET_S = 30.0  # without an answer for so long, the other clock is not known
DRIFT = 1e-3  # two clocks run apart by no more: NTP slews each by 5e-4 at most
LONGEST_ANSWER = 1 << 16


class Pong(msgspec.Struct):
    """What is read of an answer."""

    ok: bool
    t: float = math.nan


_read = msgspec.msgpack.Decoder(Pong).decode
_PING = msgspec.msgpack.encode({"do": "ping"})


class RemoteClock:
    """The clock of another machine, between two bounds; never waits.

    Parameters
    ----------
    context : zmq.Context
    address : str
        Of the control socket.
    keys : ClientKeys, optional
    clock : callable
        This machine's clock, s.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        keys: ClientKeys | None,
        clock: Callable[[], float],
    ) -> None:
        self._context = context
        self._address = address
        self._keys = keys
        self._clock = clock
        self._socket: zmq.Socket[bytes] | None = None
        self._asked: float | None = None  # when the question that is out left
        self._next = -math.inf
        self._bounds: tuple[float, float, float] | None = None  # least and most ahead of ours, and when that was known

    def tend(self, now: float) -> None:
        """Ask when it is time to, and look for an answer."""
        if self._asked is None:
            if now >= self._next:
                self._ask()
            return
        assert self._socket is not None
        if events(self._socket) & READABLE:
            frames = self._socket.recv_multipart()
            self._answered(frames[-1], self._asked, self._clock())
            self._asked, self._next = None, now + ASK_S
        elif now - self._asked > ANSWER_S:
            self._hang_up()

    def ahead(self, now: float) -> tuple[float, float] | None:
        """Least and most that the other clock may be ahead of this one, s; None while it is not known."""
        if self._bounds is None:
            return None
        least, most, at = self._bounds
        if not now - at < FORGET_S:
            return None
        apart = DRIFT * abs(now - at)
        return least - apart, most + apart

    def forget(self) -> None:
        """Begin anew: another pipeline answers, perhaps on a machine that was started anew."""
        self._bounds = None
        self._hang_up()

    def close(self) -> None:
        """Let go of the connection."""
        self._hang_up()

    def _ask(self) -> None:
        if self._socket is None:
            self._socket = self._context.socket(zmq.DEALER)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_ANSWER)
            if self._keys is not None:
                self._keys.secure(self._socket)
            self._socket.connect(self._address)
        self._asked = self._clock()
        try:
            self._socket.send_multipart([b"", _PING], zmq.NOBLOCK)
        except zmq.Again:  # it was shut out when the pipeline came back: such a connection is gone for good
            self._hang_up()
            self._next = self._clock() + ASK_S

    def _answered(self, body: bytes, asked: float, came: float) -> None:
        try:
            t = _read(body).t
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        if not math.isfinite(t):
            return  # a pipeline that does not say: its clock stays unknown
        apart = DRIFT * (came - asked)  # it was read at any time in between
        least, most = t - came - apart, t - asked + apart
        known = self.ahead(came)
        if known is not None and known[0] <= most and least <= known[1]:  # else one of the clocks was set
            least, most = max(least, known[0]), min(most, known[1])
        self._bounds = least, most, came

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
        self._socket = self._asked = None
        self._next = -math.inf
