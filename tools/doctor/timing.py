"""Clocks and timers: how late this machine wakes, and what the loop may ask of the scheduler."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import select
import socket
import sys
import time
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from ...stream.scheduling import short_slices_taken
from .finding import Finding, note, ok, problem

ASKED_MS = 1.0
TRIES = 300
MOST_S = 1.5  # for each kind of wait, on whatever timer
LATE_MS, HOPELESS_MS = 5.0, 8.0
COARSE_S = 1e-4
PACED_S = 0.3
MOST_DRIFT = 1e-4  # of the LSL clock against Python's, over the examination
WINDOWS_COARSE_MS = 2.0


@dataclass(frozen=True)
class TimerSeen:
    """How much later than asked a thread wakes, ms: asleep, and waiting for a datagram; and Windows' own step."""

    sleep_p50: float = 0.1
    sleep_p99: float = 0.2
    poll_p50: float = 0.1
    poll_p99: float = 0.2
    windows_step: float = 0.0


@dataclass(frozen=True)
class ClockSeen:
    """Step of the LSL clock (s), whether it went back, and how fast it runs against Python's (1 when alike)."""

    step: float = 1e-7
    went_back: bool = False
    pace: float = 1.0


@dataclass(frozen=True)
class SchedulingSeen:
    """Whether the loop may run as soon as it wakes; `realtime` is the priority a user may ask for, 0 for none."""

    linux: bool = True
    kernel: tuple[int, int] = (6, 12)
    short_slices: bool = True
    realtime: int = 0


def see_timer() -> TimerSeen:
    """Wait some hundred times for a millisecond, in both ways that the loop and its libraries do."""
    sleeps = lateness(lambda: time.sleep(1e-3 * ASKED_MS))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        polls = lateness(lambda: select.select([silent], [], [], 1e-3 * ASKED_MS))
    return TimerSeen(*np.percentile(sleeps, [50, 99]), *np.percentile(polls, [50, 99]), _windows_step())


def lateness(wait: object) -> NDArray[np.float64]:
    """How late each of the waits ended, ms."""
    assert callable(wait)
    late: list[float] = []
    end = time.perf_counter() + MOST_S
    while len(late) < TRIES and time.perf_counter() < end:
        began = time.perf_counter()
        wait()
        late.append(1e3 * (time.perf_counter() - began) - ASKED_MS)
    return np.array(late)


def _windows_step() -> float:
    """Step of Windows' timer as it is now, ms; 0 elsewhere."""
    windows = getattr(ctypes, "windll", None)
    if windows is None:
        return 0.0
    longest, shortest, now = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_ulong()
    windows.ntdll.NtQueryTimerResolution(ctypes.byref(longest), ctypes.byref(shortest), ctypes.byref(now))
    return now.value / 1e4  # it counts 100 ns


def judge_timer(seen: TimerSeen) -> Finding:
    """Whether waits of a millisecond end in time."""
    name = "timer"
    found = (
        f"a wait of {ASKED_MS:g} ms ends {seen.sleep_p50:.2f} ms late asleep (p99 {seen.sleep_p99:.2f}), "
        f"{seen.poll_p50:.2f} on a socket (p99 {seen.poll_p99:.2f})"
    )
    if seen.windows_step > WINDOWS_COARSE_MS:
        found += f"; Windows' timer steps by {seen.windows_step:.1f} ms"
    if max(seen.sleep_p50, seen.poll_p50) > HOPELESS_MS:
        return problem(
            name, found,
            "choose best performance in the power settings, close programs that keep all cores busy, and keep the "
            "window visible: Windows gives hidden ones a coarse timer",
        )  # fmt: skip
    if max(seen.sleep_p99, seen.poll_p99) > LATE_MS:
        return note(name, found, "close other programs, and choose best performance in the power settings")
    if seen.windows_step > WINDOWS_COARSE_MS:
        return note(name, found, "choose best performance in the power settings, and keep the window of `run` visible")
    return ok(name, found)


def see_clock() -> ClockSeen:
    """Compare the LSL clock with Python's for a moment."""
    steps = np.diff([pylsl.local_clock() for _ in range(2000)])
    first = _both_clocks()
    time.sleep(PACED_S)
    last = _both_clocks()
    forward = steps[steps > 0]
    step = float(np.median(forward)) if len(forward) else 1.0
    return ClockSeen(step, bool((steps < 0).any()), (last[0] - first[0]) / (last[1] - first[1]))


def _both_clocks() -> tuple[float, float]:
    """LSL's and Python's clock at one moment: of many looks the one that took least, for others may be in between."""
    looks = []
    for _ in range(100):
        before, lsl, after = time.perf_counter(), pylsl.local_clock(), time.perf_counter()
        looks.append((after - before, lsl, 0.5 * (before + after)))
    return min(looks)[1:]


def judge_clock(seen: ClockSeen) -> Finding:
    """Whether time stamps can be trusted to a fraction of a sample."""
    found = f"the LSL clock steps by {1e6 * seen.step:.2f} us and runs at {1e6 * (seen.pace - 1):+.1f} ppm of Python's"
    if seen.went_back or seen.step > COARSE_S:
        back = ", and went back" if seen.went_back else ""
        return problem(
            "clock",
            found + back,
            "choose another clock source of the system (Linux: tsc), or leave the virtual machine",
        )
    if abs(seen.pace - 1) > MOST_DRIFT:
        return note("clock", found, "let the system's time service settle, or turn it off while you measure")
    return ok("clock", found)


def see_scheduling() -> SchedulingSeen:
    """Ask what the loop asks, and give it back."""
    realtime = 0
    with contextlib.suppress(ImportError, OSError, AttributeError, ValueError):
        import resource

        realtime = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    kernel = platform.release().split(".")[:2]
    version = (
        (int(kernel[0]), int(kernel[1])) if all(part.isdecimal() for part in kernel) and len(kernel) == 2 else (0, 0)
    )
    return SchedulingSeen(sys.platform == "linux", version, short_slices_taken(), realtime)


def judge_scheduling(seen: SchedulingSeen) -> Finding:
    """Whether the loop gets a busy core at once; without it, it waits for others' slices of some ms."""
    name = "scheduling"
    if not seen.linux:
        return ok(
            name, "this system has no short slices to ask for", "leave one core free of other work while you measure"
        )
    if seen.short_slices and seen.kernel >= (6, 12):
        return ok(name, "the loop gets short slices: it runs at once when woken, also on a busy core")
    if seen.kernel < (6, 12):
        version = ".".join(map(str, seen.kernel))
        old = f"Linux {version} knows no short slices (6.12 does): on a busy core the loop waits some ms"
        return ok(name, old, "leave one core free of other work while you measure")
    remedy = "start `run` from a usual shell, not under nice, chrt or a container that forbids it; or leave a core free"
    if seen.realtime:
        remedy += "; or, as you may, start it with `chrt --fifo 10`"
    return note(name, "the loop may not ask for short slices here: on a busy core it waits some ms", remedy)
