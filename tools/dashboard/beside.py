"""The dashboard as a process beside another program, and whether to open a browser on it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import msgspec

from ...stream.errors import AddressError
from ..processes import finish, start

PORT = 8570


def has_screen() -> bool:
    """Whether a person sits before a screen here, as far as can be told."""
    screen = sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return screen and sys.stderr.isatty()


@contextlib.contextmanager
def dashboard_at(address: str, ports: tuple[int, ...] = (0,), show: bool = False) -> Iterator[str]:
    """A dashboard of the pipeline at `address`, on the first of `ports` that is free; where its page is.

    Raises
    ------
    AddressError
        None of the ports is free.
    """
    for port in ports:
        opened = "--open" if show else "--no-open"
        process = start(["dashboard", "--connect", address, "--port", str(port), opened, "--json"])
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if line:
                yield str(msgspec.json.decode(line)["url"])
                return
        finally:
            finish(process)
    raise AddressError(f"the dashboard cannot be served on port {' or '.join(map(str, ports))}: close the other one")
