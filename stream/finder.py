"""Finding a stream on the network, in a thread of its own: resolving blocks, and the loop must not.

liblsl's own recovery keeps an inlet's old description, so a stream that comes back at another rate would be taken
for the old one. Here every stream is opened anew, described, and compared before the loop sees it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pylsl
from pylsl.util import LostError

from .errors import MissingStreamError, SilentStreamError, StreamError, printable
from .lsl import quieten
from .source_info import SourceInfo, describe

RESOLVE_S = 1.0
MISSING_S = 2.0  # without a stream of the name: then it is said which streams are there
OTHERS_S = 0.5  # how long those are looked for
MOST_NAMED, LONGEST_NAME = 8, 80
NAMESAKES_S = 0.5  # how long another stream of the same name is looked for
BUFFER_S = 30  # liblsl drops the oldest samples beyond this, and the timeline counts them
OPEN_TIMEOUT_S = 5.0
SILENT_S = 2.0  # without a sample of a stream that is open


@dataclass(frozen=True)
class Found:
    """A stream that is open and fits."""

    inlet: pylsl.StreamInlet
    source: SourceInfo


class EndedStreamError(StreamError):
    """A stream went away while it was opened."""


def open_stream(info: pylsl.StreamInfo, check: Callable[[SourceInfo], None]) -> Found:
    """Open a resolved stream once `check` has let its description pass.

    Raises
    ------
    StreamError
        The stream cannot be decoded (and MismatchError as `check` raises it), or does not answer.
    EndedStreamError
        It went away meanwhile.
    """
    name = info.name()
    try:
        inlet = pylsl.StreamInlet(info, max_buflen=BUFFER_S, recover=False, processing_flags=clock_flags(info))
        source = describe(inlet.info(timeout=OPEN_TIMEOUT_S))
        check(source)
        if clock_flags(info):
            inlet.time_correction(timeout=OPEN_TIMEOUT_S)  # the first one blocks for long: not in the loop
        inlet.open_stream(timeout=OPEN_TIMEOUT_S)
    except LostError as error:
        raise EndedStreamError(f'stream "{name}" ended while it was opened: start it again') from error
    except RuntimeError as error:  # the base of all that pylsl raises
        raise StreamError(f'stream "{name}" did not answer within {OPEN_TIMEOUT_S:g} s: look at its program') from error
    return Found(inlet, source)


def silent(name: str) -> SilentStreamError:
    """What is said of a stream that is open and sends nothing."""
    return SilentStreamError(f'stream "{name}" is there but sends no samples: start the measurement at the amplifier')


def clock_flags(info: pylsl.StreamInfo) -> int:
    """Time stamps of another machine are mapped to our clock; never smoothed, which would hide gaps."""
    return pylsl.proc_none if info.hostname() == socket.gethostname() else pylsl.proc_clocksync


def resolve(name: str, source_id: str | None, timeout_s: float, minimum: int = 1) -> list[pylsl.StreamInfo]:
    """Streams with this name, and this source id where one is known; ends early once `minimum` are found."""
    quieten()
    if source_id:
        found = _resolve_by("source_id", source_id, timeout_s, minimum)
        return [info for info in found if info.name() == name]
    return _resolve_by("name", name, timeout_s, minimum)


def _resolve_by(key: str, value: str, timeout_s: float, minimum: int) -> list[pylsl.StreamInfo]:
    if "'" in value:  # liblsl puts the value between apostrophes and finds nothing, or more than was asked for
        return [info for info in pylsl.resolve_streams(timeout_s) if getattr(info, key)() == value]
    return list(pylsl.resolve_byprop(key, value, minimum=minimum, timeout=timeout_s))


def missing(name: str, waited_s: float | None = None) -> MissingStreamError:
    """What is said when no stream of a name is on, or came in a time: which streams are there instead.

    It takes half a second to find out.
    """
    quieten()
    names = sorted({info.name() for info in pylsl.resolve_streams(OTHERS_S)} - {name})
    listed = ", ".join(f'"{_printable(other)}"' for other in names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        listed += f" and {len(names) - MOST_NAMED} more"
    start = "start the amplifier's LSL program"
    others = f"only {listed}: choose one with --stream, or {start}" if names else f"nor any other: {start}"
    is_on = "is on" if waited_s is None else f"appeared within {waited_s:g} s"
    return MissingStreamError(f'no stream named "{_printable(name)}" {is_on}, {others}')


def several(name: str, found: Iterable[tuple[str, str]]) -> StreamError:
    """What is said when streams of more than one source carry a name; each is its host and its source id."""
    sources = sorted(found)
    listed = ", ".join(
        f'"{_printable(source_id)}" on {_printable(host) or "an unnamed machine"}'
        for host, source_id in sources[:MOST_NAMED]
    )
    if len(sources) > MOST_NAMED:
        listed += f" and {len(sources) - MOST_NAMED} more"
    return StreamError(
        f'{len(sources)} streams are named "{_printable(name)}", of source id {listed}: '
        "give each its own name, or stop all but one"
    )


def _printable(name: str) -> str:
    return printable(name, LONGEST_NAME)


class StreamFinder:
    """Looks for a stream until it is found or told to stop.

    Parameters
    ----------
    name : str
    source_id : str or None
        Only a stream with this source id, once it is known.
    ignore_uid : str
        The outlet that is open already: it has stalled, and another of the same source would replace it.
    check : callable
        Raises StreamError for a stream that cannot be decoded.
    probe : callable, optional
        The same, for what only samples tell; takes the open stream and the event that ends the looking.
    """

    def __init__(
        self,
        name: str,
        source_id: str | None,
        ignore_uid: str,
        check: Callable[[SourceInfo], None],
        probe: Callable[[Found, threading.Event], None] | None = None,
    ) -> None:
        self.found: Found | None = None
        self._refusal: StreamError | None = None
        self._silent = silent(name)
        self._probing_since: float | None = None
        self._name = name
        self._source_id = source_id
        self._ignore_uid = ignore_uid
        self._check = check
        self._probe = probe
        self._stop = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="stream-finder", daemon=True)
        self._thread.start()

    @property
    def refusal(self) -> StreamError | None:
        """Why the stream on the network is not taken.

        MissingStreamError where none of the name has come for a while, SilentStreamError while samples of one are
        waited for.
        """
        since = self._probing_since
        if since is not None and time.monotonic() - since > SILENT_S:
            return self._silent
        return self._refusal

    def _look(self) -> None:
        begun = time.monotonic()
        seen = False
        while not self._stop.is_set():
            candidates = self._candidates(1, RESOLVE_S)
            if candidates and self._source_id is None:
                candidates = self._candidates(2, NAMESAKES_S) or candidates  # the first answer ends the first look
            if not candidates and self._another_source():
                self._refusal = StreamError(
                    f'a stream named "{self._name}" is on, but not the one with source id "{self._source_id}": '
                    "if it is the same amplifier, start this program again"
                )
            seen = seen or bool(candidates)
            if not candidates:
                if not seen and self._source_id is None and time.monotonic() - begun > MISSING_S:
                    seen = True  # once is enough: from now on it is only waited
                    self._refusal = missing(self._name)
                self._stop.wait(0.2)
                continue
            if self._source_id is None and len({info.source_id() for info in candidates}) > 1:
                self._refusal = several(self._name, [(info.hostname(), info.source_id()) for info in candidates])
                self._stop.wait(0.5)
                continue
            newest = max(candidates, key=lambda info: info.created_at())
            try:
                found = open_stream(newest, self._check)
                if self._probe is not None:
                    self._probe_or_close(found)
            except StreamError as error:
                leaving = self._source_id is not None and isinstance(error, EndedStreamError)
                self._refusal = None if leaving else error  # what still answered was the one that is lost
                self._stop.wait(0.5)
                continue
            self._refusal = None
            self.found = found
            self._done.set()
            return

    def _probe_or_close(self, found: Found) -> None:
        assert self._probe is not None
        self._probing_since = time.monotonic()
        try:
            self._probe(found, self._stop)
        except StreamError:
            found.inlet.close_stream()
            raise
        except RuntimeError as error:  # as above: it went away meanwhile
            found.inlet.close_stream()
            raise StreamError(f'stream "{self._name}" ended while it was looked at: start it again') from error
        finally:
            self._probing_since = None

    def _another_source(self) -> bool:
        """Whether a stream of the name is on that is not the source sought."""
        if self._source_id is None:
            return False
        namesakes = resolve(self._name, None, NAMESAKES_S)
        return any(info.source_id() != self._source_id for info in namesakes)

    def _candidates(self, minimum: int, timeout_s: float) -> list[pylsl.StreamInfo]:
        found = resolve(self._name, self._source_id, timeout_s, minimum)
        return [info for info in found if info.uid() != self._ignore_uid]

    def wait(self, timeout_s: float) -> None:
        """Sleep until a stream is found, `timeout_s` at most."""
        self._done.wait(timeout_s)

    def stop(self) -> None:
        """Give up; the thread ends by itself within a resolve."""
        self._stop.set()
