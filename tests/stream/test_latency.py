"""Latencies in a histogram of fixed size."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.latency import PER_DECADE, SMALLEST_MS, LatencyHistogram

WIDTH = 10 ** (1 / PER_DECADE)  # of a bin


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(2 * SMALLEST_MS, 9e4), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_a_quantile_is_at_most_one_bin_above_the_true_one(values, share):
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    true = sorted(values)[max(0, math.ceil(share * len(values) - 1e-9) - 1)]
    assert true / 1.000001 <= histogram.quantile(share) <= true * WIDTH * 1.000001


def test_an_empty_histogram_is_all_zero():
    summary = LatencyHistogram().summary()
    assert (summary.p50, summary.p99, summary.p999, summary.max, summary.hist) == (0.0, 0.0, 0.0, 0.0, [])


@pytest.mark.parametrize("value", [0.0, -5.0, 1e-9, 1e9, 1e300, math.inf, -math.inf, math.nan])
def test_a_value_of_any_size_is_counted_once_and_breaks_nothing(value):
    histogram = LatencyHistogram()
    histogram.record(value)
    histogram.record(1.0)
    assert sum(count for _, count in histogram.summary().hist) == 2
    assert all(math.isfinite(edge) for edge, _ in histogram.summary().hist)


def test_the_histogram_lists_edges_upwards_and_its_counts_add_up():
    histogram = LatencyHistogram()
    for value in np.random.default_rng(0).lognormal(0, 1, 1000):
        histogram.record(float(value))
    summary = histogram.summary()
    edges = [edge for edge, _ in summary.hist]
    assert edges == sorted(edges)
    assert sum(count for _, count in summary.hist) == 1000
    assert summary.p50 <= summary.p99 <= summary.p999 <= summary.max <= edges[-1]
