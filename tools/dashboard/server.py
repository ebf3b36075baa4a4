"""The web server: loopback only, for pages of its own origin only.

A page of another origin must not read what is measured here. Every request has to name this server in its Host (a
name that somebody lets point to this machine is refused: DNS rebinding), and the socket asks for our own Origin, which
browsers send and pages cannot change. Other users of this machine are not kept out: they can subscribe themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ...stream.errors import AddressError
from .board import Board
from .files import HEADERS, read_files
from .frames import Frames, Wish
from .reader import Readers

SOCKET = "/socket"
NAMES = ("127.0.0.1", "localhost", "[::1]")
MOST_PAGES = 8
IN_FLIGHT = 4  # frames that a page may not have taken yet: a slow page loses frames, not memory
LONGEST_WORD = 1024  # bytes of what a page may say
STUCK_S = 30.0  # a page that takes nothing for so long is let go; a hidden tab is slow, but not so slow
CLOSE_S = 1.0
LINGER_S = 2.0  # EMG and waveforms are read so long after the last page that showed them

_quiet = logging.getLogger("myodrive.dashboard")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """What a page says: the number of the frame it has taken, and what it shows."""

    got: int | None = None
    wish: Wish | None = None


_said = msgspec.json.Decoder(Said)


class Dashboard:
    """Serves the page on one port.

    Parameters
    ----------
    board : Board
    readers : Readers
    port : int
        0 for one that is free.

    Attributes
    ----------
    port : int
        The one it serves on, once `open` has returned.
    sent : int
        Frames sent, to all pages.
    """

    def __init__(self, board: Board, readers: Readers, port: int) -> None:
        self.port = port
        self.sent = 0
        self._board, self._readers = board, readers
        self._files = read_files()
        self._pages: set[Page] = set()
        self._servers: list[Server] = []

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    async def open(self) -> None:
        """Begin to serve.

        Raises
        ------
        AddressError
            The port is taken.
        """
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                bound = _bound(family, host, self.port)
            except OSError as error:
                if family == socket.AF_INET6 and error.errno != errno.EADDRINUSE:
                    continue  # a machine without IPv6
                await self.close()
                raise AddressError(
                    f"port {self.port} cannot be served on ({error.strerror}): close the other dashboard or choose "
                    "another with --port"
                ) from error
            self.port = bound.getsockname()[1]
            self._servers.append(await self._serve(bound))

    async def _serve(self, bound: socket.socket) -> Server:
        return await serve(
            self._talk, sock=bound, process_request=self._answer, compression=None, server_header=None,
            max_size=LONGEST_WORD, max_queue=16, open_timeout=5, close_timeout=2, logger=_quiet,
        )  # fmt: skip

    async def run(self, stop: Callable[[], bool]) -> None:
        """Serve until `stop` says so, or the pipeline turns this viewer away."""
        idle_s = 0.0
        while not stop() and not self._board.refusal:
            await asyncio.sleep(0.1)
            idle_s = 0.0 if any(page.frames.wish.seen for page in self._pages) else idle_s + 0.1
            if idle_s == 0.0 or idle_s > LINGER_S:
                self._readers.show_pictures(idle_s == 0.0)

    async def close(self) -> None:
        """Let all pages go and free the port."""
        for server in self._servers:
            server.close()
        for server in self._servers:
            with contextlib.suppress(TimeoutError):  # browsers keep spare connections that never ask for anything
                await asyncio.wait_for(server.wait_closed(), CLOSE_S)
        self._servers.clear()

    # requests

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file, a refusal, or None: the socket may be opened."""
        hosts = [f"{name}:{self.port}" for name in NAMES] + (list(NAMES) if self.port == 80 else [])
        if request.headers.get_all("Host") not in [[host] for host in hosts]:
            return _response(HTTPStatus.FORBIDDEN, "This server answers to its own name only.")
        if getattr(request, "method", "GET") != "GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "GET only.")
        path = request.path.partition("?")[0]
        if path != SOCKET:
            if path not in self._files:
                return _response(HTTPStatus.NOT_FOUND, "There is no such file.")
            kind, body = self._files[path]
            return _response(HTTPStatus.OK, body, kind)
        if request.headers.get_all("Origin") not in [[f"http://{host}"] for host in hosts]:
            return _response(HTTPStatus.FORBIDDEN, "Pages of another origin cannot read this.")
        if len(self._pages) >= MOST_PAGES:
            return _response(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_PAGES} pages are open already.")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        page = Page(connection, Frames(self._board))
        if len(self._pages) >= MOST_PAGES:
            return
        self._pages.add(page)
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(page.listen())
                sending = tasks.create_task(page.send(self))
                await asyncio.wait((listening, sending), return_when=asyncio.FIRST_COMPLETED)
                listening.cancel()
                sending.cancel()
        finally:
            self._pages.discard(page)


class Page:
    """One page that is open.

    Parameters
    ----------
    connection : ServerConnection
    frames : Frames
    """

    def __init__(self, connection: ServerConnection, frames: Frames) -> None:
        self.frames = frames
        self._connection = connection
        self._got = -1

    async def listen(self) -> None:
        """Hear what the page has taken and what it shows, until it goes or says what no page of ours says."""
        with contextlib.suppress(ConnectionClosed, msgspec.MsgspecError, UnicodeDecodeError):
            async for text in self._connection:
                said = _said.decode(text)
                if said.got is not None:
                    self._got = max(self._got, said.got)
                if said.wish is not None:
                    self.frames.wish = said.wish

    async def send(self, dashboard: Dashboard) -> None:
        """Send frames at the rate that the page wants; while the page has not taken the last ones, none is made."""
        clock = asyncio.get_running_loop().time
        due = taken = clock()
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            while clock() - taken < STUCK_S:
                due = max(due + 1.0 / self.frames.wish.rate, clock())
                await asyncio.sleep(due - clock())
                if self.frames.number - 1 - self._got >= IN_FLIGHT:
                    continue
                taken = clock()
                text = self.frames.next().decode()
                await asyncio.wait_for(self._connection.send(text), STUCK_S)
                dashboard.sent += 1


def _bound(family: int, host: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows two programs could share a port otherwise
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _response(status: HTTPStatus, body: str | bytes, kind: str = "text/plain; charset=utf-8") -> Response:
    content = body if isinstance(body, bytes) else f"{body}\n".encode()
    headers = Headers(HEADERS)
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(content))
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, content)
