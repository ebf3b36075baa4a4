"""A reporter over a planted recording, at the pace that a test sets, and what somebody hears of it."""

import numpy as np

from myodrive.stream.inlet import Hop
from myodrive.stream.pipeline import Pipeline
from myodrive.stream.reporter import Reporter
from myodrive.stream.timeline import Timeline

HOP = 8


class FakeSource:
    """What a reporter asks of a source, over an array at the pace the test sets; times start at 100 s."""

    def __init__(self, emg, fs_hz):
        self.hop = HOP
        self.emg, self.fs_hz = emg, fs_hz
        self.timeline = Timeline(fs_hz)
        self.samples_in = self.samples_lost = self.gaps = self.repeats = self.reconnects = 0
        self.stalled, self.refusal = False, None

    @property
    def sample(self):
        return self.samples_in + self.samples_lost - 1

    def time_of(self, sample):
        return self.timeline.newest - (self.sample - sample) * self.timeline.period

    def next_hop(self, lost=0):
        first = self.sample + 1 + lost
        self.samples_lost += lost
        self.gaps += lost > 0
        stamps = 100 + (first + np.arange(HOP)) / self.fs_hz
        self.timeline.account(stamps, stamps[-1])
        place = self.samples_in % (len(self.emg) // HOP * HOP)  # over and over
        signal = self.emg[place : place + HOP]
        self.samples_in += HOP
        return Hop(HOP, signal, first, lost, float(stamps[-1]), float(stamps[-1]))


class Bench:
    """A reporter with its source and pipeline."""

    def __init__(self, planted, address, endpoints):
        self.address, self.endpoints = address, endpoints
        self.source = FakeSource(planted.emg, planted.info.fs_hz)
        self.pipeline = Pipeline(planted.decoder, HOP)
        self.reporter = Reporter(self.endpoints, planted.decoder, self.source, self.pipeline)
        self.now = 99.9
        self.reporter.announce("waiting", self.now)

    def hops(self, count, lost=0, delay=1e-3):
        for _ in range(count):
            hop = self.source.next_hop(lost)
            lost = 0
            self.now = max(self.now, hop.stamp + delay)
            self.pipeline(hop.signal, hop.first_sample, hop.lost_before)
            self.reporter.report(hop, self.now)
            self.reporter.settle_accounts(hop, self.now)
            self.reporter.tend(self.now)

    def wait(self, seconds, step=0.005):
        for _ in range(round(seconds / step)):
            self.now += step
            self.reporter.tend(self.now)


def joined(bench, subscribe, *prefixes):
    """A subscriber whose subscription the reporter has served; time stands still meanwhile."""
    reader = subscribe(bench.address, *prefixes)
    for _ in range(400):
        bench.reporter.tend(bench.now)
        if reader.receive(0.005) is not None:
            break
    return reader


def drain(reader):
    while reader.receive(0.15) is not None:
        pass
    return reader
