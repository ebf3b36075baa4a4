"""What hostile, slow and dead neighbours cost a running pipeline, and what damaged files do.

Everything stays on the loopback interface; every process is ended by its id; every phase has a bound on its time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pylsl
import zmq

from ..stream.errors import MyodriveError, StreamError
from ..stream.messages import Drive, Spikes, decode
from ..stream.publisher import Publisher
from .console import number, print_json, progress_bar, whole_number
from .damage import damaged
from .hostile_files import READERS, outcome, resident_bytes
from .hostile_frames import oversized, request
from .open_files import allow_many
from .parameters import SHIPPED
from .ports import control_address, free_port_pair
from .processes import finish, json_of, output_of, start
from .recording import BUNDLED
from .recording_reader import read_apart
from .subscriber import ask
from .synthetic_decoder import synthetic_decoder

START_S = 30.0
CLIENTS = 8
IN_FLIGHT = 20  # requests a client leaves unanswered
CONTROL_S = 300.0  # at most
FILE_S = 10.0  # for one file, then it counts as never ending
PATIENCE_S = 30.0  # for a reader to start
SETTLE_S = 3.0
ROUNDS = 4  # of nobody and everybody
CATCH_UP_S = 10.0  # for those that were stopped to read what had piled up
STOPPED_MESSAGES, LATER = 50_000, 20

Progress = Callable[[float, str], None]


def silent(share: float, note: str) -> None:
    """No progress shown."""


def neighbours(
    *,
    frames: int = 100_000,
    files: int = 10_000,
    subscribers: int = 100,
    seconds: float = 15.0,
    decoder: str | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure all of it.

    Parameters
    ----------
    frames : int
        Hostile requests on the control socket.
    files : int
        Damaged files, a third each of decoders, parameter models and recordings.
    subscribers : int
        Half of them stopped.
    seconds : float
        Of each round with or without subscribers.
    decoder : str, optional
        One of the bundled recording, instead of a fresh calibration.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = decoder or str(Path(folder) / "decoder.onnx")
        if decoder is None:
            progress(0.0, "calibrating")
            json_of(["calibrate", str(BUNDLED), "-o", path, "--json"])
        with _running(path) as (address, relay, pipeline):
            told = {
                "control": _control(address, pipeline.pid, frames, progress),
                "connections": _connections(address, pipeline.pid, progress),
                "subscribers": _subscribers(address, relay, pipeline.pid, subscribers, seconds, progress),
            }
        told["stopped_subscribers"] = _stopped(subscribers // 2, progress)
        told["files"] = _files(Path(folder), files, progress)
    return told


@contextlib.contextmanager
def _running(decoder: str) -> Iterator[tuple[str, str, subprocess.Popen[bytes]]]:
    """A live pipeline and a relay beside it: their addresses, and the pipeline's process."""
    name = f"myodrive-bench-{free_port_pair()}"
    address, relay_address = (f"tcp://127.0.0.1:{free_port_pair()}" for _ in range(2))
    amplifier = start(["play", str(BUNDLED), "--name", name, "--source-id", name, "--loop"])
    pipeline = start(["run", "--stream", name, "--decoder", decoder, "--bind", address, "--json", "--params", "none"])
    relay = start([name, relay_address, "8"], module="myodrive.tools.relay")
    try:
        end = time.monotonic() + START_S
        while _status(address).get("state") != "live":
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


def _status(address: str) -> dict[str, Any]:
    reply = ask(control_address(address), "status", 2.0)
    return {} if reply is None else msgspec.msgpack.decode(reply)["status"]


def _growth(before: int, after: int) -> float:
    """Per cent."""
    return 100.0 * (after - before) / before if before else 0.0


# --- the control socket -----------------------------------------------------------------------------------------------


