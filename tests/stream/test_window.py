"""Extension in blocks: its twin, any chunking, and the row a sample falls in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.window import Windower, extend_reference


def run(windower, window, signal, sizes):
    """Every row that was reported as new, in order."""
    rows, start, i = [], 0, 0
    while start < len(signal):
        hop = signal[start : start + sizes[i % len(sizes)]]
        start += len(hop)
        i += 1
        while len(hop):
            first, last = windower.take(hop)
            assert last > first
            rows.append(window[first:last].copy())
            hop = hop[last - first :]
    return np.concatenate(rows)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(1, 9),
    lags=st.integers(1, 20),
    block=st.integers(1, 11),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_any_chunking_gives_the_references_rows(seed, channels, lags, block, sizes):
    signal = np.random.default_rng(seed).normal(size=(97, channels)).astype(np.float32)
    window = np.zeros((block, lags * channels), np.float32)
    found = run(Windower(window, channels), window, signal, sizes)
    assert np.array_equal(found, extend_reference(signal, lags))


def test_lag_zero_is_the_sample_itself_and_later_columns_are_older():
    signal = np.arange(12, dtype=np.float32).reshape(6, 2)
    extended = extend_reference(signal, 3)
    assert np.array_equal(extended[:, :2], signal)
    assert np.array_equal(extended[1:, 2:4], signal[:-1])
    assert np.array_equal(extended[2:, 4:6], signal[:-2])
    assert not extended[0, 2:].any()


@pytest.mark.parametrize("hop", [1, 3, 8, 50])
def test_the_row_of_a_sample_depends_on_its_number_since_the_reset_alone(hop):
    signal = np.ones((60, 2), np.float32)
    window = np.zeros((8, 6), np.float32)
    windower = Windower(window, 2)
    for count in (60, 13):  # the second time after a reset in the middle of a block
        number = 0
        for start in range(0, count, hop):
            left = signal[start : min(start + hop, count)]
            while len(left):
                first, last = windower.take(left)
                assert first == number % 8
                number += last - first
                left = left[last - first :]
        windower.reset()


def test_a_reset_forgets_the_past():
    rng = np.random.default_rng(0)
    window = np.zeros((8, 20), np.float32)
    windower = Windower(window, 4)
    run(windower, window, rng.normal(size=(29, 4)).astype(np.float32), [5])
    windower.reset()
    signal = rng.normal(size=(21, 4)).astype(np.float32)
    assert np.array_equal(run(windower, window, signal, [5]), extend_reference(signal, 5))


def test_a_windower_takes_no_more_than_the_block_has_room_for():
    window = np.zeros((8, 4), np.float32)
    windower = Windower(window, 2)
    assert windower.take(np.ones((5, 2), np.float32)) == (0, 5)
    assert windower.take(np.ones((5, 2), np.float32)) == (5, 8)
    assert windower.take(np.ones((2, 2), np.float32)) == (0, 2)
