"""A publisher that can be stopped and begun again, a dashboard in this process, and a browser where there is one."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import pytest
from websockets.sync.client import connect

from myodrive.tools.dashboard import browser as browsers
from myodrive.tools.dashboard.board import Board
from myodrive.tools.dashboard.load import Load
from myodrive.tools.dashboard.reader import Readers
from myodrive.tools.dashboard.server import Dashboard

CHANNELS, UNITS = 16, 5


class Pipeline:
    """A small publisher of our messages, in a thread that owns its sockets."""

    def __init__(self, address, keys=None):
        self.state, self.extra, self.signals = "live", {}, ()
        self.wanted = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(address, keys))
        self._thread.start()

    def _run(self, address, keys):
        load = Load(address, CHANNELS, UNITS, keys=keys)
        try:
            while not self._stop.is_set():
                load.state, load.status_extra, load.signals = self.state, dict(self.extra), self.signals
                load.tend()
                self.wanted = {kind: load._publisher.wanted(kind) for kind in ("spikes", "emg", "muaps")}
                time.sleep(0.002)
        finally:
            load.close()

    def end(self):
        self._stop.set()
        self._thread.join(10)


@pytest.fixture
def pipeline(address):
    """Begin a publisher on `address`; all are ended at the end."""
    with contextlib.ExitStack() as ending:

        def begin(keys=None):
            one = Pipeline(address, keys)
            ending.callback(one.end)
            return one

        yield begin


class Served:
    """A dashboard that serves in a thread of its own."""

    def __init__(self, address, keys=None):
        self.board = Board(address, encrypted=keys is not None)
        self.readers = Readers(self.board, keys)
        self.dashboard = Dashboard(self.board, self.readers, 0)
        self._stop, self._open = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        if not self._open.wait(10):
            self.end()
            raise RuntimeError("the dashboard does not open")
        self.port, self.url = self.dashboard.port, self.dashboard.url
        self.origin = f"http://127.0.0.1:{self.port}"

    async def _run(self):
        await self.dashboard.open()
        self._open.set()
        try:
            await self.dashboard.run(self._stop.is_set)
        finally:
            await self.dashboard.close()

    def end(self):
        self._stop.set()
        self._thread.join(10)
        self.readers.close()

    def page(self, origin=None, **options):
        """A page's socket."""
        url = f"ws://127.0.0.1:{self.port}/socket"
        return connect(url, origin=origin or self.origin, proxy=None, max_size=1 << 24, **options)

    def raw(self, request):
        """The status line and headers, and the body, that a request of raw bytes gets."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.decode("latin-1"), body

    def get(self, path, host=None, method="GET"):
        host = f"127.0.0.1:{self.port}" if host is None else host
        return self.raw(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))


@pytest.fixture
def serve(address):
    """Serve a dashboard of the pipeline at `address`; it is ended at the end."""
    with contextlib.ExitStack() as ending:

        def serve(keys=None):
            one = Served(address, keys)
            ending.callback(one.end)
            return one

        yield serve


@pytest.fixture
def served(serve):
    """A dashboard of the pipeline at `address`."""
    return serve()


@pytest.fixture
def take():
    """The next frame of a page, said to have been taken."""

    def take(page, timeout=5.0):
        frame = json.loads(page.recv(timeout=timeout))
        page.send(json.dumps({"got": frame["n"]}))
        return frame

    return take


@pytest.fixture(scope="module")
def any_browser():
    """A headless browser; without one, the tests that ask for it are not run and say so."""
    if browsers.find_browser() is None:
        pytest.skip(f'no browser here, so the page was NOT tested: install the package "{browsers.PACKAGE}"')
    with browsers.open_browser() as browser:
        browser.look(1280, 800)
        yield browser


@pytest.fixture
def browser(any_browser):
    """The browser with an empty page and nothing noted."""
    any_browser.visit("about:blank")
    any_browser.run("1")
    any_browser.complaints.clear()
    any_browser.requested.clear()
    return any_browser
