"""The two addresses of a session: messages, and the control socket on the next port."""

from __future__ import annotations

import uuid
from typing import Any

import zmq

from .control import Control
from .errors import AddressError
from .messages import Latency, Status
from .publisher import Publisher


class Endpoints:
    """Both sockets, bound before anything slow is begun, so that an address in use is found out first.

    Parameters
    ----------
    address : str
        Of the messages, ``tcp://host:port``; the control socket takes the next port.
    stream : str
        Name of the LSL stream.

    Attributes
    ----------
    session : str
    publisher : Publisher
    control : Control

    Raises
    ------
    AddressError
        One of the addresses is no address or is in use; neither stays bound.
    """

    def __init__(self, address: str, stream: str) -> None:
        control_address = next_port(address)
        self.session = uuid.uuid4().hex
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self.publisher = Publisher(self._context, address, stream, self.session)
            try:
                self.control = Control(self._context, control_address, self._not_yet)
            except AddressError:
                self.publisher.close()
                raise
        except AddressError:
            self._context.term()
            raise

    def announce_warming(self, now: float) -> None:
        """Tell whoever listens already that the pipeline is being made ready."""
        nothing = Latency(p50=0.0, p99=0.0, p999=0.0, max=0.0, hist=[])
        status = Status(
            state="warming", samples_in=0, samples_lost=0, gaps=0, reconnects=0, late_hops=0, bad_channels=[],
            bad_reasons=[], messages_dropped=0, latency_ms=nothing,
        )  # fmt: skip
        self.publisher.send("status", status, now)

    def _not_yet(self, word: str) -> dict[str, Any]:
        return {"state": "warming", "session": self.session}

    def close(self) -> None:
        """Free both addresses."""
        self.publisher.close()
        self.control.close()
        self._context.term()


def next_port(address: str) -> str:
    """The address one port up, for the control socket.

    Raises
    ------
    AddressError
        The address is not ``tcp://host:port``.
    """
    host, colon, port = address.rpartition(":")
    if not address.startswith("tcp://") or not colon or not port.isdecimal() or not 0 < int(port) < 65535:
        raise AddressError(f'"{address}" is not an address: one looks like tcp://127.0.0.1:5570')
    return f"{host}:{int(port) + 1}"
