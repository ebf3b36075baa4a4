"""What is told of the parameters and when, driven by hand: who is next, how often, to whom, and what when it fails."""

import itertools

import numpy as np
import pytest

from myodrive.stream.average import SpikeAverager
from myodrive.stream.messages import Muap, Params
from myodrive.stream.parameter_model import FEW_SPIKES, Estimate
from myodrive.stream.parameter_reporter import MOST_AT_ONCE, MOST_SHARE, NOT_YET, OTHER_UNITS, ParameterReporter
from myodrive.stream.parameter_worker import Finished


class Publisher:
    """Keeps what is sent, as it stood."""

    def __init__(self):
        self.sent, self.prefixes = [], {"params"}

    def send(self, kind, message, now):
        self.sent.append((now, kind, message))

    def wanted(self, kind):
        return kind in self.prefixes

    def of(self, kind):
        return [(now, message) for now, sent, message in self.sent if sent == kind]


class Source:
    sample, samples_in = 41, 42

    class timeline:
        newest = 7.0


class Pipeline:
    def __init__(self, units, channels=4):
        self.sources = np.zeros((8, units), np.float32)
        self.averager = SpikeAverager(units, channels, 1000.0, before=2, after=3, longest=8, lookahead=3)
        self.drive = type("Drive", (), {"good": np.ones(channels, bool)})


class Worker:
    """Answers an offer after so long; the cost of an answer is what the test says."""

    class model:
        reported = ("iz_mm", "cv_m_s", "depth_mm")

    def __init__(self, takes_s=0.01, cpu_s=0.01):
        self.takes_s, self.cpu_s = takes_s, cpu_s
        self.offers, self.failure, self._due = [], "", None
        self.reason, self.known = None, True

    @property
    def idle(self):
        return self._due is None and not self.failure

    def offer(self, averager, unit, good, now):
        assert self.idle
        self.offers.append((now, unit))
        self._due = now + self.takes_s

    def take(self):
        if self._due is None or self.now < self._due:
            return None
        self._due = None
        unit = self.offers[-1][1]
        value = float(unit) if self.known else None
        values = {"iz_mm": value, "cv_m_s": value and 4.0, "depth_mm": None}
        sds = {name: None if one is None else 0.5 for name, one in values.items()}
        return Finished(unit, Estimate(values, sds, self.reason, 12.0), 30, self.cpu_s)

    def fault(self, now):
        return self.failure


class Bench:
    def __init__(self, units=3, worker=True, **options):
        self.pipeline, self.publisher, self.now = Pipeline(units), Publisher(), 0.0
        self.worker = Worker(**options) if worker else None
        self.reporter = ParameterReporter(
            self.publisher, Source(), self.pipeline, self.worker, "no parameter model runs: none was asked for"
        )

    @property
    def added(self):
        return self.pipeline.averager.added

    def run(self, seconds, firing_hz=0.0, plausible=True):
        """Tend every 4 ms; units with 20 windows and more go on firing."""
        for _ in range(round(seconds / 0.004)):
            self.now += 0.004
            if firing_hz:
                self.added[self.added >= 20] = 20 + int(firing_hz * self.now)
            if self.worker is not None:
                self.worker.now = self.now
            self.reporter.tend(self.now, plausible)

    def params(self):
        return self.publisher.of("params")


@pytest.fixture
def bench():
    return Bench()


def test_only_units_with_discharges_enough_are_estimated(bench):
    bench.added[:] = 19, 20, 300
    bench.run(1.0)
    assert [unit for _, unit in bench.worker.offers] == [1, 2]
    sent = [message for _, message in bench.params()]
    assert [message.unit for message in sent] == [1, 2]
    assert (sent[0].iz_mm, sent[0].iz_mm_sd, sent[0].cv_m_s, sent[0].cv_m_s_sd) == (1.0, 0.5, 4.0, 0.5)
    assert sent[0].more == {"depth_mm": None, "depth_mm_sd": None}
    assert (sent[0].spikes_used, sent[0].snr_db, sent[0].reason) == (30, 12.0, None)
    assert (sent[0].sample, sent[0].t) == (41, 7.0)


def test_an_average_that_did_not_change_is_not_estimated_again(bench):
    bench.added[:] = 50
    bench.run(2.0)
    assert len(bench.params()) == 3


