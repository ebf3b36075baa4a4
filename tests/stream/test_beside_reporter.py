"""Markers and signals as messages: on their samples, counted, and what a marker keeps back."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from myodrive.stream import messages as m
from myodrive.stream.beside import SignalState, Taken
from myodrive.stream.markers import Blank, Marker
from myodrive.stream.reporter import Reporter

from .reporter_bench import FakeSource, drain, joined


class FakeMarkers:
    """Markers that a test puts."""

    def __init__(self):
        self.state, self.reason, self.missed = "waiting", "", 0
        self.waiting = []

    def look(self):
        pass

    def take(self):
        taken, self.waiting = self.waiting, []
        return taken


def test_markers_wait_for_the_first_sample_and_are_put_on_the_sample_of_their_time(bench, subscribe, planted):
    markers = FakeMarkers()
    bench.reporter = Reporter(bench.endpoints, planted.decoder, bench.source, bench.pipeline, markers=markers)
    reader = joined(bench, subscribe, "event/", "status/")
    period = 1.0 / planted.info.fs_hz
    markers.waiting = [Marker("before", 99.0)]
    bench.wait(0.1)
    assert len(markers.waiting) == 1
    bench.hops(100)
    at = bench.source.time_of(333)
    markers.waiting = [Marker("now", at + 0.4 * period), Marker("ahead", bench.source.time_of(2000))]
    markers.state = "on"
    bench.hops(20)
    drain(reader)
    events = reader.of(m.Event)
    first, now, ahead = events
    assert (first.label, first.event_sample) == ("before", round((99.0 - bench.source.time_of(0)) / period))
    assert first.event_sample < 0
    assert (now.label, now.event_sample, now.event_t) == ("now", 333, at + 0.4 * period)
    assert (ahead.event_sample, [event.seq for event in events]) == (2000, [0, 1, 2])
    last = reader.of(m.Status)[-1]
    assert (last.events, last.events_in) == ("on", 3)


def test_after_a_marker_that_says_so_discharges_are_left_out_and_late_ones_are_counted(bench, subscribe, planted):
    markers = FakeMarkers()
    blanks = [Blank("stim*", 0.05), Blank("stim long", 0.2)]
    bench.reporter = Reporter(
        bench.endpoints, planted.decoder, bench.source, bench.pipeline, markers=markers, blanks=blanks
    )
    reader = joined(bench, subscribe, "event/", "spikes/", "status/")
    bench.hops(500)  # 4000 samples
    time_of = bench.source.time_of
    markers.waiting = [Marker("cue", time_of(4200)), Marker("stim", time_of(4100)), Marker("stim long", time_of(5000))]
    bench.hops(200)
    late = bench.source.sample - 20
    markers.waiting = [Marker("stim", time_of(late)), Marker("stim", time_of(late - 500))]
    bench.hops(100)
    drain(reader)
    cue, stim, long, partly, never = reader.of(m.Event)
    assert (cue.blank_from, cue.blank_to) == (-1, -1)
    assert (stim.blank_from, stim.blank_to) == (4100, 4199)
    assert (long.blank_from, long.blank_to) == (5000, 5399)
    assert partly.event_sample == late < partly.blank_from <= partly.blank_to == late + 99
    assert (never.blank_from, never.blank_to) == (-1, -1)
    last = reader.of(m.Status)[-1]
    assert last.events_late == 2
    assert last.blanked == bench.pipeline.guard.blanked > 0
    reported = [sample for one in reader.of(m.Spikes) for sample in one.spike_sample]
    for event in (stim, long, partly):
        assert not [sample for sample in reported if event.blank_from <= sample <= event.blank_to]
    assert [sample for sample in reported if 4200 < sample < 5000]


class FakeSignals:
    """Signals whose values a test puts."""

    def __init__(self):
        self.states = (SignalState("70", "on", "V", 2000.0), SignalState("cell", "waiting"))
        self.missed = 5
        self.waiting = []
        self.skipped = self.hops = 0

    def look(self):
        pass

    def follow(self, hop):
        self.hops += hop.samples

    def skip(self, now):
        self.skipped += 1

    def due(self, now):
        return True

    def take(self):
        taken, self.waiting = self.waiting, []
        return taken


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 300)), min_size=1, max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_are_put_on_the_samples_of_their_time_whatever_was_lost(bench, subscribe, planted, steps):
    signals = FakeSignals()
    source = bench.source = FakeSource(planted.emg, planted.info.fs_hz)
    bench.reporter = Reporter(bench.endpoints, planted.decoder, source, bench.pipeline, signals=signals)
    bench.now = 99.9
    reader = joined(bench, subscribe, "")
    signals.waiting = [Taken(1, False, np.array([99.0]), np.array([0.0]))]
    bench.reporter.tend(bench.now)
    assert signals.waiting  # there is no sample yet to put it on
    assert signals.skipped > 0
    signals.waiting = []
    sent = []
    for hops, lost in steps:
        bench.hops(hops, lost)
        signals.waiting = [
            Taken(0, True, np.arange(source.sample - 3.0, source.sample + 1), np.arange(4.0)),
            Taken(1, False, source.timeline.newest + np.array([-0.3, -0.01, 0.002]), np.array([-1.5, 2.0, 1e9])),
        ]
        sent.append((source.sample, source.timeline.newest))
        bench.wait(0.005)
    drain(reader)
    own, cell = ([one for one in reader.of(m.Signal) if one.name == name] for name in ("70", "cell"))
    assert len(own) == len(cell) == len(sent)
    for one, other, (sample, newest) in zip(own, cell, sent, strict=True):
        assert (one.unit, one.fs_hz, one.value) == ("V", 2000.0, [0.0, 1.0, 2.0, 3.0])
        assert one.value_sample == [sample - 3.0, sample - 2.0, sample - 1.0, sample]
        np.testing.assert_allclose(one.value_t, 100 + np.array(one.value_sample) / 2000, atol=1e-5)
        assert other.value == [-1.5, 2.0, 1e9]
        np.testing.assert_allclose(other.value_t, newest + np.array([-0.3, -0.01, 0.002]))
        np.testing.assert_allclose(other.value_sample, (np.array(other.value_t) - 100) * 2000, atol=0.05)
    status = bench.reporter.status()
    assert [entry.state for entry in status.signals] == ["on", "waiting"]
    assert (status.signals_in, status.signals_missed) == (7 * len(sent), 5)
    assert signals.hops == source.samples_in


def test_a_signal_that_changes_its_state_is_told_at_once(bench, subscribe, planted):
    signals = FakeSignals()
    bench.reporter = Reporter(bench.endpoints, planted.decoder, bench.source, bench.pipeline, signals=signals)
    reader = joined(bench, subscribe, "status/")
    bench.hops(300)
    drain(reader)
    signals.states = (signals.states[0], SignalState("cell", "on", "kg", 80.0))
    bench.hops(20)
    drain(reader)
    told = reader.kept[-1]
    assert (told.signals[1].state, told.signals[1].unit, told.signals[1].fs_hz) == ("on", "kg", 80.0)
    assert told.t_pub - bench.now > -0.1
