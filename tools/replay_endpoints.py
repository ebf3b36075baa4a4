"""What a replay puts in the place of the two sockets: messages are kept, and published where they are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pylsl

from ..stream.endpoints import Endpoints
from ..stream.messages import Event, Message, Signal, Spikes
from .replay_source import SessionSource


class KeptPublisher:
    """Stands where the publisher stands, and hands every message on.

    Parameters
    ----------
    source : SessionSource
    session : str
    stream : str
    keep : callable
        Takes the kind and the message.
    """

    def __init__(self, source: SessionSource, session: str, stream: str, keep: Callable[[str, Message], None]) -> None:
        self._source = source
        self._session = session
        self._stream = stream
        self._keep = keep
        self._seq: dict[str, int] = {}

    @property
    def dropped(self) -> int:
        """Messages that the publisher could not send, as it counted."""
        turn = self._source.turn
        return 0 if turn is None else turn.tick.messages_dropped

    def send(self, kind: str, message: Message, now: float) -> None:
        """Stamp `message` and hand it on."""
        message.seq = self._seq.get(kind, 0)
        self._seq[kind] = message.seq + 1
        message.session = self._session
        message.t_pub = now
        self._keep(kind, message)

    def topic(self, kind: str) -> bytes:
        """The topic of `kind`."""
        return f"{kind}/{self._stream}".encode()

    def newcomers(self) -> set[str] | None:
        """Prefixes that were subscribed to in this turn."""
        return self._source.newcomers()

    def wanted(self, kind: str) -> bool:
        """Whether blocks of `kind` are to be made: they are not recorded."""
        return False


class ToldControl:
    """The words that the control socket was asked."""

    def __init__(self, source: SessionSource) -> None:
        self.answer: Callable[[str], dict[str, Any]] = lambda word: {}
        self._source = source

    def tend(self) -> None:
        """Do what was asked in this turn."""
        for word in self._source.words():
            self.answer(word)


class ToldEndpoints:
    """Both sockets of a session that is run again."""

    refused = 0

    def __init__(self, source: SessionSource, session: str, stream: str, keep: Callable[[str, Message], None]) -> None:
        self.session = session
        self.publisher: KeptPublisher = KeptPublisher(source, session, stream, keep)
        self.control: ToldControl = ToldControl(source)


class LivePublisher(KeptPublisher):
    """Publishes what is replayed, as if it happened now: times are moved, and `t_pub` is the clock's."""

    def __init__(
        self, source: SessionSource, endpoints: Endpoints, stream: str, keep: Callable[[str, Message], None]
    ) -> None:
        super().__init__(source, endpoints.session, stream, keep)
        self._live = endpoints.publisher
        self.moved = 0.0  # from the recorded clock to this one, s

    def send(self, kind: str, message: Message, now: float) -> None:
        """Keep the message, and publish it."""
        self._keep(kind, message)
        message.t += self.moved if message.t else 0.0
        if isinstance(message, Spikes):
            message.spike_t = [t + self.moved for t in message.spike_t]
        elif isinstance(message, Event):
            message.event_t += self.moved
        elif isinstance(message, Signal):
            message.value_t = [t + self.moved for t in message.value_t]
        self._live.send(kind, message, pylsl.local_clock())

    def newcomers(self) -> set[str] | None:
        """Those of the recording, and those of now."""
        return ((super().newcomers() or set()) | (self._live.newcomers() or set())) or None

    def wanted(self, kind: str) -> bool:
        """Whether anybody subscribes to `kind`."""
        return self._live.wanted(kind)


class LiveControl(ToldControl):
    """Does what was asked then, and what is asked now."""

    def __init__(self, source: SessionSource, endpoints: Endpoints) -> None:
        super().__init__(source)
        self._live = endpoints.control

    def tend(self) -> None:
        """Do what was asked in this turn, and answer who asks now."""
        super().tend()
        self._live.answer = self.answer
        self._live.tend()


class LiveEndpoints(ToldEndpoints):
    """Both sockets of a session that is run again and published."""

    def __init__(
        self, source: SessionSource, endpoints: Endpoints, stream: str, keep: Callable[[str, Message], None]
    ) -> None:
        self.session = endpoints.session
        self.publisher: LivePublisher = LivePublisher(source, endpoints, stream, keep)
        self.control: LiveControl = LiveControl(source, endpoints)
        self._live = endpoints

    @property
    def refused(self) -> int:
        """Connections turned away by CURVE."""
        return self._live.refused


class Pace:
    """Holds turns back until their time has come.

    Parameters
    ----------
    speed : float
        1 is as fast as it was recorded.
    stop : callable
        Asked while it waits whether to go on at once.
    """

    LONGEST_S = 3600.0
    STEP_S = 0.1

    def __init__(self, speed: float, stop: Callable[[], bool] = lambda: False) -> None:
        self._speed = speed
        self._stop = stop
        self._start: tuple[float, float] | None = None
        self.publisher: LivePublisher | None = None

    def __call__(self, recorded: float) -> None:
        now = pylsl.local_clock()
        if self._start is None:
            self._start = now, recorded
        due = self._start[0] + (recorded - self._start[1]) / self._speed
        if due - now < self.LONGEST_S:
            while (left := due - pylsl.local_clock()) > 0 and not self._stop():
                time.sleep(min(left, self.STEP_S))
        if self.publisher is not None:
            self.publisher.moved = due - recorded
