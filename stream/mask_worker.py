"""When channels are masked: who solves the filters again, and at which sample the new ones take over.

The watch flags a channel at most 0.32 s after it went bad. `DELAY_S` later, at the next block of the decoder, filters
for the channels left take over; a channel that is good again comes back in the same way. Three kinds decide:

- `AtOnce` solves when the sample has come. For files: nothing but the samples decides.
- `Live` solves in a thread of its own, meanwhile; the loop never waits for it. A solution that is late takes over at
  the first block after it is ready, and is counted. Without late ones a live run finds what `AtOnce` finds.
- `Told` does what a recording says happened.

`Never` leaves the filters as they are.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scheduling import short_slices
from .stages import StageMaker, Stages
from .watch import GOOD

DELAY_S = 0.1  # from flag to new filters; solving takes 10 ms for 4 of 64 channels, 25 ms for 16 of 256
WORST_BAD_SHARE = 0.25  # of the channels flagged: beyond this the units are not to be trusted, and nothing is solved
SILENT_S = 5.0  # a solution that is later than this is said to have failed
CLOSING_S = 2.0
KEPT = 4  # stages that the thread holds on to, so that the loop never frees one
NEVER = 2**62


class Swap(NamedTuple):
    """Filters that took over: at which sample, the channels left out (places in the decoder), and whether late."""

    sample: int
    channels: tuple[int, ...]
    late: bool = False


@dataclass
class _Request:
    """What is to take over from a sample on; `stages` once it is solved, `done` when there is nothing to wait for."""

    due: int
    bad: NDArray[np.bool_]
    stages: Stages | None = None
    done: bool = False
    late: bool = False
    failure: str = ""


class Masks:
    """What all kinds share. All methods belong to the thread that decodes.

    Parameters
    ----------
    maker : StageMaker

    Attributes
    ----------
    due : int
        Sample from which `take` is worth asking.
    masked : ndarray of bool, shape (channels,)
        Channels that the filters in place leave out.
    since : int
        Sample at which they took over, -1 before any did.
    late : int
        How many solutions came late.
    fault : str
        Why bad channels are not masked, or "".
    swaps : list of Swap
        Of the last hop.
    """

    def __init__(self, maker: StageMaker) -> None:
        self.due = NEVER
        self.masked = np.zeros(maker.channels, np.bool_)
        self.since = -1
        self.late = 0
        self._unsolvable = ""  # by the state of the channels
        self._failure = ""  # of the newest solution that was due
        self.swaps: list[Swap] = []
        self._maker = maker
        self._delay = math.ceil(DELAY_S * maker.fs_hz)
        self._wanted = self.masked
        self._requests: deque[_Request] = deque()

    @property
    def fault(self) -> str:
        """Why bad channels are not masked, or ""."""
        return self._unsolvable or self._failure

    @fault.setter
    def fault(self, told: str) -> None:
        self._unsolvable, self._failure = "", told

    def flagged(self, sample: int, state: NDArray[np.int64]) -> None:
        """From `sample` on the channels are in this state, as `ChannelWatch` has it."""
        bad = state != GOOD
        self._unsolvable = self._why_unsolvable(bad)
        if not (self._unsolvable or np.array_equal(bad, self._wanted)):
            self._wanted = bad
            self._ask(_Request(sample + self._delay, bad))

    def _why_unsolvable(self, bad: NDArray[np.bool_]) -> str:
        if np.array_equal(bad, self._wanted):
            return ""
        if bad.any() and self._maker.refusal:
            return self._maker.refusal
        if bad.mean() > WORST_BAD_SHARE:
            return f"{bad.sum()} of {len(bad)} channels are bad: too many to solve the filters without them"
        return ""

    def take(self, sample: int) -> Stages | None:
        """The stages that take over at `sample`, where a block begins; None where none do."""
        chosen = None
        while self._requests and self._requests[0].due <= sample:
            request = self._requests[0]
            last = len(self._requests) < 2 or self._requests[1].due > sample
            if last:
                self._solve(request)
            if last and not request.done:
                request.late = True
                self._overdue(sample - request.due)
                break
            self._requests.popleft()
            if request.done:
                self._failure = request.failure
            if request.stages is not None:
                chosen = request
        self.due = self._requests[0].due if self._requests else NEVER
        if chosen is None or chosen.stages is None:
            return None
        self.masked = chosen.stages.bad
        self.since = sample
        self.late += chosen.late
        self.swaps.append(Swap(sample, tuple(np.flatnonzero(self.masked).tolist()), chosen.late))
        return chosen.stages

    def close(self) -> None:
        """Free what it holds."""

    def _ask(self, request: _Request) -> None:
        self._requests.append(request)
        self.due = self._requests[0].due

    def _solve(self, request: _Request) -> None:
        """Have the request solved, where that is done in this thread."""

    def _overdue(self, samples: int) -> None:
        """A solution is not there `samples` after it was due."""

    def _solved(self, request: _Request) -> None:
        """Solve; what fails leaves the filters as they are, and says so."""
        try:
            request.stages = self._maker(request.bad)
        except Exception as error:  # whatever it is, decoding goes on
            reason = (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__
            request.failure = f"bad channels could not be masked ({reason})"
        request.done = True


class AtOnce(Masks):
    """Solves when the sample has come."""

    def _solve(self, request: _Request) -> None:
        self._solved(request)


class Never(Masks):
    """Leaves the filters as they are."""

    def flagged(self, sample: int, state: NDArray[np.int64]) -> None:
        pass


class Told(AtOnce):
    """Masks what it is told, and no more.

    Parameters
    ----------
    maker : StageMaker
    swaps : iterable of Swap
        In order of sample.
    """

    def __init__(self, maker: StageMaker, swaps: Iterable[Swap]) -> None:
        super().__init__(maker)
        for swap in swaps:
            bad = np.zeros(maker.channels, np.bool_)
            bad[list(swap.channels)] = True
            self._ask(_Request(swap.sample, bad, late=swap.late))

    def flagged(self, sample: int, state: NDArray[np.int64]) -> None:
        pass


class Live(Masks):
    """Solves in a thread of its own. Neither side takes a lock that the other could hold, as in `parameter_worker`."""

    def __init__(self, maker: StageMaker) -> None:
        super().__init__(maker)
        self._todo: deque[_Request] = deque()
        self._closing = False
        self._go = threading.Lock()
        self._go.acquire()
        self._thread = threading.Thread(target=self._work, name="myodrive masks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; a solution in progress is waited for, a moment at most."""
        self._closing = True
        self._wake()
        self._thread.join(CLOSING_S)

    def _ask(self, request: _Request) -> None:
        super()._ask(request)
        self._todo.append(request)
        self._wake()

    def _wake(self) -> None:
        if self._go.locked():  # only the thread acquires it; when it has not yet, it will look at what there is to do
            self._go.release()

    def _overdue(self, samples: int) -> None:
        if samples > SILENT_S * self._maker.fs_hz:
            self._failure = f"the filters without bad channels have not been solved for {SILENT_S:g} s"

    def _work(self) -> None:
        kept: deque[Stages] = deque(maxlen=KEPT)
        with short_slices():
            self._warm_up()
            while not self._closing:
                self._go.acquire()
                while self._todo and not self._closing:
                    request = self._todo.popleft()
                    self._solved(request)
                    if request.stages is not None:
                        kept.append(request.stages)

    def _warm_up(self) -> None:
        """Mask a channel once for nothing: libraries and memory are then ready."""
        first = np.zeros(self._maker.channels, np.bool_)
        first[0] = True
        with contextlib.suppress(Exception):  # said when a channel is bad
            self._maker(first)
