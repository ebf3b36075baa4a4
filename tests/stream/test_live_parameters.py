"""Parameters over the whole live path: an amplifier in another process, the worker beside the loop, ZeroMQ."""

import contextlib
import time

import numpy as np
import pytest

from myodrive.stream import messages as m
from myodrive.stream.array_source import ArraySource
from myodrive.stream.endpoints import Endpoints
from myodrive.stream.parameter_model import FEW_SPIKES
from myodrive.stream.parameter_worker import ParameterWorker
from myodrive.stream.pipeline import Pipeline
from myodrive.stream.reporter import Reporter


def told(message):
    return isinstance(message, m.Params) and message.iz_mm is not None


@pytest.fixture
def started(planted, amplifier, live, subscribe, planted_model):
    """Amplifier, loop with a parameter model, and a subscriber to everything but EMG and waveforms."""

    def start(model=planted_model):
        stream = amplifier(planted.emg)
        running = live(planted.decoder, stream.name, model=model)
        reader = subscribe(running.address, "params/", "status/", "units/", "spikes/", "drive/")
        return stream, running, reader

    return start


def test_every_unit_is_told_at_ten_hertz_at_most_and_as_the_file_says(started, planted_model):
    _, running, reader = started()
    first = reader.until(lambda msg: isinstance(msg, m.Params))
    assert (first.reason, first.iz_mm) == (FEW_SPIKES, None)
    reader.until(told)
    reader.listen(3.0)
    running.stop()
    reader.listen(0.2)
    found = [message for message in reader.of(m.Params) if told(message)]
    assert [message.seq for message in reader.of(m.Params)] == list(range(len(reader.of(m.Params))))
    averager, good = running.pipeline.averager, running.pipeline.drive.good
    for unit in range(3):
        own = [message for message in found if message.unit == unit]
        assert len(own) >= 3
        assert np.diff([message.t_pub for message in own]).min() >= 0.1 - 1e-6
        used = [message.spikes_used for message in own]
        assert used == sorted(used)
        assert used[0] >= 20
        last = own[-1]
        assert last.session == running.reporter.session
        if last.spikes_used == averager.added[unit]:  # nothing came after it: the very same average
            direct = planted_model.estimate(averager.waveform(unit), averager.noise(unit), good, last.spikes_used)
            assert last.iz_mm == direct.values["iz_mm"]
            assert last.more["size_fibres_sd"] == direct.sds["size_fibres"]
            assert last.snr_db == direct.snr_db
    status = reader.of(m.Status)[-1]
    assert (status.state, status.samples_lost, status.reason) == ("stopped", 0, "")
    assert not running.worker._thread.is_alive()


def test_who_joins_late_gets_every_unit_at_once(started, subscribe):
    _, running, reader = started()
    reader.until(told)
    began = time.monotonic()
    late = subscribe(running.address, "params/")
    seen = set()
    while len(seen) < 3 and time.monotonic() - began < 5.0:
        message = late.receive(0.5)
        seen |= {message.unit} if message is not None else set()
    assert seen == {0, 1, 2}


def test_a_model_that_fails_is_said_and_the_spikes_go_on(started, planted_model):
    class Failing:
        reported = planted_model.reported

        def estimate(self, *given):
            raise RuntimeError("no more memory")

    _, _, reader = started(Failing())
    status = reader.until(lambda msg: isinstance(msg, m.Status) and msg.reason)
    assert status.reason == "the parameter model failed (no more memory)"
    assert status.state == "live"
    reader.listen(0.2)
    assert {message.unit for message in reader.of(m.Params) if message.reason == status.reason} == {0, 1, 2}
    reader.until(lambda msg: isinstance(msg, m.Spikes))
    assert reader.until(lambda msg: isinstance(msg, m.Drive)).valid


def test_a_model_that_never_answers_delays_no_spike(started, planted, planted_model):
    """It sleeps without the interpreter's lock, as a graph that runs does."""

    class Slow:
        reported = planted_model.reported

        def estimate(self, *given):
            time.sleep(1.5)
            return planted_model.estimate(*given)

    _, running, reader = started(Slow())
    reader.until(told)
    lag = [msg.t_pub - msg.t for msg in reader.of(m.Drive) if msg.valid]
    assert np.median(lag) < 0.05
    assert reader.of(m.Status)[-1].samples_lost == 0
    running.stop()


def test_waveforms_reach_whoever_wants_them(started, subscribe):
    _, running, reader = started()
    reader.until(told)
    watcher = subscribe(running.address, "muaps/")
    kept = {}
    for _ in range(30):
        message = watcher.receive(2.0)
        kept[message.unit] = message
    assert set(kept) == {0, 1, 2}
    assert np.array(kept[0].waveform).shape == (16, sum(running.pipeline.averager.shape[1:2]))
    times = [message.t_pub for message in watcher.kept]
    assert np.diff(times).min() >= 1 / 30 - 1e-6


def test_with_a_model_the_spikes_are_the_same_and_a_hop_takes_no_memory(
    planted, planted_model, free_address, decode_all, memory_of
):
    """The loop over an array, tended like a live one; memory that stays is counted between messages."""
    pipeline = Pipeline(planted.decoder, 8)
    source = ArraySource(planted.emg, planted.info.fs_hz, 8)
    spikes = []

    def go_on(reporter, hops):
        for _ in range(hops):
            hop = source.next_hop()
            pipeline(hop.signal, hop.first_sample)
            found = pipeline.detector
            spikes.extend(zip(found.sample[: found.count].tolist(), found.unit[: found.count].tolist(), strict=True))
            reporter.report(hop, hop.stamp)
            reporter.tend(time.perf_counter())
            time.sleep(0.0005)

    with contextlib.ExitStack() as held:
        worker = ParameterWorker(planted_model, pipeline.averager)
        held.callback(worker.close)
        endpoints = Endpoints(free_address(), "array")
        held.callback(endpoints.close)
        reporter = Reporter(endpoints, planted.decoder, source, pipeline, worker)
        go_on(reporter, 1000)
        assert any(known.reason != FEW_SPIKES for known in reporter._parameters._known)
        kept, _ = memory_of(lambda _: go_on(reporter, 1), 225)
    assert kept < 8_000  # the spikes kept here; one waveform a hop would be 1.4 MB
    expected, _, _ = decode_all(Pipeline(planted.decoder, 8), planted.emg[: 1900 * 8], 8)
    assert spikes == expected
