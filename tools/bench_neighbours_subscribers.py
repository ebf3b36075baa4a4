"""What many subscribers cost a pipeline, and what stopped ones make it hold."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import Any

import msgspec
import numpy as np
import pylsl
import zmq

from ..stream.errors import StreamError
from ..stream.messages import Drive, Spikes, decode
from ..stream.publisher import Publisher
from .bench_neighbours_pipeline import Progress, status_of
from .hostile_files import resident_bytes
from .ports import free_port_pair
from .processes import finish, python_command

ROUNDS = 4  # of nobody and everybody
CATCH_UP_S = 10.0  # for those that were stopped to read what had piled up
STOPPED_MESSAGES, LATER = 50_000, 20


def subscribers_measured(
    address: str, relay: str, pid: int, count: int, seconds: float, progress: Progress
) -> dict[str, Any]:
    """Alternate rounds without and with them; latency of both from the same run, the relay's beside it."""
    rounds: dict[str, list[dict[str, float]]] = {"nobody": [], "everybody": []}
    missed = received = stopped_missed = stopped_received = 0
    for turn in range(ROUNDS):
        progress(turn / ROUNDS, "subscribers")
        if turn % 2 == 0:
            rounds["nobody"].append(_round(address, relay, pid, seconds))
            continue
        reading, stopped = (_start_subscribers(address, n) for n in (count - count // 2, count // 2))
        try:
            time.sleep(1.0)
            stopped.send_signal(signal.SIGSTOP)
            rounds["everybody"].append(_round(address, relay, pid, seconds))
            stopped.send_signal(signal.SIGCONT)
            time.sleep(2.0)
            for process, is_reading in ((reading, True), (stopped, False)):
                out, _ = process.communicate(timeout=30)
                found = msgspec.json.decode(out.splitlines()[-1])
                if is_reading:
                    received, missed = received + found["received"], missed + found["missed"]
                else:
                    stopped_received += found["received"]
                    stopped_missed += found["missed"]
        finally:
            for process in (reading, stopped):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                finish(process)
    return {
        "subscribers": count, "stopped": count // 2, **{name: _summed(found) for name, found in rounds.items()},
        "readers": {"received": received, "missed": missed},
        "stopped_ones_afterwards": {"received": stopped_received, "missed": stopped_missed},
    }  # fmt: skip


def _start_subscribers(address: str, count: int) -> subprocess.Popen[bytes]:
    """On the last core where there are several: what is asked is what they cost the pipeline, not the machine."""
    process = subprocess.Popen(
        python_command("myodrive.tools.many_subscribers", address, str(count)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        finish(process)
        raise StreamError("subscribers cannot be started: run `myodrive doctor`")
    return process


def _round(address: str, relay: str, pid: int, seconds: float) -> dict[str, Any]:
    before = status_of(address)
    context = zmq.Context()
    poller = zmq.Poller()
    sockets = []
    for where, topic in ((address, b"spikes/"), (relay, b"")):
        one = context.socket(zmq.SUB)
        one.setsockopt(zmq.RCVHWM, 0)
        one.connect(where)
        one.subscribe(topic)
        poller.register(one, zmq.POLLIN)
        sockets.append(one)
    spike_ms: list[float] = []
    relay_ms: list[float] = []
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for one, _ in poller.poll(100):
                frames = one.recv_multipart()
                now = pylsl.local_clock()
                if one is sockets[1]:
                    relay_ms.append(1e3 * (now - np.frombuffer(frames[0])[1]))
                else:
                    message = decode(frames)
                    assert isinstance(message, Spikes)
                    spike_ms.append(1e3 * (now - message.t))
    finally:
        context.destroy(linger=0)
    after = status_of(address)
    return {
        "message_ms": spike_ms, "relay_ms": relay_ms, "memory_mb": resident_bytes(pid) / 1e6,
        **{name: after[name] - before[name] for name in ("late_hops", "samples_in", "samples_lost")},
    }  # fmt: skip


def _summed(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Newest sample of a message to its arrival here, and the same of the relay."""
    if not rounds:
        return {}
    told: dict[str, Any] = {}
    for name in ("message_ms", "relay_ms"):
        values = np.concatenate([found[name] for found in rounds])
        if len(values):
            p50, p99 = np.percentile(values, [50, 99])
            told[name] = {"p50": float(p50), "p99": float(p99), "max": float(values.max())}
    for name in ("late_hops", "samples_in", "samples_lost"):
        told[name] = int(sum(found[name] for found in rounds))
    told["memory_mb"] = max(found["memory_mb"] for found in rounds)
    return told


def held_by_stopped(count: int, progress: Progress) -> dict[str, Any]:
    """What stopped subscribers make the publisher hold: far more messages than their marks, sent to nobody awake."""
    progress(0.0, "stopped subscribers")
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(context, address, "bench", "0" * 32)
    process = None
    try:
        process = _start_subscribers(address, count)
        end = time.monotonic() + 5.0
        while not publisher.wanted("drive") and time.monotonic() < end:
            publisher.newcomers()
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGSTOP)
        before = resident_bytes(os.getpid())
        for turn in range(STOPPED_MESSAGES):
            publisher.send("drive", _drive(20), float(turn))
            if turn % 100 == 99:
                time.sleep(0.001)  # or the mark is reached before anything has left
        after = resident_bytes(os.getpid())
        process.send_signal(signal.SIGCONT)
        time.sleep(CATCH_UP_S)
        for _ in range(LATER):  # the message after a hole shows the hole
            time.sleep(0.1)
            publisher.send("drive", _drive(20), 0.0)
        out, _ = process.communicate(timeout=60)
        found = msgspec.json.decode(out.splitlines()[-1])
    finally:
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            finish(process)
        publisher.close()
        context.term()
    return {
        "subscribers": count, "messages_sent": STOPPED_MESSAGES + LATER, "memory_mb": (after - before) / 1e6,
        "kb_each": (after - before) / 1e3 / max(1, count), **found,
        "all_accounted_for": found["received"] + found["missed"] == count * (STOPPED_MESSAGES + LATER),
    }  # fmt: skip


def _drive(units: int) -> Drive:
    return Drive(
        rate=[10.0] * units, cst=200.0, command=0.5, source="units", delay_s=0.08, envelope=30.0, valid=True
    )  # fmt: skip
