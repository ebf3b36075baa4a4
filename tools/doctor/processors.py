"""The processors: how many, how busy, held back by whom, and whether this is a machine at all."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .asking import answer_of, text_of
from .finding import Finding, note, ok

POOLS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)  # fmt: skip
LEAST_CORES = 2
SLOW_GOVERNORS = {"powersave", "conservative", "ondemand"}
SELF_RAISING = {"intel_pstate", "amd-pstate-epp"}  # drivers whose "powersave" is what others call "balanced"
LEAST_CLOCK = 0.8  # of the highest that the processor can
HIGH_PERFORMANCE = {"8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c", "e9a42b02-d5df-448d-aa00-03f14749eb61"}  # Windows' plans
POWER_SAVER = "a1841308-3541-4fab-bc81-f71556f20b4a"
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class CoresSeen:
    """Cores of the machine, those that this process may use, and how many its container pays for (0: no limit)."""

    all: int = 4
    mine: int = 4
    quota: float = 0.0
    load: float = 0.0
    pools: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PowerSeen:
    """What may slow the processor down.

    Attributes
    ----------
    governor, driver : str
        Of Linux's frequency scaling; empty where there is none.
    clock : float
        Highest frequency allowed over the highest possible.
    on_battery : bool
    plan : str
        Number of Windows' power plan.
    low_power : bool
        macOS's mode of that name.
    """

    governor: str = ""
    driver: str = ""
    clock: float = 1.0
    on_battery: bool = False
    plan: str = ""
    low_power: bool = False


@dataclass(frozen=True)
class HostSeen:
    """Under what this system runs; empty names where under nothing."""

    wsl: bool = False
    container: str = ""
    virtual: str = ""


def see_cores() -> CoresSeen:
    """Count, and read the variables that bound thread pools."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    pools = {name: os.environ[name] for name in POOLS if name in os.environ}
    return CoresSeen(os.cpu_count() or 1, mine, quota_in(text_of("/sys/fs/cgroup/cpu.max")), load, pools)


def quota_in(text: str) -> float:
    """Cores in a cgroup's ``cpu.max``: "200000 100000" are two, "max 100000" is no limit."""
    quota, _, period = text.partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else 0.0


def judge_cores(seen: CoresSeen) -> Finding:
    """Whether there are enough, and thread pools fit them."""
    name = "cores"
    usable = min(seen.mine, seen.quota) if seen.quota else seen.mine
    found = f"{seen.mine} of {seen.all} for this process" + (f", paid for {seen.quota:g}" if seen.quota else "")
    found += "".join(f", {pool}={value}" for pool, value in seen.pools.items())
    most = max(1, int(usable))
    too_many = [pool for pool, value in seen.pools.items() if value.isdecimal() and int(value) > most]
    if too_many:
        return note(name, found, f"set {' and '.join(too_many)} to {most}: more threads than cores wait for each other")
    if seen.quota and seen.quota < seen.mine and not seen.pools:
        return note(
            name, f"{found}: libraries start {seen.mine} threads for {seen.quota:g} cores",
            f"set OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS to {most}",
        )  # fmt: skip
    if usable < LEAST_CORES:
        return note(
            name, found, "give it two cores: calibration and the network of --params then do not hold up the loop"
        )
    if seen.load > seen.all:
        return note(name, f"{found}; {seen.load:.1f} programs want the {seen.all}", "close other programs")
    return ok(name, found)


def see_power() -> PowerSeen:
    """Read what each system says of itself."""
    if sys.platform == "win32":
        return PowerSeen(plan=plan_in(answer_of("powercfg", "/getactivescheme")), on_battery=_windows_on_battery())
    if sys.platform == "darwin":
        return PowerSeen(
            on_battery="Battery Power" in answer_of("pmset", "-g", "batt"),
            low_power=bool(re.search(r"lowpowermode\s+1", answer_of("pmset", "-g"))),
        )  # fmt: skip
    return power_under(Path("/sys"))


