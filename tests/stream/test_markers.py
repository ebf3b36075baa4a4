"""Markers over LSL: what comes is taken in order, what cannot be taken is told, and a stream may go and come back."""

import uuid

import numpy as np
import pylsl
import pytest

from myodrive.stream import markers
from myodrive.stream.markers import LONGEST_LABEL, MOST_AT_ONCE, MOST_WAITING, MarkerStream, NoMarkers, label_of


@pytest.fixture
def outlet():
    """Function that makes an outlet of markers; all are gone in the end."""
    made = []

    def make(name, form="string", channels=1, rate=pylsl.IRREGULAR_RATE):
        info = pylsl.StreamInfo(name, "Markers", channels, rate, form, uuid.uuid4().hex)
        made.append(pylsl.StreamOutlet(info))
        return made

    yield make
    made.clear()


@pytest.fixture
def listening():
    """Function that makes a stream of markers; its thread has ended in the end."""
    made = []

    def make(name):
        made.append(MarkerStream(name))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert not one._thread.is_alive()


def taken(stream, until, count):
    found = []
    assert until(lambda: found.extend(stream.take()) or len(found) >= count)
    return found


def test_markers_come_in_order_with_their_times_and_a_stream_may_go_and_come_back(outlet, listening, until):
    name = uuid.uuid4().hex
    stream = listening(name)
    assert stream.state == "waiting"
    for turn in range(2):
        made = outlet(name)
        assert until(lambda: stream.state == "on")
        now = pylsl.local_clock()
        for n in range(50):
            made[0].push_sample([f"turn {turn}, cue {n}"], now + 0.001 * n)
        found = taken(stream, until, 50)
        assert [one.label for one in found] == [f"turn {turn}, cue {n}" for n in range(50)]
        np.testing.assert_allclose([one.stamp for one in found], now + 0.001 * np.arange(50), atol=1e-9)
        made.clear()
        assert until(lambda: stream.state == "lost")
    assert stream.missed == 0


def test_numbers_and_several_channels_are_a_text(outlet, listening, until):
    name = uuid.uuid4().hex
    stream = listening(name)
    made = outlet(name, "int32", 2)
    assert until(lambda: stream.state == "on")
    made[0].push_sample([7, -1], 5.0)
    (one,) = taken(stream, until, 1)
    assert one == ("7,-1", 5.0)


def test_a_stream_of_fixed_rate_is_no_stream_of_markers(outlet, listening, until):
    name = uuid.uuid4().hex
    made = outlet(name, "float32", 1, 100.0)
    stream = listening(name)
    assert until(lambda: "fixed rate" in stream.reason)
    assert stream.state == "waiting"
    made.clear()


@pytest.mark.parametrize(
    ("values", "label"),
    [([b"a"], "a"), ([b"\xff\xfe"], "\ufffd\ufffd"), ([b"x" * 999], "x" * LONGEST_LABEL), ([1.5, b"b"], "1.5,b")],
)
def test_any_bytes_make_a_label(values, label):
    assert label_of(values) == label


def test_more_than_are_taken_are_counted_and_few_are_taken_at_once(monkeypatch):
    monkeypatch.setattr(markers.MarkerStream, "_work", lambda self: None)
    stream = MarkerStream("none")
    for n in range(MOST_WAITING + 3):
        stream._put(str(n), float(n))
    stream._put("never", float("nan"))
    assert stream.missed == 4
    assert [one.label for one in stream.take()] == [str(n) for n in range(MOST_AT_ONCE)]
    stream.close()


def test_without_a_stream_there_is_nothing():
    none = NoMarkers()
    none.look()
    assert (none.state, none.reason, none.missed, none.take()) == ("", "", 0, ())
