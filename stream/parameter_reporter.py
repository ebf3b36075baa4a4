"""Tells where the units lie: hands their averages to the parameter model, and its answers to whoever subscribes.

Everything here is called between hops, by the loop's thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .hop import HopSource
from .messages import Muap, Params
from .parameter_model import FEW_SPIKES, FEWEST_SPIKES
from .parameter_worker import Finished, ParameterWorker
from .pipeline import Pipeline
from .publisher import Publisher

MOST_OFTEN_S = 0.1  # between two messages about one unit
MOST_SHARE = 0.35  # of one core's time that the model may take: 20 units at 1 Hz and more with a model of 10 ms
MUAP_S = 1.0 / 30.0
MOST_AT_ONCE = 8  # messages that a new subscriber gets between two hops
NO_MODEL = "no parameter model runs"
NOT_YET = "enough discharges are averaged, an estimate comes next"
OTHER_UNITS = "the units do not look or discharge as in the calibration: calibrate again"


@dataclass
class Told:
    """What is known of one unit: the values and their standard deviations by name, or why there is none."""

    values: dict[str, float | None] = field(default_factory=dict)
    reason: str | None = None
    spikes: int = 0
    snr_db: float | None = None


class ParameterReporter:
    """Messages `params` and `muaps` of one session.

    Parameters
    ----------
    publisher : Publisher
    source : HopSource
    pipeline : Pipeline
    worker : ParameterWorker, optional
    why_none : str
        Why there is no worker, for those who ask for parameters.
    """

    def __init__(
        self,
        publisher: Publisher,
        source: HopSource,
        pipeline: Pipeline,
        worker: ParameterWorker | None = None,
        why_none: str = NO_MODEL,
    ) -> None:
        self._publisher = publisher
        self._source = source
        self._pipeline = pipeline
        self._worker = worker
        units = pipeline.sources.shape[1]
        self._names = list(worker.model.reported) if worker is not None else []
        reason = FEW_SPIKES if worker is not None else why_none
        self._known = [self._nothing(reason) for _ in range(units)]
        self._owed: list[int] = []  # units to be told about, in order
        self._offered = [0] * units  # windows averaged when last offered
        self._due_at = [-math.inf] * units
        self._next_at = -math.inf
        self._last = -1
        self._muap_told = [0] * units
        self._muap_at = -math.inf
        self._muap_last = -1
        self.fault = ""

    def welcome(self) -> None:
        """Tell about every unit anew: somebody has subscribed."""
        self._owed = list(range(len(self._known)))

    def welcome_to_waveforms(self) -> None:
        """Send every unit's waveform anew."""
        self._muap_told = [0] * len(self._known)

    def tend(self, now: float, plausible: bool = True) -> None:
        """Take up an answer, hand on the next waveform, and send what is owed.

        Parameters
        ----------
        now : float
        plausible : bool
            Whether the discharges look like a muscle's; if not, no more waveforms are estimated.
        """
        if self._worker is not None:
            self._follow(self._worker, now, plausible)
        for unit in self._owed[:MOST_AT_ONCE]:
            self._send(unit, now)
        del self._owed[:MOST_AT_ONCE]
        if now >= self._muap_at and self._publisher.wanted("muaps"):
            self._send_muap(now)

    def _follow(self, worker: ParameterWorker, now: float, plausible: bool) -> None:
        finished = worker.take()
        if finished is not None and plausible:
            self._take_up(finished, now)
        fault = worker.fault(now) or ("" if plausible else OTHER_UNITS)
        if fault != self.fault:
            before, self.fault = self.fault, fault
            if fault:
                self._known = [self._nothing(fault) for _ in self._known]
            else:  # it was only slow: what it took back is asked for anew
                self._known = [self._nothing(FEW_SPIKES) if one.reason == before else one for one in self._known]
                self._offered = [0] * len(self._offered)
            self.welcome()
        if plausible and worker.idle and now >= self._next_at:
            unit = self._next_unit(now)
            if unit >= 0:
                worker.offer(self._pipeline.averager, unit, self._pipeline.drive.good, now)

    def _next_unit(self, now: float) -> int:
        """The next unit, in turn, with enough discharges and a new one; -1 when there is none."""
        added = self._pipeline.averager.added.tolist()
        units = len(added)
        for step in range(1, units + 1):
            unit = (self._last + step) % units
            if added[unit] >= FEWEST_SPIKES and added[unit] != self._offered[unit] and now >= self._due_at[unit]:
                self._last = unit
                self._offered[unit] = added[unit]
                return unit
        return -1

    def _take_up(self, finished: Finished, now: float) -> None:
        """Remember an answer and send it; one that says nothing for the same reason again is not sent again."""
        unit, estimate = finished.unit, finished.estimate
        self._next_at = now + finished.cpu_s * (1.0 / MOST_SHARE - 1.0)
        self._due_at[unit] = now + MOST_OFTEN_S
        values = {}
        for name, value in estimate.values.items():
            values[name] = value
            values[f"{name}_sd"] = estimate.sds[name]
        known = self._known[unit]
        says_nothing = not any(value is not None for value in values.values())
        news = not says_nothing or known.reason != estimate.reason
        self._known[unit] = Told(values, estimate.reason, finished.spikes, estimate.snr_db)
        if news:
            self._send(unit, now)

    def _nothing(self, reason: str) -> Told:
        names = [name for one in self._names for name in (one, f"{one}_sd")]
        return Told(dict.fromkeys(names), reason)

    def _send(self, unit: int, now: float) -> None:
        known, source = self._known[unit], self._source
        spikes = known.spikes or int(self._pipeline.averager.added[unit])
        reason = NOT_YET if known.reason == FEW_SPIKES and spikes >= FEWEST_SPIKES else known.reason
        message = Params.of(known.values, unit=unit, reason=reason, spikes_used=spikes, snr_db=known.snr_db)
        message.sample = source.sample
        message.t = source.timeline.newest if source.samples_in else 0.0
        self._publisher.send("params", message, now)

    def _send_muap(self, now: float) -> None:
        """Send the waveform of the next unit, in turn, that has changed."""
        averager, source = self._pipeline.averager, self._source
        added = averager.added.tolist()
        units = len(added)
        for step in range(1, units + 1):
            unit = (self._muap_last + step) % units
            if added[unit] != self._muap_told[unit]:
                break
        else:
            return
        self._muap_last = unit
        self._muap_told[unit] = added[unit]
        self._muap_at = now + MUAP_S
        message = Muap(
            sample=source.sample, t=source.timeline.newest, unit=unit, waveform=averager.waveform(unit).tolist(),
            fs_hz=averager.fs_hz, before=averager.before, spikes_used=added[unit],
        )  # fmt: skip
        self._publisher.send("muaps", message, now)
