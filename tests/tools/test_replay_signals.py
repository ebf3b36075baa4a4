"""The signals of a recorded session: what was taken comes back to the bit, and damage is left out."""

import base64

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.beside import SignalState
from myodrive.stream.hop import Hop
from myodrive.tools.replay_signals import LATEST_S, ToldSignals, finite_number, taken_of

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def text(values):
    return base64.b64encode(np.array(values, "<f8").tobytes()).decode()


@given(st.lists(st.tuples(st.floats(-1e11, 1e11), st.floats(allow_nan=False, allow_infinity=False)), max_size=30))
def test_what_was_taken_comes_back_to_the_bit(pairs):
    told = ToldSignals(["70", "cell"])
    places, values = ([pair[n] for pair in pairs] for n in (0, 1))
    told.take_event({"event": "signals", "signals": [[0, True, text(places), text(values)]]})
    told.take_event({"event": "other"})
    assert told.due(0.0)
    told.look()
    told.follow(Hop())
    told.skip(1.0)
    (one,) = told.take()
    assert (one.number, one.counted, one.places.tolist(), one.values.tolist()) == (0, True, places, values)
    assert told.take() == []


def test_states_are_those_that_were_told():
    told = ToldSignals(["70", "cell"])
    assert [one.state for one in told.states] == ["waiting", "waiting"]
    streams = [{"state": "on", "unit": "N", "fs_hz": 80.0}, {"state": "lost", "reason": "why", "name": "another"}]
    told.take_event({"event": "signal streams", "streams": streams})
    assert told.states == (SignalState("70", "on", "N", 80.0), SignalState("cell", "lost", reason="why"))
    told.take_event({"event": "signal streams", "streams": streams[:1]})
    assert told.states[0].state == "on"


def test_damage_is_left_out():
    good = [1, False, text([1.0, 2.0]), text([3.0, 4.0])]
    bad = [
        [2, False, *good[2:]], [-1, False, *good[2:]], [True, False, *good[2:]], good[:3], "x", None,
        [0, False, text([1.0]), text([1.0, 2.0])], [0, False, "###", "###"], [0, False, 1, 2],
        [0, False, "AAAA", "AAAA"],
        [0, False, text([np.nan]), text([1.0])], [0, False, text([1.0]), text([np.inf])],
        [0, False, text([2 * LATEST_S]), text([1.0])], [0, False, text([0.0] * 9000), text([0.0] * 9000)],
    ]  # fmt: skip
    for one in bad:
        assert taken_of([one], 2) == []
        (found,) = taken_of([one, good], 2)
        assert found.values.tolist() == [3.0, 4.0]
    assert len(taken_of([good] * 9, 2)) == 2


@given(ANYTHING, ANYTHING)
def test_anything_else_is_taken_for_nothing(one, other):
    told = ToldSignals(["a"])
    told.take_event({"event": "signals", "signals": one})
    told.take_event({"event": "signal streams", "streams": [other]})
    told.take_event({"event": "signal streams", "streams": one})
    for taken in told.take():
        assert len(taken.places) == len(taken.values) == 0
    assert np.isfinite(finite_number(other))
