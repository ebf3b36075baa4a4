"""CURVE: encryption of both sockets, and a list of the clients that may connect.

A key is a file with one line, 40 characters of Z85 (https://rfc.zeromq.org/spec/32/). The folder of a server holds
``server.key`` and ``server.secret``, and in ``allowed/`` the public key of every client that may connect, one file
each. The folder of a client holds ``client.secret``, its ``client.key`` and the ``server.key`` it trusts;
``clients/local`` in the server's folder is that of the programs on the same machine.

libzmq asks a handler in the same context whether a client may come in (ZAP, https://rfc.zeromq.org/spec/27/). Ours is a
thread: the loop's thread neither waits for it nor reads files. Without an answer nobody comes in.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from .errors import KeysError
from .publisher import DOMAIN

SERVER, CLIENT, SECRET, PUBLIC = "server", "client", ".secret", ".key"
ALLOWED, CLIENTS, LOCAL = "allowed", "clients", "local"
MOST_CLIENTS = 1000
SETTLED_S = 2.0  # no file system that is in use keeps times coarser
_KEY_CHARACTERS = 40
_LONGEST_FILE = 1024
_ZAP = "inproc://zeromq.zap.01"
_REFUSALS = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)  # fmt: skip


@dataclass(frozen=True)
class ServerKeys:
    """What a pipeline proves itself with, and the folder of the clients it lets in."""

    secret: bytes = field(repr=False)
    allowed: Path

    def secure(self, socket: zmq.Socket[bytes]) -> None:
        """Make `socket`, not yet bound, take clients with CURVE only."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without a handler nobody comes in, instead of everybody


@dataclass(frozen=True)
class ClientKeys:
    """What a client proves itself with, and the only server it talks to."""

    secret: bytes = field(repr=False)
    public: bytes
    server: bytes

    def secure(self, socket: zmq.Socket[bytes]) -> None:
        """Make `socket`, not yet connected, talk to this server only."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret)


def check_available() -> None:
    """Raise KeysError where the ZeroMQ at hand was built without CURVE."""
    if not zmq.has("curve"):
        raise KeysError("this ZeroMQ was built without CURVE (libsodium): install pyzmq from its wheel")


def read_server_keys(folder: str | Path) -> ServerKeys:
    """The keys of a pipeline.

    Raises
    ------
    KeysError
        A key is missing, damaged or can be read by others, or the list of clients cannot be read.
    """
    check_available()
    folder = Path(folder)
    keys = ServerKeys(_secret(folder / (SERVER + SECRET)), folder / ALLOWED)
    read_allowed(keys.allowed)
    return keys


def read_client_keys(folder: str | Path) -> ClientKeys:
    """The keys of a client; of a server's folder those of the programs on the same machine.

    Raises
    ------
    KeysError
        A key is missing, damaged or can be read by others.
    """
    check_available()
    folder = Path(folder)
    if not (folder / (CLIENT + SECRET)).exists() and (folder / CLIENTS / LOCAL).is_dir():
        folder = folder / CLIENTS / LOCAL
    secret = _secret(folder / (CLIENT + SECRET))
    return ClientKeys(secret, zmq.curve_public(secret), read_key(folder / (SERVER + PUBLIC)))


def read_allowed(folder: Path) -> frozenset[bytes]:
    """Public keys of the clients that may connect.

    Raises
    ------
    KeysError
    """
    return frozenset(map(read_key, _files(folder)))


def _files(folder: Path) -> list[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(PUBLIC))
    except OSError as error:
        raise KeysError(f'"{folder}" cannot be listed ({error.strerror}): make keys with `myodrive keys`') from error
    if len(names) > MOST_CLIENTS:
        raise KeysError(f'"{folder}" lists {len(names)} clients, {MOST_CLIENTS} at most are let in: remove some')
    return [folder / name for name in names]


def read_key(path: Path) -> bytes:
    """The key in a file, 40 bytes of Z85.

    Raises
    ------
    KeysError
        The file is missing or holds no key.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_FILE).strip()
    except OSError as error:
        raise KeysError(f'"{path}" cannot be read ({error.strerror}): make keys with `myodrive keys`') from error
    if len(text) != _KEY_CHARACTERS or not _is_key(text):
        raise KeysError(f'"{path}" holds no key (40 characters of Z85): make it again with `myodrive keys`')
    return text


def _is_key(text: bytes) -> bool:
    """Whether libzmq takes `text`, which as a secret key it does whatever its 32 bytes are."""
    try:
        zmq.curve_public(text)
    except (zmq.ZMQError, ValueError):
        return False
    return True


