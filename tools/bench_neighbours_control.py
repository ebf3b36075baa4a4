"""Strangers at the pipeline's two ports: hostile requests, bytes that are no ZeroMQ, connections that say nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import msgspec
import numpy as np
import zmq

from .bench_neighbours_pipeline import Progress, growth_percent, status_of
from .hostile_files import resident_bytes
from .hostile_frames import oversized, request
from .open_files import allow_many
from .ports import control_address
from .subscriber import ask

CLIENTS = 8
IN_FLIGHT = 20  # requests a client leaves unanswered
CONTROL_S = 300.0  # at most


def control(address: str, pid: int, frames: int, progress: Progress) -> dict[str, Any]:
    """Send requests until so many frames have gone; a first tenth settles the memory."""
    where = control_address(address)
    first = bombard(where, frames // 10, 0, progress)
    before, status = resident_bytes(pid), status_of(address)
    sent = bombard(where, frames, 1, progress)
    began = time.perf_counter()
    pong = ask(where, "ping", 5.0)
    ping_ms = 1e3 * (time.perf_counter() - began)
    after, now = resident_bytes(pid), status_of(address)
    sent.update(
        next_ping_answered=pong is not None, next_ping_ms=ping_ms, alive=now.get("state") == "live",
        memory_mb=after / 1e6, growth_percent=growth_percent(before, after), unanswered_before=first["unanswered"],
        late_hops=now["late_hops"] - status["late_hops"], samples_lost=now["samples_lost"] - status["samples_lost"],
    )  # fmt: skip
    return sent


def bombard(where: str, frames: int, seed: int, progress: Progress) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    context = zmq.Context()
    clients = [_client(context, where) for _ in range(CLIENTS)]
    waiting = [0] * CLIENTS
    sent = requests = answered = accepted = cut = 0
    began = time.monotonic()
    try:
        while sent < frames and time.monotonic() - began < CONTROL_S:
            for i, client in enumerate(clients):
                while waiting[i] < IN_FLIGHT and sent < frames:
                    parts = request(rng)
                    client.send_multipart(parts)
                    waiting[i] += 1
                    requests += 1
                    sent += len(parts)
                answered, accepted = _drain(client, waiting, i, answered, accepted, 2)
            if requests // 500 > cut:
                cut += 1
                loser = _client(context, where)
                loser.send_multipart(oversized(rng))
                loser.close(linger=100)
            if rng.random() < 0.02:
                progress(sent / frames, "control socket")
        end = time.monotonic() + 10.0
        while any(waiting) and time.monotonic() < end:
            for i, client in enumerate(clients):
                answered, accepted = _drain(client, waiting, i, answered, accepted, 20)
    finally:
        context.destroy(linger=0)
    return {
        "frames": sent, "requests": requests, "connections_cut": cut, "refused": answered, "accepted": accepted,
        "unanswered": sum(waiting), "seconds": time.monotonic() - began,
    }  # fmt: skip


def _client(context: zmq.Context[zmq.Socket[bytes]], where: str) -> zmq.Socket[bytes]:
    client = context.socket(zmq.DEALER)
    client.setsockopt(zmq.LINGER, 0)
    client.setsockopt(zmq.SNDHWM, 0)
    client.connect(where)
    return client


def _drain(
    client: zmq.Socket[bytes], waiting: list[int], i: int, answered: int, accepted: int, wait_ms: int
) -> tuple[int, int]:
    """Take the answers that are there; none of them may be a yes."""
    while waiting[i] and client.poll(wait_ms):
        reply = client.recv_multipart()[-1]
        waiting[i] -= 1
        answered += 1
        accepted += msgspec.msgpack.decode(reply)["ok"]
        wait_ms = 0
    return answered, accepted


def connections(address: str, pid: int, progress: Progress, count: int = 1000) -> dict[str, Any]:
    """Bytes that are no ZeroMQ, connections that say nothing, and clients that ask and never read, on both ports."""
    rng = np.random.default_rng(2)
    allow_many()
    before, status = resident_bytes(pid), status_of(address)
    ports = [int(where.rpartition(":")[2]) for where in (address, control_address(address))]
    web = b"GET / HTTP/1.1\r\n\r\n"
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
    refused = 0
    for turn in range(count):
        progress(turn / count, "rubbish")
        body = (rng.bytes(500), web, greeting + b"\x02\xff" + b"\xff" * 8, greeting[:12])[turn % 4]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[turn % 2]), 2.0) as raw:
            raw.sendall(body)
    with contextlib.ExitStack() as stack:
        for turn in range(count):
            try:
                stack.enter_context(socket.create_connection(("127.0.0.1", ports[turn % 2]), 2.0))
            except OSError:
                refused += 1
        while_open = ask(control_address(address), "ping", 10.0) is not None
        deaf = zmq.Context()
        for _ in range(20):
            client = _client(deaf, control_address(address))
            client.setsockopt(zmq.RCVHWM, 1)
            for _ in range(200):
                client.send(msgspec.msgpack.encode({"do": "units"}))
        time.sleep(3.0)
        ping = ask(control_address(address), "ping", 10.0) is not None
        held = resident_bytes(pid)
        deaf.destroy(linger=0)
    time.sleep(1.0)
    after, now = resident_bytes(pid), status_of(address)
    return {
        "of_rubbish": count, "half_open": count - refused, "ping_answered_beside_half_open": while_open,
        "ping_answered_beside_deaf_clients": ping, "memory_held_mb": (held - before) / 1e6,
        "growth_percent": growth_percent(before, after), "alive": now.get("state") == "live",
        "late_hops": now["late_hops"] - status["late_hops"],
    }  # fmt: skip