def _control(address: str, pid: int, frames: int, progress: Progress) -> dict[str, Any]:
    """Send requests until so many frames have gone; a first tenth settles the memory."""
    where = control_address(address)
    first = _bombard(where, frames // 10, 0, progress)
    before, status = resident_bytes(pid), _status(address)
    sent = _bombard(where, frames, 1, progress)
    began = time.perf_counter()
    pong = ask(where, "ping", 5.0)
    ping_ms = 1e3 * (time.perf_counter() - began)
    after, now = resident_bytes(pid), _status(address)
    sent.update(
        next_ping_answered=pong is not None, next_ping_ms=ping_ms, alive=now.get("state") == "live",
        memory_mb=after / 1e6, growth_percent=_growth(before, after), unanswered_before=first["unanswered"],
        late_hops=now["late_hops"] - status["late_hops"], samples_lost=now["samples_lost"] - status["samples_lost"],
    )  # fmt: skip
    return sent


def _bombard(where: str, frames: int, seed: int, progress: Progress) -> dict[str, Any]:
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


def _connections(address: str, pid: int, progress: Progress, count: int = 1000) -> dict[str, Any]:
    """Bytes that are no ZeroMQ, connections that say nothing, and clients that ask and never read, on both ports."""
    rng = np.random.default_rng(2)
    allow_many()
    before, status = resident_bytes(pid), _status(address)
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
    after, now = resident_bytes(pid), _status(address)
    return {
        "of_rubbish": count, "half_open": count - refused, "ping_answered_beside_half_open": while_open,
        "ping_answered_beside_deaf_clients": ping, "memory_held_mb": (held - before) / 1e6,
        "growth_percent": _growth(before, after), "alive": now.get("state") == "live",
        "late_hops": now["late_hops"] - status["late_hops"],
    }  # fmt: skip


# --- subscribers ------------------------------------------------------------------------------------------------------


def _subscribers(address: str, relay: str, pid: int, count: int, seconds: float, progress: Progress) -> dict[str, Any]:
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
        [sys.executable, "-m", "myodrive.tools.many_subscribers", address, str(count)],
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
    before = _status(address)
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
    after = _status(address)
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


def _stopped(count: int, progress: Progress) -> dict[str, Any]:
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


# --- files ------------------------------------------------------------------------------------------------------------


def _files(folder: Path, count: int, progress: Progress) -> dict[str, Any]:
    """Damaged copies of a decoder, a parameter model and a recording."""
    decoder = folder / "whole.onnx"
    synthetic_decoder(decoder, 8, 3, 2048.0, 0)
    told = {}
    wholes = {"decoder": decoder, "parameters": SHIPPED, "recording": BUNDLED}
    for done, (kind, path) in enumerate(wholes.items()):
        each = count // 3 + (1 if done < count % 3 else 0)
        told[kind] = _of_one_kind(kind, path, each, folder, lambda share, n=done: progress((n + share) / 3, "files"))
    return told


def _of_one_kind(kind: str, path: Path, count: int, folder: Path, progress: Callable[[float], None]) -> dict[str, Any]:
    ends: Counter[str] = Counter()
    growth, at = 0.0, 0
    killers: list[int] = []
    while at < count:
        command = [sys.executable, "-m", "myodrive.tools.hostile_files", kind, str(path), str(at), str(count)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            for line in _lines(process):
                words = line.split(" ", 1)
                if words[0] == "memory":
                    settled, final = map(int, words[1].split())
                    growth = max(growth, _growth(settled, final))
                elif len(words) == 2 and words[1]:
                    ends[words[1]] += 1
                    at = int(words[0]) + 1
                    progress(at / count)
        finally:
            finish(process)
        if at < count:  # it crashed, or was ended because nothing came for too long
            killers.append(at)
            at += 1
    return {
        "files": count, "read": ends.pop("read", 0), "refused": ends.pop("refused", 0), "otherwise": dict(ends),
        "killed_the_reader": len(killers), "growth_percent": growth,
        "of_these_told_in_one_sentence": sum(_told(kind, path, seed, folder) for seed in killers),
    }  # fmt: skip


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What the reader says, line by line, until it ends or falls silent."""
    assert process.stdout is not None
    heard = [time.monotonic()]

    def watch() -> None:
        while process.poll() is None:
            if time.monotonic() - heard[0] > FILE_S:
                process.kill()
                return
            time.sleep(0.1)

    watcher = threading.Thread(target=watch, daemon=True)
    heard[0] += PATIENCE_S
    watcher.start()
    for line in process.stdout:
        heard[0] = time.monotonic()
        yield line.decode().strip()
    process.wait()
    watcher.join()


def _told(kind: str, path: Path, seed: int, folder: Path) -> bool:
    """Whether the commands' own way of reading, with its bounds, makes one sentence of a file that kills a reader."""
    copy = folder / f"killer-{seed}{path.suffix}"
    copy.write_bytes(damaged(path.read_bytes(), np.random.default_rng(seed)))
    try:
        return outcome(read_apart if kind == "recording" else READERS[kind], copy) == "refused"
    except MyodriveError:
        return False


def main(arguments: list[str] | None = None) -> int:
    """``python -m myodrive.tools.bench_neighbours``: fewer or more of each than `bench neighbours` takes."""
    parser = argparse.ArgumentParser(prog="bench_neighbours")
    parser.add_argument("--frames", type=whole_number(1, 10**7), default=100_000)
    parser.add_argument("--files", type=whole_number(3, 10**6), default=10_000)
    parser.add_argument("--subscribers", type=whole_number(2, 500), default=100)
    parser.add_argument("--seconds", type=number(1, 3600), default=15.0, help="of each round")
    parser.add_argument("--decoder", help="of the bundled recording, instead of calibrating")
    given = vars(parser.parse_args(arguments))
    with progress_bar("neighbours") as progress:
        found = neighbours(**given, progress=progress)
    print_json(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
