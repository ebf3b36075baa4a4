"""The whole live path: an amplifier in another process, LSL, the loop, ZeroMQ; its troubles and its ends."""

import contextlib
import gc
import time

import numpy as np
import pytest

from myodrive.stream import messages as m
from myodrive.stream import reporter
from myodrive.stream.endpoints import Endpoints
from myodrive.stream.inlet import StreamSource
from myodrive.stream.loop import run
from myodrive.stream.pipeline import Pipeline
from myodrive.stream.reporter import Reporter


def has_state(state):
    return lambda message: isinstance(message, m.Status) and message.state == state


def spikes_of(reader):
    return [(s, u) for msg in reader.of(m.Spikes) for s, u in zip(msg.spike_sample, msg.unit, strict=True)]


def offline(running, planted, decode_all):
    """Spikes of another pipeline, at another hop, over exactly what the live one was fed."""
    gaps = {}
    for first, lost, signal in running.pipeline.fed:
        if lost:
            gaps[first - sum(gaps.values()) - lost] = lost
        assert len(signal)
    return decode_all(
        Pipeline(planted.decoder, 61), np.concatenate([part for _, _, part in running.pipeline.fed]), 61, gaps
    )


@contextlib.contextmanager
def idle(planted, address):
    """What the loop needs, with no amplifier; freed in every case: the collector waits for ever on open sockets."""
    with (
        contextlib.closing(Endpoints(address, "none")) as endpoints,
        contextlib.closing(StreamSource("no such stream", np.arange(16), 2000.0, 8, lambda info: None)) as source,
    ):
        pipeline = Pipeline(planted.decoder, 8)
        yield source, pipeline, Reporter(endpoints, planted.decoder, source, pipeline)


@pytest.fixture
def started(planted, amplifier, live, subscribe):
    """Function that starts amplifier, loop and subscriber, live and subscribed to everything."""

    def start(hop=8, chunk=8, **options):
        stream = amplifier(planted.emg, chunk=chunk, **options)
        running = live(planted.decoder, stream.name, hop=hop)
        reader = subscribe(running.address, "")
        reader.until(has_state("live"))
        return stream, running, reader

    return start


@pytest.mark.parametrize(("hop", "chunk"), [(8, 8), (50, 7)])
def test_live_spikes_are_those_of_the_file_sample_for_sample(started, planted, decode_all, hop, chunk):
    _, running, reader = started(hop, chunk)
    reader.listen(2.0)
    running.stop()
    reader.listen(0.3)
    fed = np.concatenate([signal for _, _, signal in running.pipeline.fed])
    start = next(n for n in range(2000) if np.array_equal(planted.emg[n], fed[0]))
    assert np.array_equal(fed, planted.emg[start : start + len(fed)])  # what was played came, to the bit and in order
    expected, _, drive = offline(running, planted, decode_all)
    live = spikes_of(reader)
    assert len(live) > 20
    assert live == [spike for spike in expected if spike[0] >= live[0][0]][: len(live)]
    assert len(live) >= len(expected) - 1  # the subscriber joined before the first spike or right after
    due = [d.sample for d in reader.of(m.Drive)]
    assert due == list(range(due[0], due[0] + 20 * len(due), 20))
    assert any(d.valid and 0 < d.command for d in reader.of(m.Drive))
    last = reader.of(m.Status)[-1]
    assert last.state == "stopped"
    assert (last.samples_in, last.samples_lost, last.gaps, last.reconnects) == (len(fed), 0, 0, 0)
    assert (last.repeats_dropped, last.messages_dropped, last.bad_channels, last.timing) == (0, 0, [], "exact")
    assert last.rate_hz == pytest.approx(2000, rel=1e-4)
    for kind in (m.Spikes, m.Drive, m.Units, m.Status):
        found = [message.seq for message in reader.of(kind)]
        assert found == list(range(found[0], found[0] + len(found)))
    for message in reader.kept:
        assert message.v == 1
        assert message.session == running.reporter.session
        assert message.sample < len(fed)
    assert len(drive) >= len(due)


def test_messages_leave_soon_after_their_samples(started):
    _, _, reader = started()
    reader.listen(1.0)
    reader.kept.clear()
    reader.listen(1.5)
    delays = [msg.t_pub - msg.t for msg in reader.of(m.Drive)]
    assert np.median(delays) < 0.02  # a hop of 4 ms, and one busy core for three processes
    assert min(delays) >= 0


def test_a_stall_is_announced_in_time_and_commands_nothing_until_the_samples_return(started):
    stream, _, reader = started()
    reader.until(lambda msg: isinstance(msg, m.Drive) and msg.valid)
    stream.tell("hold")
    stalled = reader.until(has_state("stalled"))
    assert 0.35 < stalled.t_pub - stalled.t < 0.6
    reader.kept.clear()
    reader.listen(0.4)
    drive = reader.of(m.Drive)
    assert 30 <= len(drive) <= 45
    assert all((d.valid, d.command, d.source) == (False, 0.0, "none") for d in drive)
    assert not reader.of(m.Spikes)
    stream.tell("go")
    back = reader.until(has_state("live"))
    assert (back.samples_lost, back.gaps, back.reconnects, back.repeats_dropped) == (0, 0, 0, 0)
    reader.until(lambda msg: isinstance(msg, m.Drive) and msg.valid)


