"""What the page costs the pipeline beside it: latency with it closed, with its server only, and in a browser.

    taskset -c 2,3 python -m myodrive.tools.dashboard.beside_pipeline [--rounds 3] [--seconds 15] [--decoder DECODER]

The demonstration runs, amplifier and all, on the cores that this is bound to. In each round the page is closed, then
read by a program that draws nothing, then shown by a headless browser; the server steps back and the browser is the
last to be served, as in use. A histogram is that of the hops of its phase alone. One JSON object; the processor's time
on Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
import numpy as np
from websockets.sync.client import connect

from ...stream.messages import Status
from ..console import messages, print_json
from ..subscriber import Subscriber
from .beside import dashboard_at
from .browser import open_browser
from .measure import processor_s
from .screenshot import demonstration, politely, visit

PHASES = ("closed", "server", "browser")
SETTLE_S = 3.0


class Watch:
    """Follows the status of a pipeline.

    Parameters
    ----------
    address : str
    """

    def __init__(self, address: str) -> None:
        self._subscriber = Subscriber(address, ("status/",))
        self._last: Status | None = None

    def after(self, seconds: float) -> Status | None:
        """The newest status when so many seconds have passed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self._subscriber.receive(0.1)
            if found is not None and isinstance(found[1], Status):
                self._last = found[1]
        return self._last

    def live(self) -> None:
        """Wait until samples come."""
        while (status := self.after(0.5)) is None or status.state != "live":
            pass

    def phase(self, seconds: float) -> Phase:
        """What the hops of the next seconds took."""
        begun = self.after(1.2)
        ended = self.after(seconds)
        assert begun is not None
        assert ended is not None
        before = dict(begun.latency_ms.hist)
        hops = {edge: count - before.get(edge, 0) for edge, count in ended.latency_ms.hist}
        return Phase(hops, ended.late_hops - begun.late_hops)

    def close(self) -> None:
        """Let go of the pipeline."""
        self._subscriber.close()


class Phase(msgspec.Struct):
    """Hops by the upper edge of their latency, ms, and how many of them were late."""

    hops: dict[float, int]
    late: int

    def quantile_ms(self, share: float) -> float:
        """What a share of the hops took no longer than."""
        edges = np.array(sorted(self.hops))
        counts = np.cumsum([self.hops[edge] for edge in edges])
        return float(edges[np.searchsorted(counts, share * counts[-1])])


@contextlib.contextmanager
def reader(url: str) -> Iterator[None]:
    """A program that takes all frames of a page and draws none."""
    ending = threading.Event()

    def read() -> None:
        address = url.replace("http", "ws") + "socket"
        with connect(address, origin=url.rstrip("/"), proxy=None, max_size=1 << 24) as page:  # type: ignore[arg-type]
            page.send('{"wish":{"seen":true,"unit":0,"column":2}}')
            while not ending.is_set():
                frame = msgspec.json.decode(page.recv(timeout=5))
                page.send(msgspec.json.encode({"got": frame["n"]}).decode())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def measure(rounds: int, seconds: float, decoder: str | None, note=lambda words: None) -> dict[str, object]:
    """Run it and sum up: of each phase the median round."""
    found: dict[str, list[Phase]] = {name: [] for name in PHASES}
    drawn: list[dict[str, float]] = []
    with demonstration(decoder) as address, contextlib.closing(Watch(address)) as watch:
        watch.live()
        watch.after(10.0)
        for turn in range(rounds):
            watch.after(SETTLE_S)
            found["closed"].append(watch.phase(seconds))
            with dashboard_at(address) as url:
                with reader(url):
                    watch.after(SETTLE_S)
                    found["server"].append(watch.phase(seconds))
                with open_browser(politely) as browser:
                    browser.look()
                    visit(browser, url)
                    watch.after(SETTLE_S)
                    frames, used, began = browser.run("myodriveStats().frames"), _used(browser), time.monotonic()
                    found["browser"].append(watch.phase(seconds))
                    span = time.monotonic() - began
                    told = browser.run("myodriveStats()")
                    drawn.append({"frames_per_s": (told["frames"] - frames) / span, "asked_per_s": told["rate"],
                                  "browser_cores": (_used(browser) - used) / span})  # fmt: skip
            note(f"round {turn + 1}: " + ", ".join(f"{name} {summary(found[name][-1:])}" for name in PHASES))
    return {
        **{name: summary(phases) for name, phases in found.items()},
        **{name: float(np.median([one[name] for one in drawn])) for name in drawn[0]},
    }


def summary(phases: list[Phase]) -> dict[str, float]:
    """Median quantiles, and the share of all hops that was late."""
    hops = sum(sum(one.hops.values()) for one in phases)
    return {
        "p50_ms": float(np.median([one.quantile_ms(0.5) for one in phases])),
        "p99_ms": float(np.median([one.quantile_ms(0.99) for one in phases])),
        "late_share": sum(one.late for one in phases) / hops, "hops": hops,
    }  # fmt: skip


def _used(browser) -> float:
    return sum(map(processor_s, browser.processes()))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each phase")
    parser.add_argument("--decoder", help="of the bundled recording, if there is one already")
    args = parser.parse_args()
    print_json(measure(args.rounds, args.seconds, args.decoder, messages.print))
    return 0


if __name__ == "__main__":
    sys.exit(main())
