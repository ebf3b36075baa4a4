"""Samples in over LSL: every format and unit, in order and counted; arrival told from a full buffer."""

import time
import uuid

import numpy as np
import pylsl
import pytest

from myodrive.stream.errors import MissingStreamError, SilentStreamError, StreamError
from myodrive.stream.inlet import STALLED_S, Arrival, StreamSource
from myodrive.stream.timeline import Timeline

FS_HZ = 2000.0


def counter(samples=4000, channels=5):
    """Sample n of channel c is n + c / 8, exact in every format with fractions."""
    return (np.arange(samples)[:, None] + np.arange(channels) / 8).astype(np.float32)


@pytest.fixture
def source():
    """Function that makes a source; closed after the test."""
    made = []

    def make(name, index, hop=8, check=lambda info: None, gain=None, fs_hz=FS_HZ, counter=None, beside=()):
        made.append(StreamSource(name, np.array(index), fs_hz, hop, check, gain, counter, beside))
        return made[-1]

    yield make
    for one in made:
        one.close()


def collect(source, samples, timeout_s=6.0):
    """At least so many samples, and the hops they came in: (first sample, lost before, samples)."""
    end = time.monotonic() + timeout_s
    signal, hops = [], []
    while sum(len(block) for block in signal) < samples:
        assert time.monotonic() < end, f"{source.samples_in} samples came, refused: {source.refusal}"
        hop = source.next_hop()
        if hop.samples:
            assert hop.samples <= source.hop
            assert hop.signal.dtype == np.float32
            assert hop.arrived <= hop.stamp + 2.0
            signal.append(hop.signal.copy())
            hops.append((hop.first_sample, hop.lost_before, hop.samples))
    return np.concatenate(signal), hops


@pytest.mark.parametrize(
    ("dtype", "unit", "factor"),
    [("float32", "microvolts", 1.0), ("int16", "uV", 1.0), ("double64", "mV", 1e3), ("int32", "", 1.0)],
)
def test_every_format_and_unit_arrives_in_microvolts_in_order_and_the_channels_chosen(
    amplifier, source, dtype, unit, factor
):
    signal = counter().astype({"double64": np.float64}.get(dtype, dtype))
    stream = amplifier(signal, unit=unit, dtype=dtype, chunk=16)
    chosen = [4, 0, 2]
    one = source(stream.name, chosen)
    found, hops = collect(one, 800)
    first = round(float(found[0, 1]) / factor)
    assert first < 400  # liblsl may lose what was sent while the inlet opened
    assert np.array_equal(found, (signal[first : first + len(found)][:, chosen] * factor).astype(np.float32))
    assert [hop[0] for hop in hops] == np.cumsum([0] + [hop[2] for hop in hops])[:-1].tolist()
    assert (one.samples_lost, one.gaps, one.repeats, one.reconnects) == (0, 0, 0, 0)
    assert one.sample + 1 == one.samples_in + one.samples_lost
    assert one.source.dtype == np.dtype(dtype if dtype != "double64" else "float64").type


@pytest.mark.parametrize("dtype", ["float32", "double64", "int32"])
def test_channels_beside_the_emg_come_with_their_samples_as_they_are(amplifier, source, dtype):
    signal = np.column_stack([counter(), 1e6 + np.arange(4000)]).astype({"double64": np.float64}.get(dtype, dtype))
    one = source(amplifier(signal, unit="mV", dtype=dtype, chunk=5).name, [0], beside=[5, 2])
    seen = 0
    while seen < 800:
        hop = one.next_hop()
        if hop.samples:
            assert hop.beside.shape == (hop.samples, 2)
            rows = np.round(hop.beside[:, 0] - 1e6).astype(int)
            np.testing.assert_array_equal(hop.beside, signal[rows][:, [5, 2]].astype(np.float64))
            np.testing.assert_array_equal(hop.signal[:, 0], 1e3 * signal[rows, 0].astype(np.float32))
            seen += hop.samples


def test_a_stream_without_the_channel_beside_is_refused(amplifier, source):
    one = source(amplifier(counter()).name, [0], beside=[5])
    end = time.monotonic() + 6
    while isinstance(one.refusal, MissingStreamError | None) and time.monotonic() < end:
        assert one.next_hop().samples == 0
    assert "no channel 5 of a signal" in str(one.refusal)


def test_a_name_may_hold_an_apostrophe(amplifier, source):
    stream = amplifier(counter(), name='Ada\'s "left" arm')
    collect(source(stream.name, [0]), 80)


def test_a_gain_replaces_what_the_stream_says(amplifier, source):
    stream = amplifier(counter(), unit="")
    found, _ = collect(source(stream.name, [0], gain=0.25), 80)
    assert np.array_equal(np.diff(found[:, 0]), np.full(len(found) - 1, 0.25, np.float32))


def test_samples_that_never_came_are_counted_where_they_are_missing(amplifier, source):
    stream = amplifier(counter(60_000), chunk=10)
    one = source(stream.name, [0])
    before, _ = collect(one, 2000)
    stream.tell("mute")
    end = time.monotonic() + 0.15
    while time.monotonic() < end:
        one.next_hop()
    stream.tell("go")
    after, hops = collect(one, 400)
    assert one.gaps == 1
    gap = next(hop for hop in hops if hop[1])
    assert gap[1] == one.samples_lost
    assert one.sample == one.samples_in + one.samples_lost - 1
    first = round(float(before[0, 0]))
    assert round(float(after[-1, 0])) - first == one.sample  # a sample's number is its place in the recording


