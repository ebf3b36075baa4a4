"""What is installed on this machine, and whether live work will go well on it."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import numpy as np

PACKAGES = ("numpy", "numba", "scipy", "onnxruntime", "onnxruntime-gpu", "pylsl", "pyzmq", "msgspec", "h5py", "torch")
LATE_SLEEP_MS = 5.0
SLEEPS = 300


@dataclass(frozen=True)
class Finding:
    """One line of the report: `level` is "ok", "note" or "problem"."""

    name: str
    level: str
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything; a check that cannot be made is itself a finding."""
    checks: list[Callable[[], Finding]] = [
        _python, _packages, _onnxruntime, _threads, _clock, _timer, _lsl_settings, _lsl_reachable, _zeromq, _decoder,
    ]  # fmt: skip
    findings = []
    for check in checks:
        try:
            findings.append(check())
        except Exception as error:  # a broken installation may fail anywhere, and that is what is looked for
            name = check.__name__.strip("_").replace("_", " ")
            findings.append(Finding(name, "problem", f"{type(error).__name__}: {str(error)[:200]}", "install again"))
    return findings


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return Finding("python", "ok", found)


def _packages() -> Finding:
    versions = {}
    for name in ("myodrive", *PACKAGES):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    if "onnxruntime" in versions and "onnxruntime-gpu" in versions:
        remedy = "both own the same module: pip uninstall both, then install one of them"
        return Finding("packages", "problem", found, remedy)
    return Finding("packages", "ok", found)


def _onnxruntime() -> Finding:
    from ..stream.onnx_runtime import onnxruntime

    providers = onnxruntime.get_available_providers()
    found = f"{onnxruntime.__version__}, built with {', '.join(p.removesuffix('ExecutionProvider') for p in providers)}"
    if "CUDAExecutionProvider" in providers:
        return Finding("onnxruntime", "ok", found + "; `run --provider cuda` says whether a GPU answers")
    return Finding("onnxruntime", "ok", found)


def _threads() -> Finding:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    given = {name: os.environ[name] for name in names if name in os.environ}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    too_many = [name for name, value in given.items() if value.isdecimal() and int(value) > cores]
    found = f"{cores} cores for this process" + "".join(f", {name}={value}" for name, value in given.items())
    if too_many:
        return Finding("threads", "problem", found, f"lower {too_many[0]} to {cores}: more get in each other's way")
    return Finding("threads", "ok" if cores > 1 else "note", found, "" if cores > 1 else "calibration wants two cores")


def _clock() -> Finding:
    import pylsl

    pairs = [(pylsl.local_clock(), time.perf_counter()) for _ in range(1000)]
    offset = np.array([lsl - counter for lsl, counter in pairs])
    steps = np.diff([lsl for lsl, _ in pairs])
    found = f"LSL clock resolves {1e6 * float(np.median(steps)):.2f} us, offset to perf_counter {offset[-1]:.6f} s"
    if (steps < 0).any() or float(np.median(steps)) > 1e-4:
        return Finding("clock", "problem", found, "the system clock is too coarse: change the system's clock source")
    return Finding("clock", "ok", found)


def _timer() -> Finding:
    late = np.zeros(SLEEPS)
    for i in range(SLEEPS):
        began = time.perf_counter()
        time.sleep(0.001)
        late[i] = 1e3 * (time.perf_counter() - began) - 1.0
    p50, p99 = np.percentile(late, [50, 99])
    found = f"a sleep of 1 ms wakes {p50:.2f} ms late (p50), {p99:.2f} (p99)"
    if p99 > LATE_SLEEP_MS:
        return Finding("timer", "problem", found, "close other programs, and set the power plan to high performance")
    return Finding("timer", "ok", found)


def _lsl_settings() -> Finding:
    from ..stream.lsl import configured_by_user

    place = configured_by_user()
    if place is None:
        return Finding(
            "LSL settings", "ok", "liblsl's own defaults: any program on this network can read and pose as a stream"
        )
    return Finding("LSL settings", "ok", f"from {place}")


def _lsl_reachable() -> Finding:
    import pylsl

    from ..stream.lsl import quieten

    quieten()
    source_id = f"doctor-{uuid.uuid4().hex}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("myodrive-doctor", "", 1, 0, pylsl.cf_float32, source_id))
    began = time.perf_counter()
    found = pylsl.resolve_byprop("source_id", source_id, timeout=5.0)
    took = time.perf_counter() - began
    others = sorted({info.name() for info in pylsl.resolve_streams(1.0)} - {"myodrive-doctor"})
    del outlet
    if not found:
        remedy = "let multicast (UDP 16571-16604) through the firewall, and turn off unused network cards and VPNs"
        return Finding("LSL", "problem", "a stream of this very machine is not found within 5 s", remedy)
    names = f"; other streams here: {', '.join(others[:8])}" if others else "; no other stream is on"
    return Finding("LSL", "ok", f"a stream of this machine is found in {took:.2f} s{names}")


def _zeromq() -> Finding:
    import zmq

    context = zmq.Context()
    sender, receiver = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    try:
        port = sender.bind_to_random_port("tcp://127.0.0.1")
        receiver.connect(f"tcp://127.0.0.1:{port}")
        took = []
        for _ in range(200):
            began = time.perf_counter()
            sender.send(b"x")
            if not receiver.poll(1000):
                return Finding("ZeroMQ", "problem", "loopback gives no answer", "let the firewall pass 127.0.0.1")
            receiver.recv()
            took.append(1e6 * (time.perf_counter() - began))
    finally:
        sender.close(linger=0)
        receiver.close(linger=0)
        context.term()
    found = f"{zmq.zmq_version()}, loopback in {np.median(took):.0f} us (p50)"
    if not zmq.has("curve"):
        return Finding("ZeroMQ", "note", found + ", without CURVE", "for --curve install pyzmq from its wheel")
    return Finding("ZeroMQ", "ok", found + ", with CURVE")


def _decoder() -> Finding:
    import tempfile
    from pathlib import Path

    from .bench_throughput import stage_costs
    from .synthetic_decoder import synthetic_decoder, synthetic_emg

    with tempfile.TemporaryDirectory() as folder:
        decoder = synthetic_decoder(Path(folder) / "doctor.onnx", 64, 20, 2048.0, 0)
    spent = sum(stage_costs(decoder, synthetic_emg(64, 2.0, 2048.0, 0), 8).values())
    found = f"64 channels, 20 units: {spent:.0f} us for each 8 samples, of 3906 us there are"
    if spent > 1000:
        return Finding("decoding", "problem", found, "this machine is too slow or busy: take fewer channels or units")
    return Finding("decoding", "ok", found)