def power_under(root: Path) -> PowerSeen:
    """What Linux tells under its ``/sys``."""
    governors, clocks, driver = set(), [], ""
    for folder in root.glob("devices/system/cpu/cpu[0-9]*/cpufreq"):
        governors.add(text_of(folder / "scaling_governor"))
        driver = text_of(folder / "scaling_driver")
        allowed, possible = text_of(folder / "scaling_max_freq"), text_of(folder / "cpuinfo_max_freq")
        if allowed.isdecimal() and possible.isdecimal() and int(possible):
            clocks.append(int(allowed) / int(possible))
    states = []
    for supply in root.glob("class/power_supply/*"):
        if text_of(supply / "type") == "Battery" and text_of(supply / "scope") != "Device":  # no mouse
            states.append(text_of(supply / "status"))
    governor = next((one for one in sorted(governors) if one in SLOW_GOVERNORS), next(iter(governors), ""))
    return PowerSeen(governor, driver, min(clocks, default=1.0), "Discharging" in states)


def plan_in(text: str) -> str:
    """The number of the power plan in what ``powercfg`` says in any language."""
    found = _GUID.search(text)
    return found[0].lower() if found else ""


def _windows_on_battery() -> bool:
    import ctypes

    status = (ctypes.c_ubyte * 12)()  # SYSTEM_POWER_STATUS; its first byte is 0 on battery, 1 on mains
    windows = getattr(ctypes, "windll", None)
    return bool(windows and windows.kernel32.GetSystemPowerStatus(ctypes.byref(status)) and status[0] == 0)


def judge_power(seen: PowerSeen) -> Finding:
    """Whether the processor may run as fast as it can."""
    name = "power"
    if seen.on_battery:
        return note(name, "the machine runs on its battery, and slows down to save it", "plug it in while you measure")
    if seen.low_power or seen.plan == POWER_SAVER:
        return note(
            name, "the system saves power", "turn the low-power mode off, or choose the plan for best performance"
        )
    if seen.governor in SLOW_GOVERNORS and not (seen.governor == "powersave" and seen.driver in SELF_RAISING):
        remedy = "`sudo cpupower frequency-set -g performance` until the next start, or ask who looks after the machine"
        return note(name, f"the processor's frequency follows the load late (governor {seen.governor})", remedy)
    if seen.clock < LEAST_CLOCK:
        return note(
            name, f"the processor is held to {100 * seen.clock:.0f} % of its frequency",
            "choose the performance profile of the desktop, or `powerprofilesctl set performance`",
        )  # fmt: skip
    if seen.plan and seen.plan not in HIGH_PERFORMANCE:
        return ok(name, "a balanced power plan", "if the timer below is late, choose best performance")
    return ok(name, f"governor {seen.governor}" if seen.governor else "nothing seen that slows the processor")


def see_host() -> HostSeen:
    """Look for the marks that hosts leave."""
    release = platform.release().lower()
    container = next(
        (kind for kind, path in (("Docker", "/.dockerenv"), ("Podman", "/run/.containerenv")) if Path(path).exists()),
        "",
    )
    virtual = ""
    with contextlib.suppress(StopIteration):
        flags = next(line for line in text_of("/proc/cpuinfo").splitlines() if line.startswith("flags"))
        product = " ".join(text_of(f"/sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")).strip()
        virtual = (product or "a hypervisor") if " hypervisor" in flags else ""
    return HostSeen("microsoft" in release, container, virtual)


def judge_host(seen: HostSeen) -> Finding:
    """Whether another system stands between this one and the hardware."""
    name = "host"
    if seen.wsl:
        return note(
            name, "this is Linux inside Windows (WSL), whose network LSL's search does not cross by itself",
            "install myodrive in Windows, or write networkingMode=mirrored under [wsl2] into .wslconfig",
        )  # fmt: skip
    if seen.container:
        remedy = "start it with --network host, --ipc host for `run --record`, and two cores of its own"
        return note(name, f"this is a container ({seen.container}): LSL's search does not leave its network", remedy)
    if seen.virtual:
        remedy = "measure with `myodrive bench latency`; give it a bridged network card and cores of its own"
        return note(name, f"this is a virtual machine ({seen.virtual}), which waits for its host now and then", remedy)
    return ok(name, "no virtual machine or container seen")
