"""The thread beside the loop: never waited for, never silent when it fails, gone when it is closed."""

import threading
import time

import numpy as np
import pytest

from myodrive.stream.average import SpikeAverager
from myodrive.stream.parameter_model import Estimate
from myodrive.stream.parameter_worker import SILENT_S, ParameterWorker

GOOD = np.array([True, True, False, True])


class FakeModel:
    """Answers with what it was given; waits, or fails, when the test says so."""

    reported = ("iz_mm",)

    def __init__(self):
        self.go, self.began = threading.Event(), threading.Event()
        self.go.set()
        self.error = None
        self.seen = []

    def estimate(self, waveform, noise, good, spikes):
        self.began.set()
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        self.seen.append((waveform.copy(), noise.copy(), good.copy(), spikes))
        return Estimate({"iz_mm": float(waveform[0, 0])}, {"iz_mm": 1.0}, None, 10.0)


@pytest.fixture
def averager():
    """Two units with 3 and 1 windows of 5 samples on 4 channels."""
    averager = SpikeAverager(2, 4, 1000.0, before=2, after=3, longest=100, lookahead=3)
    rng = np.random.default_rng(0)
    averager(rng.normal(size=(100, 4)).astype(np.float32), 0, np.array([0, 0, 1, 0]), np.array([10, 30, 40, 60]), 4)
    return averager


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def worker(model, averager):
    worker = ParameterWorker(model, averager)
    yield worker
    model.go.set()
    worker.close()


def answer(worker, until):
    assert until(lambda: worker._state == 2)
    return worker.take()


@pytest.fixture
def until():
    def wait(condition, seconds=5.0):
        end = time.monotonic() + seconds
        while not (found := condition()) and time.monotonic() < end:
            time.sleep(0.001)
        return found

    return wait


def test_what_is_offered_is_answered_once(worker, model, averager, until):
    assert worker.idle
    assert worker.take() is None
    worker.offer(averager, 0, GOOD, 0.0)
    finished = answer(worker, until)
    assert (finished.unit, finished.spikes) == (0, 3)
    assert finished.cpu_s >= 0
    waveform, noise, good, _ = model.seen[0]
    assert waveform.tobytes() == averager.waveform(0).tobytes()
    assert noise.tobytes() == averager.noise(0).tobytes()
    assert good.tolist() == GOOD.tolist()
    assert worker.take() is None
    assert worker.idle


def test_the_average_may_go_on_while_it_is_estimated(worker, model, averager, until):
    model.go.clear()
    before = averager.waveform(0)
    worker.offer(averager, 0, GOOD, 0.0)
    assert model.began.wait(5)
    averager(np.full((100, 4), 9.0, np.float32), 100, np.zeros(1, int), np.array([150]), 1)
    model.go.set()
    answer(worker, until)
    assert averager.waveform(0).tobytes() != before.tobytes()
    assert model.seen[0][0].tobytes() == before.tobytes()


def test_no_call_waits_for_a_model_that_is_busy(worker, model, averager):
    model.go.clear()
    worker.offer(averager, 0, GOOD, 0.0)
    assert model.began.wait(5)
    for _ in range(100):
        assert not worker.idle  # the model is still held: none of these calls waited for it
        assert worker.take() is None
        assert worker.fault(0.0) == ""


def test_a_model_that_fails_is_told_and_never_idle_again(worker, model, averager, until):
    model.error = RuntimeError("out of memory\nand more")
    worker.offer(averager, 1, GOOD, 0.0)
    assert until(lambda: worker.fault(0.0))
    assert worker.fault(0.0) == "the parameter model failed (out of memory)"
    assert not worker.idle
    assert worker.take() is None


def test_an_exit_within_the_model_is_told_too(worker, model, averager, until):
    model.error = SystemExit()
    worker.offer(averager, 1, GOOD, 0.0)
    assert until(lambda: worker.fault(0.0)) == "the parameter model failed (SystemExit)"


def test_a_model_that_hangs_is_told_until_it_answers(worker, model, averager, until):
    model.go.clear()
    worker.offer(averager, 0, GOOD, 100.0)
    assert worker.fault(100.0 + SILENT_S - 0.1) == ""
    assert "has not answered" in worker.fault(100.0 + SILENT_S + 0.1)
    model.go.set()
    assert answer(worker, until) is not None
    assert worker.fault(1000.0) == ""


@pytest.mark.parametrize("when", ["idle", "done", "failed"])
def test_closing_ends_the_thread_at_once(worker, model, averager, until, when):
    if when != "idle":
        model.error = RuntimeError("x") if when == "failed" else None
        worker.offer(averager, 0, GOOD, 0.0)
        assert until(lambda: worker._state == 2 or worker.fault(0.0))
    worker.close()
    assert not worker._thread.is_alive()
    assert not worker.idle
    worker.close()


def test_closing_while_it_runs_waits_for_the_run(worker, model, averager):
    model.go.clear()
    worker.offer(averager, 0, GOOD, 0.0)
    assert model.began.wait(5)
    threading.Timer(0.1, model.go.set).start()
    worker.close()
    assert not worker._thread.is_alive()


def test_an_offer_takes_no_memory(worker, averager, until, memory_of):
    for _ in range(5):
        worker.offer(averager, 0, GOOD, 0.0)
        answer(worker, until)
    _, most = memory_of(lambda _: averager.copy(1, GOOD, worker._copy), 1)
    assert most < 500
