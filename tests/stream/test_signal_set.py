"""The signals that were asked for: every value is handed on once, at its sample; what is not is counted."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.beside import SignalState, wanted_signals
from myodrive.stream.hop import Hop
from myodrive.stream.signal_ring import MOST_AT_ONCE, SignalRing
from myodrive.stream.signal_set import KEPT_S, Signals
from myodrive.stream.source_info import SourceInfo

HOP, RATE_HZ = 8, 100.0


class Scene:
    """Signals of a source that a test drives: two channels of its own, and one other stream."""

    def __init__(self, rate_hz=RATE_HZ):
        told = ("uv",) * 4
        info = SourceInfo("emg", "", "", "", 2000.0, 4, np.float32, None, told, None, ("uV", "uV", "N", "Nm"))
        self.source = SimpleNamespace(samples_in=0, stalled=False, source=None)
        self.info = info
        self.closed = False
        self.other = SimpleNamespace(
            told=SignalState("cell"), ring=SignalRing(), close=lambda: setattr(self, "closed", True)
        )
        self.signals = Signals(
            wanted_signals(["2", "cell", "3"], "emg"), self.source, "emg", HOP, rate_hz, lambda wanted: self.other
        )
        self.first = 0

    def taken(self, now):
        """What is taken where it is due."""
        return self.signals.take() if self.signals.due(now) else ()

    def hop(self, values, lost=0):
        """A hop of values of the first channel; the second has the same, times 10."""
        count = len(values)
        self.first += lost
        self.signals.follow(
            Hop(count, np.zeros((count, 2), np.float32), self.first, lost, beside=np.outer(values, [1.0, 10.0]))
        )
        self.source.samples_in += count
        self.source.source = self.info
        self.first += count


@given(st.lists(st.tuples(st.integers(1, HOP), st.integers(0, 50), st.floats(0, 0.02)), max_size=60))
def test_any_hops_and_gaps_give_every_value_once_at_its_sample(hops):
    scene, now, sent, found = Scene(), 1.0, [], {0: [], 2: []}
    for count, lost, wait in [*hops, (1, 0, 1.0)]:
        values = np.arange(len(sent), len(sent) + count, dtype=np.float64)
        scene.hop(values, lost)
        sent += range(scene.first - count, scene.first)
        now += wait
        for taken in scene.taken(now):
            assert taken.counted
            found[taken.number] += zip(taken.places.tolist(), taken.values.tolist(), strict=True)
    assert found[0] == [(sample, value) for value, sample in enumerate(sent)]
    assert found[2] == [(sample, 10.0 * value) for value, sample in enumerate(sent)]
    assert scene.signals.missed == 0


def test_they_are_handed_on_at_the_rate_and_not_every_turn():
    scene, times = Scene(), []
    for turn in range(1000):
        scene.hop(np.zeros(HOP))
        if scene.taken(now := 5.0 + 0.004 * turn):
            times.append(now)
    assert len(times) == pytest.approx(4.0 * RATE_HZ, abs=3)
    assert np.diff(times).max() < 0.0121


def test_much_at_once_is_handed_on_before_it_is_due_and_nothing_is_missed():
    scene, values = Scene(rate_hz=1.0), 0
    scene.taken(5.0)
    for _ in range(MOST_AT_ONCE // HOP * 3):
        scene.hop(np.zeros(HOP))
        values += sum(len(taken.values) for taken in scene.taken(5.0) if taken.number == 0)
    assert values == MOST_AT_ONCE * 3
    assert scene.signals.missed == 0


def test_values_that_nobody_takes_are_counted():
    scene = Scene()
    for _ in range(MOST_AT_ONCE // HOP + 3):
        scene.hop(np.zeros(HOP))
    scene.signals.look()
    assert scene.signals.missed == 2 * 2 * HOP


def test_what_is_no_number_is_counted_and_the_rest_keeps_its_place():
    scene = Scene()
    scene.hop(np.array([1.0, np.nan, 3.0, np.inf]))
    (one, other) = scene.taken(1.0)
    assert one.places.tolist() == other.places.tolist() == [0.0, 2.0]
    scene.signals.look()
    assert scene.signals.missed == 4


def test_the_states_say_unit_and_rate_in_the_order_asked():
    scene = Scene()
    assert [one.state for one in scene.signals.states] == ["waiting"] * 3
    scene.hop(np.zeros(HOP))
    scene.other.told = SignalState("cell", "lost", "kg", 80.0, "why")
    scene.signals.look()
    assert scene.signals.states == (
        SignalState("2", "on", "N", 2000.0), SignalState("cell", "lost", "kg", 80.0, "why"),
        SignalState("3", "on", "Nm", 2000.0),
    )  # fmt: skip
    scene.source.stalled = True
    scene.signals.look()
    assert [one.state for one in scene.signals.states] == ["lost", "lost", "lost"]


def test_of_what_came_before_the_emg_the_last_second_is_kept():
    scene = Scene()
    scene.other.ring.put(np.array([1.0, 8.9, 9.1, 9.9]), np.arange(4.0))
    scene.signals.skip(10.0)
    assert KEPT_S == 1.0
    (taken,) = scene.taken(10.0)
    assert taken.number == 1
    assert not taken.counted
    assert taken.values.tolist() == [2.0, 3.0]
    scene.signals.close()
    assert scene.closed


def test_what_was_missed_before_the_emg_does_not_count_and_what_is_missed_later_does():
    scene = Scene()
    scene.other.ring.put(np.array([np.nan, 9.5]), np.arange(2.0))
    scene.signals.look()
    assert scene.signals.missed == 1
    scene.signals.skip(10.0)
    scene.signals.look()
    assert scene.signals.missed == 0
    scene.other.ring.put(np.array([np.nan, np.nan, 10.5]), np.arange(3.0))
    scene.signals.look()
    assert scene.signals.missed == 2
    scene.signals.close()
    assert scene.closed