def test_a_unit_is_told_ten_times_a_second_at_most():
    bench = Bench(units=2, takes_s=0.001, cpu_s=0.0)
    bench.added[:] = 20
    bench.run(5.0, firing_hz=200.0)
    for unit in range(2):
        times = [now for now, message in bench.params() if message.unit == unit]
        assert np.diff(times).min() >= 0.1 - 1e-9
        assert len(times) > 40


@pytest.mark.parametrize("cpu_s", [0.005, 0.01])
def test_twenty_units_are_told_once_a_second_and_more_each_steadily(cpu_s):
    bench = Bench(units=20, takes_s=1.5 * cpu_s, cpu_s=cpu_s)
    bench.added[:] = 20
    bench.run(10.0, firing_hz=10.0)
    offers = bench.worker.offers
    assert len(offers) * cpu_s / 10.0 <= MOST_SHARE + 0.01
    for unit in range(20):
        times = [now for now, message in bench.params() if message.unit == unit]
        assert np.diff([0.0, *times]).max() <= 1.0


def test_a_model_that_takes_long_leaves_the_core_to_others():
    bench = Bench(units=20, takes_s=0.1, cpu_s=0.1)
    bench.added[:] = 20
    bench.run(20.0, firing_hz=10.0)
    assert len(bench.worker.offers) * 0.1 / 20.0 <= MOST_SHARE + 0.01
    assert {unit for _, unit in bench.worker.offers} == set(range(20))


def test_who_subscribes_is_told_of_every_unit_a_few_a_hop():
    bench = Bench(units=20)
    bench.added[4] = 20
    bench.run(0.1)
    bench.publisher.sent.clear()
    bench.reporter.welcome()
    bench.run(0.004)
    assert len(bench.params()) == MOST_AT_ONCE
    bench.run(0.02)
    sent = [message for _, message in bench.params()]
    assert [message.unit for message in sent] == list(range(20))
    assert sent[4].iz_mm == 4.0
    assert [message.reason for message in sent] == [FEW_SPIKES] * 4 + [None] + [FEW_SPIKES] * 15
    assert all(message.iz_mm is None and message.more["depth_mm"] is None for message in sent if message.unit != 4)
    bench.run(1.0)
    assert len(bench.params()) == 20


def test_the_reason_agrees_with_the_discharges_that_are_told_beside_it():
    bench = Bench(units=3, takes_s=10.0)
    bench.added[:] = 19, 20, 22
    bench.reporter.welcome()
    bench.run(0.1)
    told = {message.unit: (message.spikes_used, message.reason) for _, message in bench.params()}
    assert told == {0: (19, FEW_SPIKES), 1: (20, NOT_YET), 2: (22, NOT_YET)}


def test_without_a_model_the_reason_is_told():
    bench = Bench(worker=False)
    bench.added[:] = 100
    bench.run(1.0)
    assert bench.params() == []
    bench.reporter.welcome()
    bench.run(0.1)
    assert [(m.unit, m.reason, m.iz_mm) for _, m in bench.params()] == [
        (unit, "no parameter model runs: none was asked for", None) for unit in range(3)
    ]


def test_an_answer_without_a_number_is_told_once_and_on_change(bench):
    bench.worker.known, bench.worker.reason = False, "too much noise"
    bench.added[0] = 20
    bench.run(3.0, firing_hz=10.0)
    assert [(m.unit, m.reason) for _, m in bench.params()] == [(0, "too much noise")]
    bench.worker.reason = "all channels are bad"
    bench.run(0.5, firing_hz=10.0)
    bench.worker.known, bench.worker.reason = True, None
    bench.run(0.3, firing_hz=10.0)
    reasons = [m.reason for _, m in bench.params()]
    assert reasons[:2] == ["too much noise", "all channels are bad"]
    assert set(reasons[2:]) == {None}


def test_a_model_that_fails_takes_every_number_back(bench):
    bench.added[:] = 20
    bench.run(1.0)
    bench.publisher.sent.clear()
    bench.worker.failure = "the parameter model failed (no memory)"
    bench.run(1.0)
    assert bench.reporter.fault == bench.worker.failure
    assert [(m.unit, m.reason, m.iz_mm, m.snr_db) for _, m in bench.params()] == [
        (unit, bench.worker.failure, None, None) for unit in range(3)
    ]


