"""Whether the page stays smooth and small under full load: an hour's question, asked for some minutes.

    python -m myodrive.tools.dashboard.measure [--minutes 5] [--units 60] [--channels 256]

A publisher sends what a pipeline of that size sends, a headless browser shows it, and every ten seconds is noted:
frames drawn, the time between two, the page's heap (garbage collected first), the memory of the server and of all of
the browser, and what they take of the processor. The slopes leave the first third out, while rings fill. One JSON
object; memory and processor on Linux only.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from ..console import messages, print_json
from ..ports import free_port_pair
from ..processes import finish, start
from .browser import Browser, open_browser
from .screenshot import politely, visit

EVERY_S = 10.0


def memory_kb(process: int) -> float:
    """Memory of a process that no file backs, so that it is its own, kB; nan where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    return sum(float(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def processor_s(process: int) -> float:
    """Processor time that a process has used, s."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sample(browser: Browser, server: int) -> dict[str, float]:
    """How things stand now."""
    told = browser.run("myodriveStats()")
    processes = browser.processes()
    return {
        "at": time.monotonic(), "frames": told["frames"], "missed": told["missed"], "spikes": told["spikes"],
        "interval_p50_ms": told["interval_ms"]["p50"], "interval_p99_ms": told["interval_ms"]["p99"],
        "interval_max_ms": told["interval_ms"]["max"], "draw_p50_ms": told["cost_ms"]["p50"],
        "draw_p99_ms": told["cost_ms"]["p99"], "errors": len(told["errors"]) + len(browser.complaints),
        "heap_kb": browser.heap_bytes() / 1024, "server_kb": memory_kb(server), "server_s": processor_s(server),
        "browser_kb": sum(map(memory_kb, processes)), "browser_s": sum(map(processor_s, processes)),
    }  # fmt: skip


def slope(rows: list[dict[str, float]], name: str) -> float:
    """By how much a value grows in a minute, after the first third."""
    kept = rows[len(rows) // 3 :]
    minutes = np.array([row["at"] for row in kept]) / 60.0
    return float(np.polyfit(minutes - minutes[0], [row[name] for row in kept], 1)[0]) if len(kept) > 1 else float("nan")


def measure(minutes: float, units: int, channels: int, note=lambda words: None) -> dict[str, object]:
    """Run it and sum up."""
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    load = start([address, "--units", str(units), "--channels", str(channels)], module=f"{__package__}.load")
    server = start(["dashboard", "--connect", address, "--port", "0", "--no-open", "--json"])
    rows: list[dict[str, float]] = []
    try:
        assert server.stdout is not None
        url = str(msgspec.json.decode(server.stdout.readline())["url"])
        with open_browser(politely) as browser:
            browser.look()
            visit(browser, url)
            time.sleep(5.0)
            end = time.monotonic() + 60.0 * minutes
            while time.monotonic() < end:
                rows.append(sample(browser, server.pid))
                note(" ".join(f"{name} {value:.1f}" for name, value in rows[-1].items() if name != "at"))
                time.sleep(EVERY_S)
            rows.append(sample(browser, server.pid))
    finally:
        for process in (load, server):
            finish(process)
    rates = [(b["frames"] - a["frames"]) / (b["at"] - a["at"]) for a, b in itertools.pairwise(rows)]
    last, span = rows[-1], rows[-1]["at"] - rows[0]["at"]
    return {
        "minutes": span / 60.0, "units": units, "channels": channels, "spikes": last["spikes"],
        "frames_per_s": (last["frames"] - rows[0]["frames"]) / span, "frames_per_s_least": min(rates),
        **{name: last[name] for name in last if name.startswith(("interval", "draw"))},
        "missed": last["missed"], "errors": last["errors"],
        **{name: last[name] for name in ("heap_kb", "server_kb", "browser_kb")},
        **{f"{name}_per_min": slope(rows, name) for name in ("heap_kb", "server_kb", "browser_kb")},
        **{f"{one}_cores": (last[f"{one}_s"] - rows[0][f"{one}_s"]) / span for one in ("server", "browser")},
    }  # fmt: skip


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--units", type=int, default=60)
    parser.add_argument("--channels", type=int, default=256)
    args = parser.parse_args()
    print_json(measure(args.minutes, args.units, args.channels, messages.print))
    return 0


if __name__ == "__main__":
    sys.exit(main())
