"""The control socket: a client asks one word, and gets one map back.

Any bytes may come in here. What is not one of our words is answered with what is wrong and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import zmq

from .errors import AddressError, MessageError
from .messages import decode_request, encode_reply
from .publisher import READABLE, bind, events, leave_plain, refuse_strangers

MAX_FRAME_BYTES = 16_384  # ZeroMQ cuts off whoever sends more; from 1024 on it is answered that it is too long
REQUESTS_WAITING = 16  # of one client; with the above, what one can make us hold
ANSWERS_WAITING = 100  # for a client that does not read; further ones are dropped
AT_ONCE = 16  # requests answered between two hops
FRAMES_AT_ONCE = 64  # frames taken in between two hops
MOST_FRAMES = 3  # client, delimiter, request; further ones are counted and let go


class Control:
    """A ROUTER socket that answers REQ and DEALER clients; owned by the loop's thread.

    Parameters
    ----------
    context : zmq.Context
    address : str
    answer : callable
        Takes the word asked for, does it, and returns the fields of the reply; may be replaced later.
    secure : callable
        Called with the socket before it is bound.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        answer: Callable[[str], dict[str, Any]],
        secure: Callable[[zmq.Socket[bytes]], None] = leave_plain,
    ) -> None:
        self.answer = answer
        self._frames: list[bytes] = []  # of the request in hand
        self._taken = 0
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        self._socket.setsockopt(zmq.RCVHWM, REQUESTS_WAITING)
        self._socket.setsockopt(zmq.SNDHWM, ANSWERS_WAITING)
        refuse_strangers(self._socket)
        secure(self._socket)
        try:
            bind(self._socket, address)
        except AddressError:
            self._socket.close()
            raise

    def tend(self) -> None:
        """Answer what has come in, a few requests at most; one of many frames is taken in over several calls."""
        answered = 0
        for _ in range(FRAMES_AT_ONCE):
            if answered == AT_ONCE or not events(self._socket) & READABLE:
                return
            frame = self._socket.recv()
            self._taken += 1
            if self._taken <= MOST_FRAMES:
                self._frames.append(frame)
            if not self._socket.getsockopt(zmq.RCVMORE):
                self._answer_request()
                answered += 1

    def _answer_request(self) -> None:
        client, *frames = self._frames
        delimiter = frames[:1] == [b""]
        body = frames[1:] if delimiter else frames
        reply = self._reply(body, self._taken - 1 - delimiter)
        self._frames.clear()
        self._taken = 0
        self._socket.send_multipart([client, b"", reply] if delimiter else [client, reply])

    def _reply(self, body: list[bytes], frames: int) -> bytes:
        if frames != 1:
            return encode_reply(False, error=f"a request is one frame, this one has {frames}")
        try:
            word = decode_request(body[0])
        except MessageError as error:
            return encode_reply(False, error=str(error))
        return encode_reply(True, **self.answer(word))

    def close(self) -> None:
        """Free the address; a last answer gets a moment to leave."""
        self._socket.close(linger=200)
