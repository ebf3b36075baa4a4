"""Whether messages pass and samples are decoded fast enough, tried on a small scale."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .finding import Finding, note, ok, problem

CHANNELS, UNITS, HOP, FS_HZ = 64, 20, 8, 2048.0
HOP_US = 1e6 * HOP / FS_HZ
SLOW, TOO_SLOW = 0.25, 0.8  # of the time that a hop has
MESSAGES = 200


@dataclass(frozen=True)
class MessagesSeen:
    """ZeroMQ over loopback: its version, its median time (us; None when nothing came), and whether it can encrypt."""

    version: str = "4.3.5"
    us: float | None = 30.0
    curve: bool = True


def see_messages() -> MessagesSeen:
    """Send some to ourselves."""
    import zmq

    took: list[float] = []
    with zmq.Context() as context, context.socket(zmq.PAIR) as sender, context.socket(zmq.PAIR) as receiver:
        sender.linger = receiver.linger = 0
        sender.sndtimeo = 1000
        port = sender.bind_to_random_port("tcp://127.0.0.1")
        receiver.connect(f"tcp://127.0.0.1:{port}")
        for _ in range(MESSAGES):
            began = time.perf_counter()
            with suppress(zmq.Again):
                sender.send(b"x")
            if not receiver.poll(1000):
                break
            receiver.recv()
            took.append(1e6 * (time.perf_counter() - began))
    whole = len(took) == MESSAGES
    return MessagesSeen(zmq.zmq_version(), float(np.median(took)) if whole else None, bool(zmq.has("curve")))


def judge_messages(seen: MessagesSeen) -> Finding:
    """Whether programs here can read what `run` publishes."""
    if seen.us is None:
        return problem(
            "ZeroMQ", "a message to 127.0.0.1 does not arrive", "let the firewall pass 127.0.0.1, for Python"
        )
    found = f"{seen.version}, loopback in {seen.us:.0f} us"
    if not seen.curve:
        return note("ZeroMQ", f"{found}, without encryption", "for --curve pip install --force-reinstall pyzmq")
    return ok("ZeroMQ", f"{found}, with encryption (CURVE)")


def see_decoding() -> float:
    """Time of one hop through all stages, us."""
    from ..bench_throughput import stage_costs
    from ..synthetic_decoder import synthetic_decoder, synthetic_emg

    with tempfile.TemporaryDirectory() as folder:
        decoder = synthetic_decoder(Path(folder) / "doctor.onnx", CHANNELS, UNITS, FS_HZ, 0)
    return sum(stage_costs(decoder, synthetic_emg(CHANNELS, 2.0, FS_HZ, 0), HOP).values())


def judge_decoding(us: float) -> Finding:
    """Whether a common session is decoded with time to spare."""
    found = f"{CHANNELS} channels, {UNITS} units: {us:.0f} us for each {HOP} samples, of {HOP_US:.0f} us there are"
    if us > TOO_SLOW * HOP_US:
        return problem(
            "decoding", found, "this machine is too slow or too busy: take another, or fewer channels and units"
        )
    if us > SLOW * HOP_US:
        return note("decoding", found, "close other programs, or take fewer channels or units")
    return ok("decoding", found)
