"""A client of a running pipeline: typed messages, what was missed, and a command that is safe to follow.

::

    with Client("tcp://127.0.0.1:5570", ["drive/"]) as pipeline:
        while controlling:
            hand.follow(pipeline.command())  # 0.0 unless a young, valid drive message says otherwise

No thread of Python runs and nothing waits but `receive`. ZeroMQ connects, and connects again after the pipeline or the
network was away; `silence_s` says for how long nothing came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

import pylsl
import zmq

from .client_clock import RemoteClock
from .client_numbers import Numbers
from .curve import ClientKeys
from .errors import AddressError, MessageError
from .messages import MAX_MESSAGE_BYTES, Drive, Message, decode, kind_of
from .publisher import READABLE, events

STALE_S = 0.2  # a client must not act on messages older than this
FUTURE_S = 0.02  # a message may seem to come from so far ahead: `now` was read a little before it came
QUEUE = 1000  # messages that wait here before newer ones are lost
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
KEEPALIVE_S = 5  # a connection on which nothing comes is asked for a sign of life, and closed 3 s later without one

M = TypeVar("M", bound=Message)


class Client:
    """Receives what a pipeline publishes, and knows what it missed and how old things are.

    Parameters
    ----------
    address : str
        Of the pipeline, such as ``tcp://127.0.0.1:5570``.
    topics : sequence of str
        Prefixes, such as "spikes/"; the empty one takes everything.
    keys : ClientKeys, optional
        For a pipeline that takes CURVE only; `read_client_keys` of `myodrive.stream.curve` reads them.
    stream : str, optional
        Take the messages of this stream only; `topics` are then kinds with their slash.
    queue : int
        Messages that may wait here unread. Beyond it ZeroMQ drops the newest, which shows as missed.
    same_clock : bool, optional
        Whether the pipeline runs on this machine, so that both read one clock; by default told from the address (a
        tunnel that begins on this machine needs False). Otherwise the pipeline's control socket, on the next port, is
        asked what its clock says.
    fallback : bool
        Let `command` also follow what the EMG's envelope makes while the units cannot be trusted; a pipeline makes it
        with ``--fallback envelope``.
    clock : callable
        The LSL clock of this machine.

    Attributes
    ----------
    damaged : int
        Messages that could not be read.
    skipped : int
        Messages that were passed over because a newer one of their kind waited behind them.

    Raises
    ------
    AddressError
        The address is none.
    """

    def __init__(
        self,
        address: str,
        topics: Sequence[str] = ("",),
        keys: ClientKeys | None = None,
        *,
        stream: str | None = None,
        queue: int = QUEUE,
        same_clock: bool | None = None,
        fallback: bool = False,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self.damaged = self.skipped = 0
        self._address = address
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise AddressError(f'"{address}" cannot be connected to: an address looks like tcp://127.0.0.1:5570')
        self._queue = queue
        self._fallback = fallback
        self._clock = clock
        self._heard = clock()
        self._numbers = Numbers()
        self._newest: dict[type[Message], Message] = {}
        self._taken: dict[type[Message], float] = {}  # when each of those was read, on this machine's clock
        self._unread: set[type[Message]] = set()
        self._only = None if stream is None else frozenset(f"{topic}{stream}".encode() for topic in topics)
        self._refused = False
        self._topic = b""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, queue)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        for option, value in (
            (zmq.TCP_KEEPALIVE, 1), (zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_S), (zmq.TCP_KEEPALIVE_INTVL, 1),
            (zmq.TCP_KEEPALIVE_CNT, 3),
        ):  # fmt: skip
            self._socket.setsockopt(option, value)
        self._turned_away = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        self._remote: RemoteClock | None = None
        if not (host.removeprefix("tcp://") in LOOPBACK if same_clock is None else same_clock):
            self._remote = RemoteClock(self._context, f"{host}:{int(port) + 1}", keys, clock)
        if keys is not None:
            keys.secure(self._socket)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise AddressError(
                f'"{address}" cannot be connected to ({error.strerror}): one looks like tcp://127.0.0.1:5570'
            ) from error
        for topic in topics:
            self._socket.subscribe(topic if stream is None else topic + stream)

    # what came

    def receive(self, timeout_s: float) -> tuple[str, Message] | None:
        """The next message and its kind, or None when none came in time.

        Raises
        ------
        AddressError
            The pipeline has turned this client's key away; ZeroMQ does not try again.
        """
        if not self._socket.poll(max(0, round(1e3 * timeout_s))):
            if self._is_refused():
                raise AddressError(f"{self._address} turns this key away: put client.key on the list of the pipeline")
            return None
        taken = self._take(self._clock())
        if taken is not None:
            self._unread.discard(type(taken[1]))
        return taken

    def waiting(self) -> Iterator[tuple[str, Message]]:
        """Every message that waits, in order, without waiting for more; no more than the queue holds."""
        for _ in range(self._queue):
            if not events(self._socket) & READABLE:
                return
            taken = self._take(self._clock())
            if taken is not None:
                self._unread.discard(type(taken[1]))
                yield taken

    def drain(self) -> int:
        """Take in all that waits and keep the newest of each kind, see `newest`; how many messages that was."""
        taken = 0
        began = self._clock()
        while taken < self._queue and events(self._socket) & READABLE:
            self._take(began)
            taken += 1
        return taken

    def newest(self, form: type[M]) -> M | None:
        """The newest message of one form, such as `Drive`, of this session; None before the first."""
        self._unread.discard(form)
        found = self._newest.get(form)
        return found if isinstance(found, form) else None

    # whether to act on it

    def command(self, now: float | None = None) -> float:
        """What to do now: the command of the newest drive message, from 0 to 1; 0.0 when in any doubt.

        It does not wait and does not raise, and may be called a thousand times a second. 0.0 comes back unless the
        newest drive is valid and younger than `STALE_S`: by its ``t_pub`` on the pipeline's clock, and by the time
        since it was read here. Before the first message, and from a restart of the pipeline to its first drive, it
        is 0.0. `why_not` says why.

        Parameters
        ----------
        now : float, optional
            On the LSL clock of this machine; by default it is read after all that waits was taken in.
        """
        self.drain()
        drive = self.newest(Drive)
        if drive is None or not self._says_something(drive) or not self.fresh(drive, now):
            return 0.0
        return drive.command if 0.0 <= drive.command <= 1.0 else 0.0

    def fresh(self, message: Message, now: float | None = None) -> bool:
        """Whether `message` is young enough to be acted on; one from the future is not, nor one of unknown age."""
        now = self._clock() if now is None else now
        if self._newest.get(type(message)) is message:
            read = self._taken[type(message)]
            now = max(now, read)  # that is later than a `now` which was read before the message came
            if not now - read < STALE_S:
                return False
        return -FUTURE_S <= self.age_s(message, now) < STALE_S

    def age_s(self, message: Message, now: float | None = None) -> float:
        """How old `message` is at most, s; NaN while the clock of the pipeline's machine is not known."""
        now = self._clock() if now is None else now
        if self._remote is None:
            return now - message.t_pub
        self._remote.tend(now)
        ahead = self._remote.ahead(now)
        return math.nan if ahead is None else now + ahead[1] - message.t_pub

    def why_not(self, now: float | None = None) -> str:
        """Why `command` gives 0.0 although the drive may not be 0; "" when it gives what the drive says."""
        now = self._clock() if now is None else now
        drive = self.newest(Drive)
        if self._is_refused():
            return "the pipeline turns this key away"
        if drive is None:
            return "no drive message has come yet"
        if not self._says_something(drive):
            return "the pipeline says that its drive is not valid"
        age = self.age_s(drive, now)
        if math.isnan(age):
            return "what the clock of the pipeline's machine says is not known: its control port must be reachable"
        if age < -FUTURE_S:
            return f"the drive is from {-age:.3g} s ahead: the pipeline has another clock, set same_clock=False"
        if not self.fresh(drive, now):
            return f"the newest drive message is {max(age, now - self._taken[Drive]):.3g} s old"
        return "" if 0.0 <= drive.command <= 1.0 else "the command is no number from 0 to 1"

    def _says_something(self, drive: Drive) -> bool:
        return drive.valid or (self._fallback and drive.source == "envelope")

    # how it goes

    @property
    def missed(self) -> dict[str, int]:
        """Messages lost per topic, as the holes in its numbers say; what was lost last shows with the next message."""
        return self._numbers.missed

    @property
    def session(self) -> str:
        """Session of the newest message; "" before the first."""
        return self._numbers.session

    @property
    def stream(self) -> str:
        """Name of the stream that the newest message is of; "" before the first."""
        return self._topic.partition(b"/")[2].decode("utf-8", "replace")

    @property
    def restarts(self) -> int:
        """Times that another pipeline, or the same one started again, took over."""
        return self._numbers.restarts

    def silence_s(self, now: float | None = None) -> float:
        """How long no message has come, s; before the first, since this client was made."""
        return (self._clock() if now is None else now) - self._heard

    def close(self) -> None:
        """Let go of the connection; a second time does nothing."""
        if self._remote is not None:
            self._remote.close()
        if not self._turned_away.closed:
            self._turned_away.close(linger=0)
        self._socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, now: float) -> tuple[str, Message] | None:
        """The message at hand, accounted for; None for one that is not ours."""
        frames = self._socket.recv_multipart()
        if self._only is not None and frames[0] not in self._only:
            return None  # of a stream whose name begins like ours
        try:
            message = decode(frames)
        except MessageError:
            self.damaged += 1
            return None
        restarts = self._numbers.restarts
        if not self._numbers.take(frames[0], message.session, message.seq):
            self.damaged += 1
            return None
        if self._numbers.restarts != restarts:
            self._newest.clear()
            self._unread.clear()
            if self._remote is not None:
                self._remote.forget()
        self._topic = frames[0]
        form = type(message)
        self.skipped += form in self._unread
        self._unread.add(form)
        self._newest[form] = message
        self._taken[form] = self._heard = now
        return kind_of(frames[0]), message

    def _is_refused(self) -> bool:
        self._refused = self._refused or bool(events(self._turned_away) & READABLE)
        return self._refused