def _secret(path: Path) -> bytes:
    key = read_key(path)
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeysError(f'"{path}" can be read by other users of this machine: chmod 600 it, or make new keys')
    return key


class AllowedList:
    """The keys in a folder, read anew when a file of it changed; a damaged file shuts out its own client only.

    A change that leaves a file's size and falls in the same tick of the file system's clock cannot be seen: for
    `SETTLED_S` after a change every call reads.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: _Listing | None = None
        self._keys: frozenset[bytes] = frozenset()

    def read(self) -> frozenset[bytes]:
        """Those that can be read now; none where the folder cannot be listed or lists too many."""
        try:
            listing = _Listing.of(self._folder)
        except (KeysError, OSError):
            self._seen = None
            return frozenset()
        if listing != self._seen:
            self._keys = frozenset(self._readable(listing))
            self._seen = listing if listing.settled else None
        return self._keys

    def _readable(self, listing: _Listing) -> Iterator[bytes]:
        for name, *_ in listing.files:
            with contextlib.suppress(KeysError):
                yield read_key(self._folder / name)


@dataclass(frozen=True)
class _Listing:
    """What shows that a folder of keys changed: its files' names, sizes, times of change and numbers."""

    changed: int
    files: tuple[tuple[str, int, int, int, int], ...]

    @classmethod
    def of(cls, folder: Path) -> _Listing:
        files = []
        for path in _files(folder):
            with contextlib.suppress(OSError):  # gone meanwhile, or a link that leads nowhere: no key
                now = path.stat()
                files.append((path.name, now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino))
        return cls(folder.stat().st_mtime_ns, tuple(files))

    @property
    def settled(self) -> bool:
        """Whether the newest change is so old that another would have another time."""
        newest = max([self.changed, *(max(file[2], file[3]) for file in self.files)])
        return abs(time.time_ns() - newest) > SETTLED_S * 1e9


class Doorkeeper:
    """Lets in the clients on the list and counts who is turned away; a thread of its own, begun at once.

    Parameters
    ----------
    context : zmq.Context
        That of the sockets it guards; they are made afterwards.
    keys : ServerKeys

    Attributes
    ----------
    refused : int
        Connections turned away: not on the list, in plain text, or no ZeroMQ at all. A client that tries again is
        counted again.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: ServerKeys) -> None:
        self.refused = 0
        self._context = context
        self._list = AllowedList(keys.allowed)
        self._monitors: list[zmq.Socket[bytes]] = []
        self._asked = context.socket(zmq.ROUTER)
        self._asked.setsockopt(zmq.LINGER, 0)
        self._asked.bind(_ZAP)
        self._end_here, self._end_there = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        where = f"inproc://doorkeeper-{id(self)}"
        self._end_there.bind(where)
        self._end_here.connect(where)
        self._thread: threading.Thread | None = None

    def guard(self, socket: zmq.Socket[bytes]) -> None:
        """Count who is turned away from `socket`; before `open`."""
        self._monitors.append(socket.get_monitor_socket(_REFUSALS))

    def open(self) -> None:
        """Begin to let clients in."""
        self._thread = threading.Thread(target=self._serve, name="doorkeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and free its sockets; the sockets it guards are closed by their owners."""
        if self._thread is not None:
            self._end_here.send(b"")
            self._thread.join()
            self._thread = None
        for socket in (self._end_here, self._end_there, self._asked, *self._monitors):
            socket.close(linger=0)

    def _serve(self) -> None:
        poller = zmq.Poller()
        for socket in (self._asked, self._end_there, *self._monitors):
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                if socket is self._end_there:
                    return
                frames = socket.recv_multipart()
                if socket is self._asked:
                    self._asked.send_multipart(list(self._answer(frames)))
                elif len(frames[0]) == 6:  # event (16 bit) and value, as the mask asks for
                    self.refused += 1

    def _answer(self, request: list[bytes]) -> Iterator[bytes]:
        """The reply to a ZAP request: its envelope, version, number, verdict, text, user and metadata."""
        cut = request.index(b"") + 1
        yield from request[:cut]
        version, number, domain, _address, _identity, mechanism, *credentials = request[cut:]
        allowed = (
            version == b"1.0"
            and domain == DOMAIN
            and mechanism == b"CURVE"
            and len(credentials) == 1
            and self._listed(credentials[0])
        )
        yield from (b"1.0", number, *((b"200", b"OK") if allowed else (b"400", b"not on the list")), b"", b"")

    def _listed(self, raw: bytes) -> bool:
        """Whether the client with this public key, 32 bytes, is on the list as it stands now."""
        return z85.encode(raw) in self._list.read()
