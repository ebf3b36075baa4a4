"""Runs the parameter model beside the live loop, in a thread that the loop never waits for.

One waveform is in hand at a time. The loop copies it in and goes on; some hops later it finds the answer lying there.
Neither side takes a lock that the other could hold: who may touch the copy is told by `_state` alone, and the loop
wakes the thread by releasing a lock that only the thread acquires, which never blocks.

What the two do share is the interpreter. The graph itself runs without it; what is left is a few short steps in
Python. While one of them runs, a hop that begins waits for its end, so they stay far below the interpreter's switch
interval of 5 ms, and nothing here loops over samples. For the same reason the thread keeps its priority: a thread of
low priority that is put aside while it holds the interpreter holds up the loop. See `scheduling` for what helps.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .average import AverageCopy, SpikeAverager
from .parameter_model import Estimate, ParameterModel
from .scheduling import short_slices

SILENT_S = 5.0  # a model that takes longer than this for one waveform is said to have failed
CLOSING_S = 2.0
IDLE, BUSY, DONE = range(3)


@dataclass(frozen=True)
class Finished:
    """What came of one waveform; `cpu_s` is the processor time that it took."""

    unit: int
    estimate: Estimate
    spikes: int
    cpu_s: float


class ParameterWorker:
    """Estimates one unit's parameters at a time; its methods belong to the loop's thread and return at once.

    Parameters
    ----------
    model : ParameterModel
    averager : SpikeAverager
        Whose averages will be offered.
    """

    def __init__(self, model: ParameterModel, averager: SpikeAverager) -> None:
        self.model = model
        self._copy = AverageCopy(averager)
        self._state = IDLE
        self._finished: Finished | None = None
        self._failure = ""
        self._since = 0.0
        self._closing = False
        self._go = threading.Lock()
        self._go.acquire()
        self._thread = threading.Thread(target=self._work, name="myodrive parameters", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether it can take a waveform."""
        return self._state == IDLE and not self._failure and not self._closing

    def fault(self, now: float) -> str:
        """Why no answer will come, or ""."""
        if self._failure:
            return f"the parameter model failed ({self._failure})"
        if self._state == BUSY and now - self._since > SILENT_S:
            return f"the parameter model has not answered for {SILENT_S:g} s"
        return ""

    def offer(self, averager: SpikeAverager, unit: int, good: NDArray[np.bool_], now: float) -> None:
        """Copy a unit's average, of which the `good` channels count, and have it estimated; only while `idle`."""
        averager.copy(unit, good, self._copy)
        self._since = now
        self._state = BUSY
        self._go.release()

    def take(self) -> Finished | None:
        """The answer to the last offer, once; None while there is none."""
        if self._state != DONE:
            return None
        finished, self._finished = self._finished, None
        self._state = IDLE
        return finished

    def close(self) -> None:
        """End the thread; a run in progress is waited for, a moment at most."""
        if self._closing:
            return
        self._closing = True
        if self._state != BUSY and self._thread.is_alive():
            self._go.release()
        self._thread.join(CLOSING_S)

    def _work(self) -> None:
        try:
            with short_slices():  # whoever else wakes on this core waits for no longer than that
                while self._is_wanted():
                    began = time.thread_time()
                    copy = self._copy
                    spikes = copy.discharges()
                    estimate = self.model.estimate(copy.waveform(), copy.noise(), copy.good, spikes)
                    self._finished = Finished(copy.unit, estimate, spikes, time.thread_time() - began)
                    self._state = DONE
        except BaseException as error:  # whatever it is, the loop goes on, and says so
            self._failure = (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__

    def _is_wanted(self) -> bool:
        """Wait for a waveform; False when there will be none."""
        if not self._closing:
            self._go.acquire()
        return not self._closing
