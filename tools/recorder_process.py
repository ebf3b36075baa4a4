"""The recorder: a process that writes to disk what the live loop put into the ring, and what the pipeline published.

It is started by `recorder.py`, which sends one line of JSON (`Orders`) and then keeps the pipe open. When the pipe
closes, the pipeline is gone, however it ended: what is left in the ring is written, and the recorder ends. Even one
that was stopped does: its group of processes has lost the parent, and POSIX sends such a group SIGHUP, which we ignore,
and SIGCONT.

Everything is handed to the system 50 times a second and waited for on disk (fsync) twice a second; only then it counts
as recorded. Where the system cannot write, the recorder says why and ends: a folder that filled up is not tried again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path
from typing import Any

import msgspec
import pylsl
import zmq

from ..stream.curve import read_client_keys
from ..stream.messages import MAX_MESSAGE_BYTES, UNREADABLE, kind_of
from ..stream.recording import (
    ACKNOWLEDGED,
    CLOSING,
    ENDED,
    EVENT,
    FAILED,
    LACKING,
    RUNNING,
    STATE,
    TICK,
    write_reason,
)  # fmt: skip
from ..stream.ring import Ring
from .processes import watch_parent
from .segments import SegmentWriter
from .session_file import MESSAGE, MESSAGES, NOTE, RAW, TOPIC_LENGTH
from .session_info import INFO, SessionInfo, write_info

WAIT_MS = 20
SYNC_S = 0.5
CLOCK_S = 10.0
LAST_MESSAGES_S = 1.0  # the pipeline's last words may take this long
TOPICS = ("spikes/", "drive/", "params/", "units/", "status/", "event/", "signal/")
HELD_MESSAGES = 100_000  # that may wait for us
AT_ONCE = 10_000  # records or messages between two looks at the other side
CONNECTED_S = 10.0
BEHIND_OTHERS = 10


class _Head(msgspec.Struct):
    """What the recorder reads of a message."""

    seq: int
    session: str
    state: str = ""


_read_head = msgspec.msgpack.Decoder(_Head).decode


class Orders(msgspec.Struct, kw_only=True):
    """What the recorder is told at its start."""

    memory: str
    folder: str
    address: str
    session: str
    curve: str | None = None
    sync_s: float = SYNC_S


class Recorder:
    """Moves records from the ring, and messages from the socket, to the segments.

    Parameters
    ----------
    ring : Ring
    folder : Path
    socket : zmq.Socket
        Subscribed.
    session : str
        Whose messages to keep.
    sync_s : float
    """

    def __init__(
        self, ring: Ring, folder: Path, socket: zmq.Socket[bytes], session: str, sync_s: float = SYNC_S
    ) -> None:
        self._session = session
        self._ring = ring
        self._folder = folder
        self._socket = socket
        self._sync_s = sync_s
        self._samples = 0
        self._next: dict[bytes, int] = {}
        self._stopped = False
        self._raw = SegmentWriter(folder, RAW)
        self._messages = SegmentWriter(folder, MESSAGES)
        self._clock_at = self._synced_at = -1e9

    def run(self, gone: threading.Event) -> None:
        """Record until the pipeline says that it has ended, or `gone` is set.

        Raises
        ------
        OSError
            The system cannot write.
        """
        deadline = None
        while True:
            ending = bool(self._ring.load(CLOSING)) or gone.is_set()
            moved = self._take_turns() + self._take_messages()
            now = time.monotonic()
            if now - self._clock_at > CLOCK_S:
                self._clock_at = now
                self._note(note="clock", lsl=pylsl.local_clock(), utc=time.time())
            self._raw.flush()
            self._messages.flush()
            if now - self._synced_at > self._sync_s:
                self._sync()
            if ending and not moved:
                deadline = deadline or now + LAST_MESSAGES_S
                if self._stopped or gone.is_set() or now > deadline:
                    break
            self._socket.poll(WAIT_MS)
        self._note(
            note="end", samples=self._samples, lacking=self._ring.load(LACKING), pipeline_ended=not gone.is_set()
        )
        self._messages.flush()
        self._sync()

    def close(self) -> None:
        """Close the segments."""
        self._raw.close()
        self._messages.close()

    def _take_turns(self) -> int:
        taken = 0
        while taken < AT_ONCE and (words := self._ring.pop()) is not None:
            kind = int(words[0])
            self._raw.append(kind, words.tobytes())
            if kind == TICK:
                self._samples += int(words[2])
            elif kind == EVENT:
                self._follow(words.tobytes())
            taken += 1
        return taken

    def _follow(self, event: bytes) -> None:
        """The first description of the stream goes into `session.json` as well."""
        told = msgspec.json.decode(event[24:].rstrip(b"\0"))
        if told.get("event") != "source" or len(told) == 1:
            return
        with contextlib.suppress(OSError, msgspec.MsgspecError):  # the event itself says the same
            info = msgspec.json.decode((self._folder / INFO).read_bytes(), type=SessionInfo)
            if info.source is None:
                info.source = {name: value for name, value in told.items() if name != "event"}
                write_info(self._folder, info)

    def _take_messages(self) -> int:
        taken = 0
        while taken < AT_ONCE:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            taken += 1
            if len(frames) == 2:
                self._keep(*frames)
        return taken

    def _keep(self, topic: bytes, body: bytes) -> None:
        """Append a message as it was published; a hole in the numbers before it is written down."""
        try:
            head = _read_head(body)
        except UNREADABLE:
            return
        if head.session != self._session:
            return
        seq = head.seq
        expected = self._next.get(topic, seq)
        if seq != expected:
            self._note(note="missed", topic=topic.decode("utf-8", "replace"), first=expected, messages=seq - expected)
        self._next[topic] = seq + 1
        self._messages.append(MESSAGE, TOPIC_LENGTH.pack(len(topic)), topic, body)
        self._stopped = self._stopped or (kind_of(topic) == "status" and head.state == "stopped")

    def _note(self, **fields: Any) -> None:
        self._messages.append(NOTE, msgspec.json.encode(fields))

    def _sync(self) -> None:
        """Wait for the disk, and only then say what is recorded."""
        samples = self._samples
        self._raw.sync_written()
        self._messages.sync_written()
        self._synced_at = time.monotonic()
        self._ring.store(ACKNOWLEDGED, samples)


def main() -> int:
    """Read the orders, record, and end."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the pipeline ends us, after its own end
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(BEHIND_OTHERS)  # on a core that it shares with the loop, the loop goes first
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    orders = msgspec.json.decode(line, type=Orders)
    memory = _attach(orders.memory)
    ring = Ring(memory.buf)
    gone = threading.Event()
    threading.Thread(target=watch_parent, args=(gone,), daemon=True).start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    code = 0
    try:
        recorder = None
        try:
            socket = _subscribe(context, orders)
            recorder = Recorder(ring, Path(orders.folder), socket, orders.session, orders.sync_s)
            ring.store(STATE, RUNNING)
            recorder.run(gone)
            ring.store(STATE, ENDED)
        finally:
            if recorder is not None:
                recorder.close()
    except OSError as error:
        write_reason(ring, f'"{orders.folder}" cannot be written ({error.strerror or error})')
        ring.store(STATE, FAILED)
        code = 1
    except BaseException as error:
        write_reason(ring, f"the recorder failed ({type(error).__name__}: {str(error)[:200]})")
        ring.store(STATE, FAILED)
        code = 1
    finally:
        context.destroy(linger=0)
        ring.release()
        memory.close()
    return code


def _subscribe(context: zmq.Context[zmq.Socket[bytes]], orders: Orders) -> zmq.Socket[bytes]:
    """A socket that is connected to the pipeline, so that no message after this one is missed."""
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, HELD_MESSAGES)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    if orders.curve is not None:
        read_client_keys(orders.curve).secure(socket)
    connected = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    for topic in TOPICS:
        socket.subscribe(topic)
    socket.connect(orders.address)
    if not connected.poll(round(1e3 * CONNECTED_S)):
        raise OSError(None, f"{orders.address} does not answer")
    socket.disable_monitor()
    return socket


def _attach(name: str) -> shared_memory.SharedMemory:
    """The ring's memory, which belongs to the pipeline: its end is not for our side to bring about."""
    if sys.version_info >= (3, 13):
        return shared_memory.SharedMemory(name, track=False)
    memory = shared_memory.SharedMemory(name)
    if os.name == "posix":  # https://github.com/python/cpython/issues/82300: may go with Python 3.12
        resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]
    return memory


if __name__ == "__main__":
    sys.exit(main())