def test_a_stream_that_does_not_fit_is_not_taken_and_the_source_says_why(amplifier, source):
    stream = amplifier(counter())

    def refuse(info):
        raise StreamError(f"no {info.channels} channels here")

    one = source(stream.name, [0], check=refuse)
    end = time.monotonic() + 6
    while isinstance(one.refusal, MissingStreamError | None) and time.monotonic() < end:
        assert one.next_hop().samples == 0
    assert str(one.refusal) == "no 5 channels here"


def test_a_stream_in_another_unit_than_a_voltage_is_refused_and_nothing_breaks(amplifier, source):
    stream = amplifier(counter(), unit="celsius")
    one = source(stream.name, [0, 1])
    end = time.monotonic() + 6
    while isinstance(one.refusal, MissingStreamError | None) and time.monotonic() < end:
        assert one.next_hop().samples == 0
    assert "celsius" in str(one.refusal)


@pytest.mark.parametrize("number", [None, 1])
def test_a_stream_that_is_there_but_sends_nothing_is_said_until_it_does(source, monkeypatch, number):
    for module in ("finder", "inlet"):
        monkeypatch.setattr(f"myodrive.stream.{module}.SILENT_S", 0.3)
    name = f"silent {uuid.uuid4().hex}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EMG", 2, FS_HZ, "float32", name))
    one = source(name, [0], counter=number)
    end = time.monotonic() + 10
    while isinstance(one.refusal, MissingStreamError | None) and time.monotonic() < end:
        assert one.next_hop().samples == 0
    assert isinstance(one.refusal, SilentStreamError)
    assert one.refusal is one.refusal
    assert "sends no samples" in str(one.refusal)
    sent = 0
    while one.samples_in == 0 and time.monotonic() < end:
        count = np.arange(sent, sent + 20, dtype=np.float32)
        outlet.push_chunk(np.stack([count, count], axis=1))
        sent += 20
        one.next_hop()
        time.sleep(0.01)
    assert one.samples_in > 0
    assert one.refusal is None


def test_without_a_stream_there_are_empty_hops_and_no_stall(source):
    one = source("no such stream", [0])
    assert one.next_hop().samples == 0
    assert not one.stalled
    assert one.sample == -1


def test_a_stall_is_noticed_within_half_a_second_and_ends_with_the_next_sample(amplifier, source):
    stream = amplifier(counter(60_000))
    one = source(stream.name, [0])
    collect(one, 200)
    stream.tell("hold")
    while one.next_hop().samples:
        pass
    last = one.last_received
    while not one.stalled:
        one.next_hop()
    assert STALLED_S < pylsl.local_clock() - last < 0.5
    stream.tell("go")
    collect(one, 200)
    assert not one.stalled
    assert (one.samples_lost, one.reconnects) == (0, 0)


def test_a_sample_that_was_waited_for_arrived_when_it_was_received():
    arrival = Arrival()
    for i in range(100):
        assert arrival.estimate(i * 0.01, True, i * 0.01 + 0.003) == pytest.approx(i * 0.01 + 0.003)


def test_a_sample_that_lay_in_the_buffer_arrived_its_usual_delay_after_its_stamp():
    arrival = Arrival()
    for i in range(100):
        arrival.estimate(i * 0.01, True, i * 0.01 + 0.003)
    received = 1.3  # busy for 0.3 s: the next 30 hops are all there
    for i in range(100, 130):
        assert arrival.estimate(i * 0.01, False, received) == pytest.approx(i * 0.01 + 0.003)


def test_after_a_burst_that_came_late_nothing_arrived_before_the_last_wait():
    arrival = Arrival()
    for i in range(100):
        arrival.estimate(i * 0.01, True, i * 0.01 + 0.003)
    assert arrival.estimate(1.0, True, 1.5) == 1.5  # the amplifier held its samples back; this one was waited for
    for i in range(101, 150):
        assert arrival.estimate(i * 0.01, False, 1.501) >= 1.5


def test_a_clock_that_drifts_does_not_make_old_delays_stick():
    arrival = Arrival()
    for i in range(3000):  # 30 s in which the stamps fall 15 ms behind
        stamp, received = i * 0.01 * (1 - 5e-4), i * 0.01 + 0.003
        arrived = arrival.estimate(stamp, i % 10 != 0, received)
        assert received - 0.011 <= arrived <= received


def test_the_time_of_a_sample_is_counted_back_from_the_newest(source):
    one = source("no such stream", [0])
    one.timeline = Timeline(FS_HZ)
    one.timeline.account(10 + np.arange(100) / FS_HZ, 10.1)
    one.samples_in = 100
    assert one.time_of(99) == pytest.approx(10 + 99 / FS_HZ, abs=1e-6)
    assert one.time_of(90) == pytest.approx(10 + 90 / FS_HZ, abs=1e-6)
