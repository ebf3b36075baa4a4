"""The ring between the thread that collects a signal and the loop: order, counts, and nothing beyond its room."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.signal_ring import SignalRing

SIZES = st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=40)


@given(SIZES, st.integers(1, 64), st.integers(1, 16))
def test_what_finds_room_comes_out_in_order_and_the_rest_is_counted(steps, room, most):
    ring, waiting, held, sent, missed, found = SignalRing(room, most), [], 0, 0, 0, []
    for count, takes in steps:
        values = np.arange(sent, sent + count, dtype=np.float64)
        ring.put(100 + values, -values)
        fits = min(count, room - len(waiting) - held)
        waiting += values[:fits].tolist()
        missed += count - fits
        sent += count
        if takes:
            places, values = ring.take()
            assert len(values) <= min(most, len(waiting))
            assert len(values) > 0 or not waiting
            assert values.tolist() == [-value for value in waiting[: len(values)]]
            found += places.tolist()
            held = len(values)  # until the next time
            del waiting[:held]
        assert len(ring) == len(waiting)
    assert ring.missed == missed
    assert found == sorted(found)


def test_what_is_no_number_or_has_no_place_is_counted():
    ring = SignalRing(8)
    ring.put(np.array([1.0, np.nan, 3.0, np.inf]), np.array([1.0, 2.0, -np.inf, 4.0]))
    assert ring.missed == 3
    assert [part.tolist() for part in ring.take()] == [[1.0], [1.0]]


@given(st.integers(0, 30), st.floats(-5, 40))
def test_what_is_old_is_skipped(taken, before):
    ring = SignalRing(32, 1)
    ring.put(np.arange(30.0), np.zeros(30))
    for _ in range(taken):
        ring.take()
    ring.skip(before)
    ring._most = 32
    assert ring.take()[0].tolist() == [place for place in range(taken, 30) if place >= before]
    assert ring.missed == 0
