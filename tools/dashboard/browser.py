"""A headless Chromium over its DevTools protocol: for the tests, the measurements and the picture of the page."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from ...stream.errors import MyodriveError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PACKAGE = "chromium"  # Debian's
START_S = 60.0  # one that was never started here comes off a slow disk, 250 MB of it
TRIES = 2
ANSWER_S = 60.0
LARGEST = 1 << 26  # bytes of an answer; a picture may have some
FLAGS = (
    "--headless=new", "--remote-debugging-port=0", "--no-first-run", "--no-default-browser-check", "--disable-gpu",
    "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-pings", "--mute-audio", "--hide-scrollbars", "--no-proxy-server",
    "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
)  # fmt: skip


class BrowserError(MyodriveError):
    """There is no browser, or it does not do what it is told."""


def find_browser() -> str | None:
    """The browser's program, or None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """One page in a browser of its own; `open_browser` makes it.

    Attributes
    ----------
    complaints : list of str
        What stood on the page's console as an error or warning, and exceptions nobody caught.
    requested : list of str
        Addresses that the page asked for.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._connection = connection
        self._number = 0
        self._session: str | None = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def visit(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        told = self._ask("Page.navigate", url=url)
        if told.get("errorText") or not self.until("document.readyState == 'complete'"):
            raise BrowserError(f"{url} cannot be loaded ({told.get('errorText', 'it does not come to an end')})")

    def look(self, width: int = 1280, height: int = 800, dark: bool = False, scale: float = 1.0) -> None:
        """Choose the window's size and what the system prefers."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        wanted = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._ask("Emulation.setEmulatedMedia", features=wanted)

    def run(self, script: str) -> Any:
        """Value of an expression in the page; a promise is waited for."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"].get("exception", answer["exceptionDetails"])))
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 20.0) -> Any:
        """Wait until an expression is true; its last value."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return value

    def press(self, key: str) -> None:
        """Press and release a key, such as "ArrowDown" or "Tab"."""
        codes = {"Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def picture(self) -> bytes:
        """The page as it looks, PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def heap_bytes(self) -> int:
        """What the page's scripts hold, garbage collected first."""
        self._ask("HeapProfiler.collectGarbage")
        return int(self._ask("Runtime.getHeapUsage")["usedSize"])

    def processes(self) -> list[int]:
        """Ids of the browser's processes."""
        page, self._session = self._session, None
        try:
            return [int(one["id"]) for one in self._ask("SystemInfo.getProcessInfo")["processInfo"]]
        finally:
            self._session = page

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._connection.send(json.dumps(message))
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                told = json.loads(self._connection.recv(timeout=max(0.0, deadline - time.monotonic())))
            except TimeoutError as error:
                raise BrowserError(f"the browser did not answer {method} within {ANSWER_S:g} s") from error
            if told.get("id") == number:
                if "error" in told:
                    raise BrowserError(f"the browser refused {method}: {told['error'].get('message')}")
                return dict(told["result"])
            self._note(told.get("method", ""), told.get("params", {}))

    def _note(self, event: str, about: dict[str, Any]) -> None:
        if event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in about["args"]))
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"].get("exception", {}).get("description", about)))
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif event == "Network.requestWillBeSent":
            self.requested.append(about["request"]["url"])
        elif event == "Network.webSocketCreated":
            self.requested.append(about["url"])


@contextlib.contextmanager
def open_browser(wrap: Callable[[list[str]], list[str]] = list) -> Iterator[Browser]:
    """A browser with one empty page; at the end it is gone, with all processes it started.

    One that does not answer is ended and another started in its place, once.

    Parameters
    ----------
    wrap : callable
        Makes the command that starts it from the browser's own, such as one that binds it to a core.

    Raises
    ------
    BrowserError
        There is none, or it does not start.
    """
    program = find_browser()
    if program is None:
        raise BrowserError(f"there is no browser here: install the package {PACKAGE}")
    # Chromium's sandbox cannot be had by root
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with contextlib.ExitStack() as ending:
        for left in reversed(range(TRIES)):
            profile = Path(ending.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            command = wrap([program, *FLAGS, *root, f"--user-data-dir={profile}", "about:blank"])
            try:
                browser = ending.enter_context(_started(command, profile))
                break
            except BrowserError:
                if not left:
                    raise
        yield browser


@contextlib.contextmanager
def _started(command: list[str], profile: Path) -> Iterator[Browser]:
    """A browser that answers."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        process_group=0 if os.name == "posix" else None,
    )  # fmt: skip
    with contextlib.ExitStack() as ending:
        ending.callback(_end, process)
        deadline = time.monotonic() + START_S
        address = _door(process, profile / "DevToolsActivePort", deadline)
        wait_s = max(1.0, deadline - time.monotonic())
        try:
            connection = connect(address, max_size=LARGEST, open_timeout=wait_s, close_timeout=1, proxy=None)
            ending.enter_context(connection)
            ending.callback(_end, process)  # before the connection is closed, which it would be asked about
            browser = Browser(connection)
        except (OSError, WebSocketException) as error:
            raise BrowserError(f"{command[0]} started, but does not answer ({error})") from error
        yield browser


def _door(process: subprocess.Popen[bytes], file: Path, deadline: float) -> str:
    """Address that the browser listens on."""
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            port, path = file.read_text(encoding="ascii").split("\n")[:2]
            return f"ws://127.0.0.1:{int(port)}{path}"
        time.sleep(0.05)
    ended = process.poll()
    why = f"ended with status {ended}" if ended is not None else f"did not start within {START_S:g} s"
    raise BrowserError(f"{process.args[0]} {why}")  # type: ignore[index]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser and its children, which share its process group."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait(timeout=10)
