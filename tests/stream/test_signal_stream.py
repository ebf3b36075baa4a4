"""A signal over LSL: its times, and that a stream which goes is found again, and one that cannot be used is said."""

import uuid

import numpy as np
import pylsl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream import signal_stream
from myodrive.stream.beside import Wanted
from myodrive.stream.signal_stream import SignalStream, SignalTimes


def settled(stamps, fs_hz, chunks):
    """Times of `stamps` that come in chunks of these sizes, over and over."""
    times, found, first = SignalTimes(fs_hz), [], 0
    while first < len(stamps):
        part = stamps[first : first + chunks[len(found) % len(chunks)]].copy()
        times.settle(part, float(stamps[min(first + len(part), len(stamps)) - 1]))
        found.append(part)
        first += len(part)
    return np.concatenate(found)


@given(
    fs_hz=st.sampled_from([10.0, 80.0, 1000.0, 4096.0]), error=st.floats(-0.2, 0.2), begin=st.floats(0, 1e6),
    chunks=st.lists(st.integers(1, 40), min_size=1, max_size=5), gap=st.integers(0, 400),
)  # fmt: skip
def test_good_stamps_are_kept_to_half_a_period_whatever_the_real_rate_and_with_a_gap(fs_hz, error, begin, chunks, gap):
    numbers = np.arange(600) + gap * (np.arange(600) >= 300)
    stamps = begin + numbers / fs_hz / (1 + error)
    assert np.abs(settled(stamps, fs_hz, chunks) - stamps).max() <= 0.5 / fs_hz


def test_stamps_in_bursts_are_put_on_their_line():
    fs_hz, burst_s = 1000.0, 0.016  # as of a serial port over USB, whose latency timer is 16 ms
    true = 50 + np.arange(8000) / fs_hz
    stamps = np.ceil(true / burst_s) * burst_s
    found = settled(stamps, fs_hz, [16, 20, 12])
    late = (found - true)[2000:]
    assert np.ptp((stamps - true)[2000:]) > 0.014
    assert np.ptp(late) < 0.004
    assert 0.0 < late.mean() < burst_s


@pytest.fixture
def outlet():
    """Function that makes an outlet; all are gone in the end."""
    made = []

    def make(name, form="float32", channels=2, rate=100.0, unit="N"):
        info = pylsl.StreamInfo(name, "Force", channels, rate, form, uuid.uuid4().hex)
        described = info.desc().append_child("channels")
        for _ in range(channels):
            described.append_child("channel").append_child_value("unit", unit)
        made.append(pylsl.StreamOutlet(info))
        return made

    yield make
    made.clear()


@pytest.fixture
def listening():
    """Function that makes a signal's stream; its thread has ended in the end."""
    made = []

    def make(name, channel=0):
        made.append(SignalStream(Wanted(f"{name}:{channel}", name, channel)))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert not one._thread.is_alive()


def test_a_stream_that_is_not_there_is_said_until_it_comes(outlet, listening, until):
    name = uuid.uuid4().hex
    stream = listening(name)
    assert until(lambda: f'no stream named "{name}"' in stream.told.reason)
    assert stream.told.state == "waiting"
    outlet(name)
    assert until(lambda: stream.told.state == "on")
    assert stream.told.reason == ""


@pytest.mark.parametrize("form", ["float32", "double64", "int16"])
def test_values_come_in_order_with_their_times_and_a_stream_may_go_and_come_back(outlet, listening, until, form):
    name = uuid.uuid4().hex
    stream = listening(name, 1)
    assert stream.told.state == "waiting"
    for turn in range(2):
        made = outlet(name, form)
        assert until(lambda: stream.told.state == "on")
        assert (stream.told.unit, stream.told.fs_hz, stream.told.reason) == ("N", 100.0, "")
        now = pylsl.local_clock()
        for n in range(50):
            made[0].push_sample([7, 100 * turn + n], now + 0.01 * n)
        assert until(lambda: len(stream.ring) == 50)
        times, values = stream.ring.take()
        np.testing.assert_array_equal(values, 100 * turn + np.arange(50))
        np.testing.assert_allclose(times, now + 0.01 * np.arange(50), atol=1e-6)
        made.clear()
        assert until(lambda: stream.told.state == "lost")
    assert stream.ring.missed == 0


@pytest.mark.parametrize(
    ("options", "channel", "words"),
    [
        ({"form": "string"}, 0, "not numbers"),
        ({"rate": pylsl.IRREGULAR_RATE}, 0, "no regular rate"),
        ({}, 2, "no channel 2"),
    ],
)
def test_a_stream_that_cannot_be_used_is_said_in_one_sentence(outlet, listening, until, options, channel, words):
    name = uuid.uuid4().hex
    made = outlet(name, **options)
    stream = listening(name, channel)
    assert until(lambda: words in stream.told.reason)
    assert stream.told.state == "waiting"
    assert "\n" not in stream.told.reason
    assert "--signal" in stream.told.reason
    made.clear()


def test_silence_is_said_and_another_stream_of_the_name_is_taken(outlet, listening, until, monkeypatch):
    monkeypatch.setattr(signal_stream, "SILENT_S", 0.3)
    name = uuid.uuid4().hex
    outlet(name)
    stream = listening(name)
    assert until(lambda: "sends no samples" in stream.told.reason)
    assert stream.told.state == "on"
    second = outlet(name, unit="kg")[1]
    assert until(lambda: stream.told.unit == "kg")
    assert until(lambda: second.push_sample([1, 2]) or len(stream.ring) > 0)
    assert stream.told.reason == ""


def test_values_without_a_time_are_counted(outlet, listening, until):
    name = uuid.uuid4().hex
    stream = listening(name)
    made = outlet(name)
    assert until(lambda: stream.told.state == "on")
    now = pylsl.local_clock()
    for n, value in enumerate([1.0, np.nan, 3.0]):
        made[0].push_sample([value, 0.0], now + 0.01 * n)
    assert until(lambda: len(stream.ring) == 2)
    assert stream.ring.missed == 1
    stream._put(np.ones(3), np.array([now + 1.0, np.nan, np.inf]), SignalTimes(100.0))
    assert stream.ring.missed == 3
    assert len(stream.ring) == 3
