"""The control socket: a client asks one word, and gets one map back.

Any bytes may come in here. What is not one of our words is answered with what is wrong and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import zmq

from .errors import AddressError, MessageError
from .messages import decode_request, encode_reply
from .publisher import READABLE, bind, events

MAX_REQUEST_BYTES = 4096  # ZeroMQ cuts off whoever sends more
AT_ONCE = 16  # requests answered between two hops


class Control:
    """A ROUTER socket that answers REQ and DEALER clients; owned by the loop's thread.

    Parameters
    ----------
    context : zmq.Context
    address : str
    answer : callable
        Takes the word asked for, does it, and returns the fields of the reply; may be replaced later.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], address: str, answer: Callable[[str], dict[str, Any]]
    ) -> None:
        self.answer = answer
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
        self._socket.setsockopt(zmq.RCVHWM, 1000)
        try:
            bind(self._socket, address)
        except AddressError:
            self._socket.close()
            raise

    def tend(self) -> None:
        """Answer what has come in, a few requests at most."""
        for _ in range(AT_ONCE):
            if not events(self._socket) & READABLE:
                return
            client, *frames = self._socket.recv_multipart()
            delimiter = frames[:1] == [b""]
            body = frames[1:] if delimiter else frames
            reply = self._reply(body)
            self._socket.send_multipart([client, b"", reply] if delimiter else [client, reply])

    def _reply(self, body: list[bytes]) -> bytes:
        if len(body) != 1:
            return encode_reply(False, error=f"a request is one frame, this one has {len(body)}")
        try:
            word = decode_request(body[0])
        except MessageError as error:
            return encode_reply(False, error=str(error))
        return encode_reply(True, **self.answer(word))

    def close(self) -> None:
        """Free the address; a last answer gets a moment to leave."""
        self._socket.close(linger=200)
