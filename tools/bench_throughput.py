"""How many times faster than real time the live code decodes, and what each stage costs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pylsl

from ..stream.array_source import ArraySource
from ..stream.decoder_file import Decoder
from ..stream.endpoints import Endpoints
from ..stream.loop import run
from ..stream.pipeline import Pipeline
from ..stream.reporter import Reporter
from .ports import free_port_pair
from .synthetic_decoder import synthetic_decoder, synthetic_emg

FS_HZ = 2048.0
REPEATS = 5


def throughput(
    channels: int,
    units: int,
    *,
    hop: int = 8,
    cores: int = 1,
    seconds: float = 10.0,
    provider: str = "cpu",
    whitening: str = "folded",
    seed: int = 0,
    progress: Callable[[float, str], None] = lambda share, note: None,
) -> dict[str, object]:
    """Run the whole live loop, all but the network's arrival, over a synthetic stream.

    Filter, windows, graph, detection, drive, message encoding and sending through the real loop and publisher.

    Parameters
    ----------
    channels, units : int
    hop : int
    cores : int
        The process is confined to so many, where the system allows it.
    seconds : float
        Of EMG, in each of five runs; the median counts.
    provider : {"cpu", "cuda"}
    whitening : {"folded", "staged"}
    seed : int
    """
    confined = confine(cores)
    emg = synthetic_emg(channels, seconds, FS_HZ, seed)
    with tempfile.TemporaryDirectory() as folder:
        decoder = synthetic_decoder(Path(folder) / "decoder.onnx", channels, units, FS_HZ, seed)
    factors = []
    for repeat in range(REPEATS):
        factors.append(seconds / _once(decoder, emg, hop, provider, whitening))
        progress((repeat + 1) / (REPEATS + 1), f"{factors[-1]:.0f} x real time")
    stages = stage_costs(decoder, emg, hop, provider, whitening)
    progress(1.0, "")
    return {
        "realtime_factor": float(np.median(factors)), "realtime_factors": factors, "hop": hop, "channels": channels,
        "units": units, "extension": decoder.info.extension, "cores": cores, "confined": confined, "fs_hz": FS_HZ,
        "provider": provider, "whitening": whitening, "seconds": seconds,
        "us_per_hop": 1e6 * hop / FS_HZ / float(np.median(factors)), "stage_us_per_hop": stages,
    }  # fmt: skip


def _once(decoder: Decoder, emg: np.ndarray, hop: int, provider: str, whitening: str) -> float:
    """Seconds of the live loop over `emg`."""
    endpoints = Endpoints(f"tcp://127.0.0.1:{free_port_pair()}", "bench")
    try:
        pipeline = Pipeline(decoder, hop, provider=provider, whitening=whitening)
        source = ArraySource(emg, decoder.info.fs_hz, hop)
        reporter = Reporter(endpoints, decoder, source, pipeline)
        run(source, pipeline, reporter, stop=lambda: source.ended)
        assert source.began is not None
        return pylsl.local_clock() - source.began
    finally:
        endpoints.close()


def stage_costs(
    decoder: Decoder, emg: np.ndarray, hop: int, provider: str = "cpu", whitening: str = "folded"
) -> dict[str, float]:
    """Median time of each stage, us a hop, each called by itself."""
    pipeline = Pipeline(decoder, hop, provider=provider, whitening=whitening)
    hops = [emg[first : first + hop] for first in range(0, min(len(emg), 4000 * hop), hop)]
    hops = [part for part in hops if len(part) == hop]
    signal = pipeline.signal
    times: dict[str, list[float]] = {name: [] for name in ("filter", "watch", "decode", "detect", "drive")}
    for number, raw in enumerate(hops):
        first = number * hop
        signal[:] = raw
        marks = [time.perf_counter()]
        pipeline.filter(signal)
        marks.append(time.perf_counter())
        pipeline.watch(raw, signal)
        marks.append(time.perf_counter())
        pipeline.decode(signal, first)
        marks.append(time.perf_counter())
        spikes = pipeline.detector(pipeline.sources, first)
        marks.append(time.perf_counter())
        pipeline.drive(signal, first, pipeline.detector.unit, pipeline.detector.sample, spikes)
        marks.append(time.perf_counter())
        for name, begin, end in zip(times, marks, marks[1:], strict=False):
            times[name].append(end - begin)
    return {name: 1e6 * float(np.median(values)) for name, values in times.items()}


def confine(cores: int) -> bool:
    """Keep this process on so many cores; False where the system has no such call."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(available[-cores:]))
    return True
