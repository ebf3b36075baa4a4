"""The live loop: samples in, spikes and drive out, one thread."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pylsl

from .hop import HopSource
from .pipeline import Pipeline
from .recording import NotRecorded, Recorded
from .reporter import Reporter
from .scheduling import short_slices


def run(
    source: HopSource,
    pipeline: Pipeline,
    reporter: Reporter,
    *,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    recording: Recorded | None = None,
    clock: Callable[[], float] = pylsl.local_clock,
) -> None:
    """Decode `source` until told to stop; nothing is allocated but the messages themselves.

    Parameters
    ----------
    source : HopSource
    pipeline : Pipeline
    reporter : Reporter
    seconds : float, optional
        Stop after this long.
    stop : callable, optional
        Asked between hops whether to stop.
    recording : Recorded, optional
        Keeps every turn.
    clock : callable, optional
        The LSL clock, or what a recording says it was.
    """
    recording = recording or NotRecorded()
    reported = sent = 0.0
    gc.collect()
    gc.freeze()  # what exists now lives as long as the loop: no collection looks at it again
    begun = clock()
    reporter.announce("waiting", begun)
    recording.begin(begun)
    end = None if seconds is None else clock() + seconds
    try:
        with short_slices():
            while not (reporter.stopping or stop() or (end is not None and clock() > end)):
                hop = source.next_hop()
                if hop.samples:
                    pipeline(hop.signal, hop.first_sample, hop.lost_before)
                    reported = clock()
                    reporter.report(hop, reported)
                    sent = clock()
                    reporter.settle_accounts(hop, sent)
                recording.look()
                tended = clock()
                reporter.tend(tended)
                recording.keep(hop, reported, sent, tended)
    finally:  # whatever ended it, subscribers are told
        ended = clock()
        reporter.announce("stopped", ended)
        recording.end(ended)
        gc.unfreeze()