def test_a_model_that_answers_late_is_asked_for_every_number_again(bench):
    bench.added[:] = 20, 20, 3
    bench.run(1.0)
    bench.worker.failure = "the parameter model has not answered for 5 s"
    bench.run(0.1)
    bench.publisher.sent.clear()
    bench.worker.failure = ""
    bench.run(1.0)
    assert bench.reporter.fault == ""
    told = {m.unit: (m.iz_mm, m.reason) for _, m in bench.params()}  # the last of each
    assert told == {0: (0.0, None), 1: (1.0, None), 2: (None, FEW_SPIKES)}


def test_units_that_no_muscle_has_are_not_estimated(bench):
    bench.added[:] = 20
    bench.run(1.0, plausible=False)
    assert bench.worker.offers == []
    bench.run(1.0)
    assert len(bench.worker.offers) == 3


def test_places_are_taken_back_when_the_units_are_no_longer_those_of_the_calibration(bench):
    bench.added[:] = 20
    bench.run(1.0)
    bench.publisher.sent.clear()
    bench.run(1.0, plausible=False)
    assert {m.unit: (m.iz_mm, m.reason) for _, m in bench.params()} == {
        unit: (None, OTHER_UNITS) for unit in range(3)
    }  # fmt: skip
    bench.publisher.sent.clear()
    bench.run(1.0)
    assert {m.unit: m.iz_mm for _, m in bench.params()} == {0: 0.0, 1: 1.0, 2: 2.0}


# waveforms


def fire(bench, *units):
    """A window for each of `units`."""
    averager = bench.pipeline.averager
    rng = np.random.default_rng(0)
    for unit in units:
        start = getattr(bench, "sample", 0)
        signal = rng.normal(size=(16, 4)).astype(np.float32)
        averager(signal[:8], start, np.array([unit]), np.array([start + 4]), 1)
        averager(signal[8:], start + 8, np.array([unit]), np.array([0]), 0)
        bench.sample = start + 16


def test_waveforms_go_out_only_while_somebody_wants_them(bench):
    fire(bench, 0, 1, 0)
    bench.run(1.0)
    assert bench.publisher.of("muaps") == []
    bench.publisher.prefixes.add("muaps")
    bench.run(1.0)
    sent = [message for _, message in bench.publisher.of("muaps")]
    assert [message.unit for message in sent] == [0, 1]
    assert isinstance(sent[0], Muap)
    assert np.array_equal(np.array(sent[0].waveform, np.float32), bench.pipeline.averager.waveform(0))
    assert (sent[0].fs_hz, sent[0].before, sent[0].spikes_used) == (1000.0, 2, 2)
    bench.run(1.0)
    assert len(bench.publisher.of("muaps")) == 2  # nothing changed
    fire(bench, 1)
    bench.run(1.0)
    assert [message.unit for _, message in bench.publisher.of("muaps")] == [0, 1, 1]
    bench.reporter.welcome_to_waveforms()
    bench.run(1.0)
    assert len(bench.publisher.of("muaps")) == 5


def test_waveforms_go_out_thirty_times_a_second_at_most():
    bench = Bench(units=3)
    bench.publisher.prefixes.add("muaps")
    for _ in range(250):
        fire(bench, 0, 1, 2)
        bench.run(0.004)
    times = [now for now, _ in bench.publisher.of("muaps")]
    assert 20 <= len(times) <= 31
    assert all(b - a >= 1 / 30 - 1e-9 for a, b in itertools.pairwise(times))
    assert {message.unit for _, message in bench.publisher.of("muaps")} == {0, 1, 2}


def test_a_message_has_the_contracts_fields(bench):
    bench.reporter.welcome()
    bench.run(0.01)
    _, message = bench.params()[0]
    assert isinstance(message, Params)
    assert {"v", "seq", "session", "sample", "t", "t_pub", "unit", "iz_mm", "iz_mm_sd", "cv_m_s", "cv_m_s_sd",
            "depth_mm", "depth_mm_sd", "reason", "spikes_used", "snr_db"} == set(message.flat())  # fmt: skip