def test_an_outage_costs_exactly_its_samples_and_the_spikes_stay_those_of_the_file(started, planted, decode_all):
    stream, running, reader = started()
    reader.listen(0.8)
    stream.tell("mute")
    reader.until(has_state("stalled"))
    stream.tell("go")
    reader.until(has_state("live"))
    reader.listen(1.0)
    running.stop()
    reader.listen(0.2)
    last = reader.of(m.Status)[-1]
    assert last.gaps == 1
    assert last.reconnects == 0
    assert last.samples_lost % 8 == 0  # whole chunks were left out
    assert last.samples_lost > 700
    start = next(n for n in range(2000) if np.array_equal(planted.emg[n], running.pipeline.fed[0][2][0]))
    first, _, signal = running.pipeline.fed[-1]
    assert np.array_equal(signal[0], planted.emg[(start + first) % len(planted.emg)])  # numbers count the lost ones
    expected, _, _ = offline(running, planted, decode_all)
    live = spikes_of(reader)
    assert live == [spike for spike in expected if spike[0] >= live[0][0]]


def test_an_outlet_that_dies_and_returns_is_taken_up_again(started):
    stream, running, reader = started()
    stream.tell("dead")
    assert reader.until(has_state("stalled")).reconnects == 0
    stream.tell("born")
    back = reader.until(has_state("live"))
    assert back.reconnects == 1
    assert back.gaps == 1
    assert back.sample + 1 == back.samples_in + back.samples_lost
    reader.until(lambda msg: isinstance(msg, m.Drive) and msg.valid)
    assert running.failure is None


def test_an_outlet_that_returns_at_another_rate_is_not_taken_and_the_status_says_why(started):
    stream, _, reader = started()
    stream.tell("dead")
    reader.until(has_state("stalled"))
    stream.tell("born 1000")
    refused = reader.until(lambda msg: isinstance(msg, m.Status) and msg.reason)
    assert refused.state == "stalled"
    assert "2000 Hz" in refused.reason
    assert "1000 Hz" in refused.reason
    before = refused.samples_in
    reader.listen(0.5)
    assert reader.of(m.Status)[-1].samples_in == before
    stream.tell("born 2000")
    back = reader.until(has_state("live"))
    assert (back.reconnects, back.reason) == (1, "")


def test_an_amplifier_that_is_killed_is_announced_and_another_name_is_not_taken_for_it(started, amplifier, planted):
    stream, _, reader = started()
    stream.kill()
    reader.until(has_state("stalled"))
    amplifier(planted.emg)
    reader.listen(1.5)
    assert reader.of(m.Status)[-1].state == "stalled"


def test_pause_resume_and_stop_over_the_control_socket(started, ask):
    _, running, reader = started()
    reader.until(lambda msg: isinstance(msg, m.Drive) and msg.valid)
    assert ask(running.control, "pause")["ok"] is True
    reader.until(has_state("paused"))
    reader.kept.clear()
    reader.listen(0.4)
    assert not reader.of(m.Spikes)
    assert len(reader.of(m.Drive)) > 25
    assert all((d.valid, d.command) == (False, 0.0) for d in reader.of(m.Drive))
    assert ask(running.control, "resume")["ok"] is True
    reader.until(has_state("live"))
    reader.until(lambda msg: isinstance(msg, m.Spikes))
    assert ask(running.control, "ping")["state"] == "live"
    assert ask(running.control, "dance")["ok"] is False
    assert ask(running.control, "status")["status"]["state"] == "live"
    assert ask(running.control, "stop")["ok"] is True
    reader.until(has_state("stopped"))
    assert running.join(3)
    assert running.failure is None


def test_a_subscriber_that_joins_late_gets_units_and_status_at_once(started, subscribe, monkeypatch):
    _, running, _ = started()
    monkeypatch.setattr(reporter, "STATUS_S", 3600.0)  # what comes now comes because somebody joined
    late = subscribe(running.address, "units/", "status/")
    late.until(lambda msg: isinstance(msg, m.Units))
    late.until(has_state("live")) if not late.of(m.Status) else None


def test_before_any_stream_the_state_is_waiting_and_nothing_else_goes_out(planted, live, subscribe):
    running = live(planted.decoder, "no such stream")
    reader = subscribe(running.address, "")
    waiting = reader.until(has_state("waiting"))
    assert (waiting.samples_in, waiting.sample) == (0, -1)
    reader.listen(1.2)
    assert {type(message) for message in reader.kept} == {m.Status, m.Units, m.Params}
    assert [(told.unit, told.reason) for told in reader.of(m.Params)] == [
        (unit, "no parameter model runs") for unit in range(3)
    ]
    assert len(reader.of(m.Status)) >= 2


def test_the_loop_ends_after_its_seconds_and_leaves_the_collector_as_it_was(planted, free_address):
    frozen = gc.get_freeze_count()
    with idle(planted, free_address()) as (source, pipeline, told):
        begun = time.monotonic()
        run(source, pipeline, told, seconds=0.3)
        assert time.monotonic() - begun > 0.25
        assert told.state == "stopped"
        assert gc.get_freeze_count() <= frozen


def test_whatever_ends_the_loop_subscribers_are_told_that_it_stopped(planted, free_address, subscribe):
    address = free_address()
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return False

    with idle(planted, address) as (source, pipeline, told):
        reader = subscribe(address, "status/")
        with pytest.raises(KeyboardInterrupt):
            run(source, pipeline, told, stop=stop)
        reader.until(has_state("stopped"))
        assert gc.get_freeze_count() == 0
