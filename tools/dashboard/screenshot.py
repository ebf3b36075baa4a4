"""The picture of the page in the README: the demonstration is run, and a headless browser looks at it.

python -m myodrive.tools.dashboard.screenshot tools/images/dashboard.png [--dark] [--size 1280x800] [--seconds 35]

With --force the recording's force is a second stream, beside the EMG, and has a lane on the page.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..ports import control_address, free_port_pair
from ..processes import decoder_of, finish, start
from ..recording import BUNDLED
from ..subscriber import ask
from .beside import dashboard_at
from .browser import Browser, BrowserError, open_browser


@contextlib.contextmanager
def demonstration(decoder: str | None = None, force: bool = False) -> Iterator[str]:
    """The bundled recording, calibrated, played in a loop and decoded; the address of its messages."""
    name = f"myodrive-picture-{os.getpid()}"
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    with tempfile.TemporaryDirectory() as folder:
        decoder = decoder_of(str(BUNDLED), decoder, folder, lambda share, note: None)
        force_stream = f"force {os.getpid()}"
        played = ["--force-stream", f"{force_stream}:100"] if force else []
        signal = ["--signal", force_stream] if force else []
        amplifier = start(["play", str(BUNDLED), "--name", name, "--source-id", name, "--loop", *played])
        pipeline = start(["run", "--stream", name, "--decoder", decoder, "--bind", address, "--json", *signal])
        try:
            yield address
            ask(control_address(address), "stop")
        finally:
            finish(amplifier)
            finish(pipeline)


def visit(browser: Browser, url: str) -> None:
    """Open the page and wait until it shows what comes live."""
    browser.visit(url)
    if not browser.until("window.myodriveStats && myodriveStats().live && myodriveStats().spikes > 0", 60.0):
        raise BrowserError("the page did not become live: run `myodrive doctor`")


def politely(command: list[str]) -> list[str]:
    """The command with the least claim to the processor: a browser without a GPU takes much of it."""
    return ["nice", "-n", "19", *command] if os.name == "posix" else command


def main() -> int:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--scale", type=float, default=1.0, help="pixels of the picture a pixel of the page")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--seconds", type=float, default=62.0, help="how long it has run when the picture is made")
    parser.add_argument("--unit", type=int, default=0, help="row of the unit that is chosen")
    parser.add_argument("--force", action="store_true", help="the recording's force beside the EMG")
    parser.add_argument("--decoder", help="of the bundled recording, if there is one already")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    with (
        open_browser(politely) as browser,
        demonstration(args.decoder, args.force) as address,
        dashboard_at(address) as url,
    ):
        browser.look(width, height, args.dark, args.scale)
        time.sleep(args.seconds)  # the server remembers the last minute for the pages to come
        visit(browser, url)
        for _ in range(args.unit):
            browser.press("ArrowDown")
        time.sleep(2.5)
        args.picture.write_bytes(browser.picture())
    return 0


if __name__ == "__main__":
    sys.exit(main())
