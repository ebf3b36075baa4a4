"""A force stream of any rate: put on the EMG's samples, and told when it has stopped."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pylsl
import pytest

from myodrive.stream.errors import OptionError, StreamError
from myodrive.stream.finder import Found
from myodrive.stream.source_info import SourceInfo
from myodrive.tools.session import force
from myodrive.tools.session.force import ForceStream

EMG_HZ, FORCE_HZ = 2048.0, 50.0


class Inlet:
    """Stands for pylsl's: gives what it holds at once, then nothing more; or it is lost."""

    def __init__(self, stamps, values, lost):
        self._chunks, self._lost, self.closed = [], lost, False
        self.give(stamps, values)

    def give(self, stamps, values):
        self._chunks.append(([[0.0, value] for value in values], list(stamps)))

    def pull_chunk(self, timeout, max_samples):
        if self._chunks:
            return self._chunks.pop(0)
        if self._lost:
            raise RuntimeError("lost")  # as pylsl's own LostError is one
        time.sleep(0.001)
        return [], []

    def close_stream(self):
        self.closed = True


@pytest.fixture
def held(monkeypatch):
    """A force stream that holds these values of its channel 1; its inlet too."""
    made = []

    def make(stamps, values, fs_hz=FORCE_HZ, lost=False, wanted="cell:1"):
        inlet = Inlet(stamps, values, lost)
        source = SourceInfo("cell", "s", "u", "h", fs_hz, 2, np.float32, None, ("", "newton"), None)
        monkeypatch.setattr(force, "resolve", lambda *_: [SimpleNamespace(created_at=lambda: 0.0)])
        monkeypatch.setattr(force, "open_stream", lambda info, check: Found(inlet, source))
        stream = ForceStream(wanted, "emg", print)
        made.append(stream)
        if len(stamps):
            stream.wait()
        return stream, inlet

    yield make
    for stream in made:
        stream.close()


def emg_stamps(start, seconds):
    return start + np.arange(round(seconds * EMG_HZ)) / EMG_HZ


def test_a_force_slower_than_the_emg_lies_on_straight_lines_between_its_values(held, rng):
    times = 100.0 + np.arange(100) / FORCE_HZ
    values = rng.standard_normal(100)
    stream, _ = held(times, values)
    stamps = emg_stamps(100.3, 1.5)
    np.testing.assert_array_equal(stream.at(stamps), np.interp(stamps, times, values).astype(np.float32))
    assert (stream.unit, stream.fs_hz) == ("newton", FORCE_HZ)


def test_a_force_as_fast_is_taken_sample_for_sample(held, rng):
    stamps = emg_stamps(100.0, 1.0)
    values = rng.standard_normal(2048)
    stream, _ = held(stamps - 2e-4, values, EMG_HZ)
    np.testing.assert_array_equal(stream.at(stamps), values.astype(np.float32))


def test_what_is_shown_is_the_force_at_the_newest_samples_and_its_last_value_beyond(held):
    times = 100.0 + np.arange(500) / FORCE_HZ
    stream, _ = held(times, times)
    inside, beyond = emg_stamps(109.0, 0.02), emg_stamps(times[-1] + 0.5, 0.02)
    np.testing.assert_allclose(stream.lately(inside), inside, atol=1e-9)
    np.testing.assert_array_equal(stream.lately(beyond), times[-1])


@pytest.mark.parametrize("lost", [True, False])
def test_a_force_that_stops_midway_is_told_and_not_made_up(held, lost):
    times = 100.0 + np.arange(100) / FORCE_HZ
    stream, _ = held(times, times, lost=lost)
    for asked in (stream.at, stream.lately):
        with pytest.raises(StreamError, match='"cell" stopped meanwhile'):
            asked(emg_stamps(100.0, 5.0))
    np.testing.assert_array_equal(stream.all()[1], times)  # what had come is kept


def test_a_force_that_is_late_at_the_end_is_waited_for(held):
    times = 100.0 + np.arange(100) / FORCE_HZ
    stream, inlet = held(times, times)
    more = times[-1] + np.arange(1, 51) / FORCE_HZ
    later = threading.Timer(0.2, inlet.give, (more, more))
    later.start()
    stamps = emg_stamps(100.0, 2.5)
    found = stream.at(stamps)
    later.join()
    np.testing.assert_allclose(found, stamps, atol=1e-4)


def test_a_stream_without_samples_or_without_the_channel_is_refused(held):
    stream, inlet = held([], [], lost=True)
    with pytest.raises(StreamError, match="sends no samples"):
        stream.wait()
    stream.close()
    assert inlet.closed
    with pytest.raises(OptionError, match="no channel 7"):
        held([], [], wanted="cell:7")


@pytest.fixture
def slow_force(unique):
    """A real stream at 50 Hz that says its own time stamps, until it is ended; its name and what ends it."""
    info = pylsl.StreamInfo(unique, "Force", 1, FORCE_HZ, pylsl.cf_double64, unique)
    ended = threading.Event()

    def send():
        outlet = pylsl.StreamOutlet(info)
        while not ended.wait(1.0 / FORCE_HZ):
            now = pylsl.local_clock()
            outlet.push_sample([now], now)  # the value is its time

    thread = threading.Thread(target=send, daemon=True)
    thread.start()

    def end():
        ended.set()
        thread.join()

    yield unique, end
    end()


def test_a_force_at_50_hz_is_followed_live_until_it_ends(slow_force, until):
    name, end = slow_force
    stream = ForceStream(name, "emg", print)
    try:
        stream.wait()
        assert until(lambda: len(stream.all()[0]) > 50)
        first, last = stream.all()[0][[0, -1]]
        stamps = np.arange(first, last, 1.0 / EMG_HZ)
        np.testing.assert_allclose(stream.at(stamps), stamps, rtol=1e-6)  # float32
        end()
        with pytest.raises(StreamError, match="stopped meanwhile"):
            stream.at(stamps + 5.0)
    finally:
        stream.close()
