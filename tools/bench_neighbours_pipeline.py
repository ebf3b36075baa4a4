"""The live pipeline that bad neighbours are let loose on, and how it stands."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..stream.errors import StreamError
from .ports import control_address, free_port_pair
from .processes import finish, output_of, start
from .recording import BUNDLED
from .subscriber import ask

START_S = 30.0
SETTLE_S = 3.0
Progress = Callable[[float, str], None]


def silent(share: float, note: str) -> None:
    """No progress shown."""


@contextlib.contextmanager
def running(decoder: str) -> Iterator[tuple[str, str, subprocess.Popen[bytes]]]:
    """A live pipeline and a relay beside it: their addresses, and the pipeline's process."""
    name = f"myodrive-bench-{free_port_pair()}"
    address, relay_address = (f"tcp://127.0.0.1:{free_port_pair()}" for _ in range(2))
    amplifier = start(["play", str(BUNDLED), "--name", name, "--source-id", name, "--loop"])
    pipeline = start(["run", "--stream", name, "--decoder", decoder, "--bind", address, "--json", "--params", "none"])
    relay = start([name, relay_address, "8"], module="myodrive.tools.relay")
    try:
        end = time.monotonic() + START_S
        while status_of(address).get("state") != "live":
            if pipeline.poll() is not None:
                output_of(pipeline, 1.0)  # raises with what it said
            if time.monotonic() > end:
                raise StreamError(f"nothing was decoded within {START_S:g} s: run `myodrive doctor`")
            time.sleep(0.1)
        time.sleep(SETTLE_S)
        yield address, relay_address, pipeline
    finally:
        for process in (relay, amplifier, pipeline):
            finish(process)


def status_of(address: str) -> dict[str, Any]:
    """What the pipeline says of itself; nothing where it does not answer."""
    reply = ask(control_address(address), "status", 2.0)
    return {} if reply is None else msgspec.msgpack.decode(reply)["status"]


def growth_percent(before: int, after: int) -> float:
    """By how much `after` is more than `before`, per cent."""
    return 100.0 * (after - before) / before if before else 0.0
