"""Free addresses on the loopback interface, and the control socket beside one."""

from __future__ import annotations

import socket


def free_port_pair() -> int:
    """A port that is free on the loopback interface, and so is the next."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if port >= 65534:
                continue
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def control_address(address: str) -> str:
    """The control socket's address beside that of the messages."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + 1}"
