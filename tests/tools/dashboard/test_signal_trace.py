"""What a screen can show of a signal, whatever its rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myodrive.tools.dashboard.signal_trace import BINS_HZ, LARGEST, SignalTrace


def plain(t, value):
    """Time, least and greatest value of every bin: the definition."""
    numbers = np.floor(t * BINS_HZ)
    found = []
    for number in np.unique(numbers):
        t_in, value_in = t[numbers == number], value[numbers == number]
        found.append((0.5 * (t_in[0] + t_in[-1]), value_in.min(), value_in.max()))
    return np.array(found)


def rows(trace):
    kept = trace.ring.since(0)
    return np.column_stack([kept["t"], kept["low"], kept["high"]])


@given(
    st.integers(1, 600), st.integers(1, 90), st.sampled_from([3.0, 25.0, 100.0, 1000.0, 10_000.0]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_any_chunking_gives_the_same_rows(count, chunk, fs_hz, seed):
    value = np.random.default_rng(seed).normal(size=count)
    t = 50.0 + np.arange(count) / fs_hz
    trace = SignalTrace(50.0, 2000)
    for first in range(0, count, chunk):
        trace.push(t[first : first + chunk], value[first : first + chunk], fs_hz)
    expected, found = plain(t, value), rows(trace)
    assert len(expected) - 1 <= len(found) <= len(expected)  # the last bin may be open
    np.testing.assert_allclose(found, expected[: len(found)])
    assert trace.newest == value[-1]


def test_what_comes_slowly_is_there_at_once():
    trace = SignalTrace(0.0, 100)
    for k in range(5):
        trace.push(np.array([10.0 + k]), np.array([float(k)]), 1.0)
        assert trace.ring.head == k + 1


def test_ten_thousand_values_a_second_are_thirty_rows():
    trace = SignalTrace(0.0, 1000)
    t = 10.0 + np.arange(100_000) / 10_000.0
    for part in np.split(t, 1000):
        trace.push(part, np.sin(part), 10_000.0)
    assert 299 <= trace.ring.head <= 301


@pytest.mark.parametrize("fs_hz", [0.0, np.nan, 1e-3, 1e9])
def test_a_rate_that_is_not_so_asks_for_no_more_rows(fs_hz):
    trace = SignalTrace(0.0, 10_000)
    for t in 10.0 + np.arange(0, 5, 0.01):
        trace.push(np.array([t]), np.array([t]), fs_hz)
    kept = rows(trace)
    assert 145 <= len(kept) <= 155
    assert (np.diff(kept[:, 0]) > 0).all()


def test_late_and_repeated_times_lose_no_value_and_add_no_rows():
    trace = SignalTrace(0.0, 10_000)
    for _ in range(500):
        trace.push(np.array([10.0, 9.0]), np.array([1.0, -5.0]), 100.0)
    trace.push(np.array([11.0]), np.array([0.0]), 100.0)
    kept = rows(trace)
    assert len(kept) <= 3
    assert kept[:, 1].min() == -5.0


def test_values_beyond_all_measure_stay_numbers():
    trace = SignalTrace(0.0, 10)
    trace.push(np.array([1.0, 1.001]), np.array([1e308, -1e308]), 10.0)
    assert rows(trace)[0, 1:].tolist() == [-LARGEST, LARGEST]
    trace.push(np.array([]), np.array([]), 10.0)
    assert trace.newest == -LARGEST
