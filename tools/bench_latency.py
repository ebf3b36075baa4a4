"""From a discharge to a subscriber, through an amplifier process, the pipeline and a network socket.

Beside it, in the same run, on the same stream: a bare relay from LSL to ZeroMQ, which is the least that any pipeline
can cost.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pylsl
import zmq
from numpy.typing import NDArray

from ..stream.decoder_file import Decoder, read_decoder
from ..stream.errors import StreamError
from ..stream.messages import Params, Spikes, decode
from ..stream.pipeline import Pipeline
from .bench_throughput import stage_costs
from .hdf5_reading import read_recording
from .ports import control_address, free_port_pair
from .processes import decoder_of, finish, output_of, start
from .recording import BUNDLED
from .subscriber import ask
from .synthetic_decoder import with_units

START_S = 20.0
SETTLE_S = 2.0  # after the first message; processes are still warming their caches


def latency(
    *,
    seconds: float = 60.0,
    hop: int = 8,
    units: int = 20,
    recording: str = str(BUNDLED),
    decoder_path: str | None = None,
    provider: str = "cpu",
    params: str | None = None,
    progress: Callable[[float, str], None] = lambda share, note: None,
) -> dict[str, object]:
    """Measure for `seconds` with the recording played in a loop.

    Parameters
    ----------
    seconds : float
    hop : int
        Samples a hop, and a chunk of the amplifier.
    units : int
        Units decoded; those of the calibration are repeated or cut off to this number.
    recording : str
    decoder_path : str, optional
        A decoder to use instead of a fresh calibration.
    provider : {"cpu", "cuda"}
    params : str, optional
        As `run` takes it: a parameter model, "none", or by default the shipped one.
    """
    with tempfile.TemporaryDirectory() as folder:
        calibrated = decoder_of(recording, decoder_path, folder, progress)
        path = Path(folder) / "decoder.onnx"
        decoder = with_units(read_decoder(calibrated), units, path)
        options = ["--provider", provider, *([] if params is None else ["--params", params])]
        spikes, relayed, told, run_summary = _record(decoder, path, seconds, hop, recording, options, progress)
    lag = np.array([unit.lag_s for unit in decoder.info.units])
    unit, spike_t, received = spikes  # (spikes,) each
    peak_ms = 1e3 * (received - spike_t)
    relay_ms = _relay_latency(spike_t, relayed)
    lookahead_ms = 1e3 * decoder.info.detector.lookahead / decoder.info.fs_hz
    over = float(np.percentile(peak_ms, 99) - lookahead_ms - np.percentile(relay_ms, 99))
    return {
        "seconds": seconds, "hop": hop, "channels": len(decoder.info.channels.index), "units": units,
        "spikes": len(unit), "lookahead_ms": lookahead_ms, "peak_to_subscriber_ms": quantiles(peak_ms),
        "relay_ms": quantiles(relay_ms), "p99_over_relay_without_lookahead_ms": over,
        "onset_to_subscriber_ms": quantiles(peak_ms + 1e3 * lag[unit]),
        "decoder_ms": decoder_time(decoder, recording, hop, provider),
        "late_hops": run_summary["late_hops"], "samples_lost": run_summary["samples_lost"],
        "samples_in": run_summary["samples_in"], "provider": run_summary["provider"],
        "start_to_ready_s": run_summary["start_to_ready_s"], "parameters": run_summary["parameters"],
        "params_hz_of_a_unit": _rates(told, units, seconds),
    }  # fmt: skip


def _record(
    decoder: Decoder,
    path: Path,
    seconds: float,
    hop: int,
    recording: str,
    options: list[str],
    progress: Callable[[float, str], None],
) -> tuple[tuple[NDArray, NDArray, NDArray], NDArray, list[int], dict[str, Any]]:
    """Play, decode, relay and listen.

    Spikes as (unit, spike_t, received), relay as rows of (first, last, received), the units that parameters were told
    of, and what `run` said at its end.
    """
    name = f"myodrive-bench-{free_port_pair()}"
    address, relay_address = (f"tcp://127.0.0.1:{free_port_pair()}" for _ in range(2))
    amplifier = start(["play", recording, "--name", name, "--source-id", name, "--loop", "--chunk", str(hop)])
    arguments = ["run", "--stream", name, "--decoder", str(path), "--bind", address, "--hop", str(hop), "--json"]
    pipeline = start([*arguments, *options])
    relay = start([name, relay_address, str(hop)], module="myodrive.tools.relay")
    context = zmq.Context()
    sockets = []
    for where, topics in ((address, (b"spikes/", b"params/")), (relay_address, (b"",))):
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.connect(where)
        for topic in topics:
            socket.subscribe(topic)
        sockets.append(socket)
    try:
        spikes, relayed, told = _listen(sockets[0], sockets[1], seconds, pipeline, progress)
        ask(control_address(address), "stop")
        return spikes, relayed, told, dict(msgspec.json.decode(output_of(pipeline, 10.0)))
    finally:
        for socket in sockets:
            socket.close(linger=0)
        context.term()
        for process in (relay, amplifier, pipeline):
            finish(process)


def _listen(
    spikes_in: zmq.Socket[bytes],
    relay_in: zmq.Socket[bytes],
    seconds: float,
    pipeline: subprocess.Popen[bytes],
    progress: Callable[[float, str], None],
) -> tuple[tuple[NDArray, NDArray, NDArray], NDArray, list[int]]:
    """Note when each message came in."""
    clock = pylsl.local_clock
    poller = zmq.Poller()
    poller.register(spikes_in, zmq.POLLIN)
    poller.register(relay_in, zmq.POLLIN)
    came: list[tuple[float, list[bytes]]] = []
    relayed: list[tuple[float, bytes]] = []
    began = None
    limit = time.monotonic() + START_S
    shown = 0.0
    while time.monotonic() < limit:
        if pipeline.poll() is not None:
            output_of(pipeline, 1.0)
            raise StreamError("the pipeline stopped by itself: run `myodrive doctor`")
        for socket, _ in poller.poll(200):
            frames = socket.recv_multipart()
            now = clock()
            if socket is relay_in:
                relayed.append((now, frames[0]))
            else:
                came.append((now, frames))
                if began is None and frames[0].startswith(b"spikes/"):
                    began = time.monotonic()
                    limit = began + SETTLE_S + seconds
        if began is not None and time.monotonic() - shown > 1.0:
            shown = time.monotonic()
            progress(min(1.0, (shown - began) / (SETTLE_S + seconds)), "measuring")
    if began is None:
        raise StreamError(f"no spike came within {START_S:g} s: run `myodrive doctor`")
    since = next(received for received, frames in came if frames[0].startswith(b"spikes/")) + SETTLE_S
    rows = []
    told = []
    for received, frames in came:
        message = decode(frames)
        if received >= since and isinstance(message, Params) and message.iz_mm is not None:
            told.append(message.unit)
        if received >= since and isinstance(message, Spikes):
            rows += [(u, t, received) for u, t in zip(message.unit, message.spike_t, strict=True)]
    if not rows or not relayed:
        raise StreamError(f"no spike or no relayed sample came within {seconds:g} s: measure for longer")
    unit, spike_t, received_at = (np.array(column) for column in zip(*rows, strict=True))
    stamps = np.array([[*np.frombuffer(frame)[:2], now] for now, frame in relayed])
    return (unit.astype(int), spike_t, received_at), stamps, told


def _rates(told: list[int], units: int, seconds: float) -> dict[str, float]:
    """Least and median number of parameter messages a second over the units."""
    rate = np.bincount(told, minlength=units) / seconds
    return {"least": float(rate.min()), "median": float(np.median(rate))}


def _relay_latency(spike_t: NDArray[np.float64], relayed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Time from each discharge's own sample to the relay's message that carried it, ms."""
    row = np.searchsorted(relayed[:, 1], spike_t - 1e-5)  # the first message whose last sample is not before it
    inside = row < len(relayed)
    return 1e3 * (relayed[row[inside], 2] - spike_t[inside])


def decoder_time(decoder: Decoder, recording: str, hop: int, provider: str) -> dict[str, float]:
    """Time of the stages from filter to drive over the recording, ms a hop, without any waiting."""
    emg = read_recording(recording).emg
    emg = np.ascontiguousarray(emg[:, decoder.info.channels.index])
    pipeline = Pipeline(decoder, hop, provider=provider)
    taken = np.zeros(len(emg) // hop)
    for number in range(len(taken)):
        began = time.perf_counter()
        pipeline(emg[number * hop : (number + 1) * hop], number * hop)
        taken[number] = 1e3 * (time.perf_counter() - began)
    stages = {f"{name}_us": value for name, value in stage_costs(decoder, emg, hop, provider).items()}
    return {**quantiles(taken), **stages}


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest of some values."""
    p50, p99, p999 = np.percentile(values, [50, 99, 99.9])
    return {"p50": float(p50), "p99": float(p99), "p999": float(p999), "max": float(values.max())}
