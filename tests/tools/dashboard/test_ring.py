"""The last rows of something."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from myodrive.tools.dashboard.ring import Ring


@given(st.lists(st.lists(st.integers(-100, 100), max_size=12), max_size=20), st.integers(1, 9), st.integers(0, 60))
def test_it_is_a_list_of_which_only_the_last_rows_are_kept(blocks, size, since):
    ring, twin = Ring(size, value=np.int64), []
    for block in blocks:
        if block:
            ring.push(value=block)
        twin += block
    assert ring.head == len(twin)
    kept = twin[max(since, len(twin) - size, 0) :] if since < len(twin) else []
    assert ring.since(since)["value"].tolist() == kept


def test_what_is_handed_out_does_not_change_afterwards():
    ring = Ring(4, value=(np.float32, (2,)))
    ring.push(value=[[1, 2], [3, 4]])
    found = ring.since(0)["value"]
    ring.push(value=np.zeros((4, 2)))
    assert found.tolist() == [[1, 2], [3, 4]]
