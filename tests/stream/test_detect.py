"""Discharges from sources: the definition, any chunking, look-ahead, refractory time, plateaus and NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.detect import Detector, detect_reference


def run(detector, sources, sizes, first_sample=0):
    found, start, i = [], 0, 0
    while start < len(sources):
        hop = sources[start : start + sizes[i % len(sizes)]]
        i += 1
        count = detector(hop, first_sample + start)
        assert count == detector.count
        found += list(zip(detector.sample[:count].tolist(), detector.unit[:count].tolist(), strict=True))
        start += len(hop)
    return found


def detect(sources, sizes=(8,), threshold=0.5, lookahead=3, refractory=10, **options):
    detector = Detector(np.full(sources.shape[1], threshold, np.float32), lookahead, refractory, max(sizes))
    return run(detector, sources, sizes, **options)


def one_unit(*values):
    return np.array(values, np.float32)[:, None]


# Few distinct values, so that plateaus, ties and exact thresholds are common; and values that are no numbers.
some_value = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, np.nan, np.inf])


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.tuples(some_value, some_value), min_size=1, max_size=80),
    lookahead=st.integers(0, 6),
    more=st.integers(1, 12),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
)
def test_any_chunking_gives_the_references_discharges(values, lookahead, more, sizes):
    sources = np.array(values, np.float32)
    refractory = lookahead + more
    expected = detect_reference(sources, np.array([0.5, 0.5], np.float32), lookahead, refractory)
    assert detect(sources, sizes, lookahead=lookahead, refractory=refractory) == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.lists(st.integers(1, 90), min_size=1, max_size=4))
def test_smooth_random_sources_give_the_references_discharges(seed, units, sizes):
    noise = np.random.default_rng(seed).normal(size=(300, units))
    sources = np.apply_along_axis(np.convolve, 0, noise, np.hanning(7), "same").astype(np.float32, order="C")
    expected = detect_reference(sources, np.full(units, 0.5, np.float32), 5, 17)
    assert detect(sources, sizes, lookahead=5, refractory=17) == expected
    assert expected == sorted(expected)
    assert expected


def test_a_peak_whose_look_ahead_is_incomplete_is_not_reported():
    sources = one_unit(0, 0, 0, 0, 1, 0, 0, 0)
    assert detect(sources, lookahead=3) == [(4, 0)]
    assert detect(sources[:-1], lookahead=3) == []


@pytest.mark.parametrize("apart", [9, 10, 11])
def test_the_refractory_time_is_respected(apart):
    sources = np.zeros((40, 1), np.float32)
    sources[[5, 5 + apart]] = 1.0
    assert len(detect(sources, refractory=10)) == (2 if apart >= 10 else 1)


def test_a_peak_within_the_refractory_time_does_not_prolong_it():
    sources = np.zeros((60, 1), np.float32)
    sources[[5, 12, 19]] = 1.0
    assert detect(sources, refractory=10) == [(5, 0), (19, 0)]


def test_a_plateau_counts_once_at_its_first_sample():
    for length in range(1, 12):
        sources = np.zeros((40, 1), np.float32)
        sources[10 : 10 + length] = 0.8
        assert detect(sources, refractory=20) == [(10, 0)]


def test_the_threshold_itself_is_a_discharge_and_just_below_it_is_none():
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert detect(one_unit(0, 0, 0, 0.5, 0, 0, 0)) == [(3, 0)]
    assert detect(one_unit(0, 0, 0, below, 0, 0, 0)) == []


def test_a_source_that_is_no_number_gives_no_discharge():
    sources = np.zeros((50, 1), np.float32)
    sources[10] = 1.0
    for place in range(7, 14):
        broken = sources.copy()
        broken[place] = np.nan
        assert detect(broken) == []  # neither the NaN nor a peak whose neighbourhood is unknown
    assert detect(np.full((50, 2), np.nan, np.float32)) == []


def test_units_do_not_disturb_each_other():
    sources = np.zeros((30, 3), np.float32)
    sources[8, 0] = sources[8, 2] = sources[10, 1] = 1
    assert detect(sources) == [(8, 0), (8, 2), (10, 1)]


@pytest.mark.parametrize("deaf_until", [500, 521, 522, 523, 560])
def test_after_a_reset_nothing_is_reported_before_the_given_sample(deaf_until):
    detector = Detector(np.array([0.5], np.float32), 3, 10, 8)
    sources = np.zeros((120, 1), np.float32)
    sources[::11] = 1.0
    run(detector, sources, [8])
    detector.reset(deaf_until)
    found = [sample for sample, _ in run(detector, sources, [8], first_sample=500)]
    assert found == [sample for sample in range(500, 617, 11) if sample >= deaf_until]


def test_the_past_before_a_reset_neither_hides_nor_makes_a_discharge():
    detector = Detector(np.array([0.5], np.float32), 3, 10, 8)
    run(detector, one_unit(0, 0, 0, 0, 0, 0, 0, 9), [8])
    detector.reset(100)
    assert run(detector, one_unit(1, 0, 0, 0, 0, 0, 0, 0), [8], first_sample=100) == [(100, 0)]


def test_there_is_room_for_the_most_discharges_a_call_can_find():
    longest, units, refractory = 500, 4, 5
    sources = np.zeros((longest, units), np.float32)
    sources[::refractory] = 1.0
    assert len(detect(sources, [longest], lookahead=4, refractory=refractory)) >= units * (longest // refractory - 1)


def test_heights_are_those_of_the_peaks():
    detector = Detector(np.array([0.5], np.float32), 1, 3, 8)
    detector(one_unit(0, 0.75, 0, 0, 0.625, 0, 0, 0), 0)
    assert detector.height[: detector.count].tolist() == [0.75, 0.625]
