"""The live loop: samples in, spikes and drive out, one thread."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pylsl

from .hop import HopSource
from .pipeline import Pipeline
from .reporter import Reporter
from .scheduling import short_slices


def run(
    source: HopSource,
    pipeline: Pipeline,
    reporter: Reporter,
    *,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
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
    """
    clock = pylsl.local_clock
    gc.collect()
    gc.freeze()  # what exists now lives as long as the loop: no collection looks at it again
    reporter.announce("waiting", clock())
    end = None if seconds is None else clock() + seconds
    try:
        with short_slices():
            while not (reporter.stopping or stop() or (end is not None and clock() > end)):
                hop = source.next_hop()
                if hop.samples:
                    pipeline(hop.signal, hop.first_sample, hop.lost_before)
                    reporter.report(hop, clock())
                    reporter.settle_accounts(hop, clock())
                reporter.tend(clock())
    finally:  # whatever ended it, subscribers are told
        reporter.announce("stopped", clock())
        gc.unfreeze()
