"""The two addresses of a session: messages, and the control socket on the next port."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import zmq

from .control import Control
from .curve import Doorkeeper, ServerKeys
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
    keys : ServerKeys, optional
        Encrypt both sockets, and let in the clients on the list only.

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

    def __init__(self, address: str, stream: str, keys: ServerKeys | None = None) -> None:
        control_address = next_port(address)
        self.session = uuid.uuid4().hex
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._doorkeeper = None if keys is None else Doorkeeper(self._context, keys)
        try:
            self.publisher = Publisher(self._context, address, stream, self.session, self._secure(keys))
            try:
                self.control = Control(self._context, control_address, self._not_yet, self._secure(keys))
            except AddressError:
                self.publisher.close()
                raise
        except AddressError:
            self._leave()
            raise
        if self._doorkeeper is not None:
            self._doorkeeper.open()

    @property
    def refused(self) -> int:
        """Connections turned away by CURVE."""
        return 0 if self._doorkeeper is None else self._doorkeeper.refused

    def _secure(self, keys: ServerKeys | None) -> Callable[[zmq.Socket[bytes]], None]:
        """What is done to a socket before it is bound."""

        def secure(socket: zmq.Socket[bytes]) -> None:
            if keys is not None and self._doorkeeper is not None:
                keys.secure(socket)
                self._doorkeeper.guard(socket)

        return secure

    def _leave(self) -> None:
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        self._context.term()

    def announce_warming(self, now: float) -> None:
        """Tell whoever listens already that the pipeline is being made ready."""
        self.publisher.send("status", warming(), now)

    def _not_yet(self, word: str) -> dict[str, Any]:
        return {"state": "warming", "session": self.session}

    def close(self) -> None:
        """Free both addresses."""
        self.publisher.close()
        self.control.close()
        self._leave()


def warming() -> Status:
    """What is told before the pipeline is ready, not yet stamped."""
    return Status(
        state="warming", samples_in=0, samples_lost=0, gaps=0, reconnects=0, late_hops=0, bad_channels=[],
        bad_reasons=[], messages_dropped=0, latency_ms=Latency(p50=0.0, p99=0.0, p999=0.0, max=0.0, hist=[]),
    )  # fmt: skip


def reached_here(address: str) -> str:
    """Where this machine's own programs reach what is bound to `address`, all interfaces or one."""
    return address.replace("tcp://0.0.0.0", "tcp://127.0.0.1").replace("tcp://*", "tcp://127.0.0.1")


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
