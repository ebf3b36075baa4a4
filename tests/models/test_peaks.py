"""Peaks of a source and their split in two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from myodrive.models.peaks import capped, discharges, peaks, peaks_plain, two_means

small_integers = arrays(np.float32, st.integers(0, 80), elements=st.integers(-4, 4))  # many ties and plateaux


@given(small_integers, st.integers(1, 12))
def test_compiled_peaks_equal_the_plain_ones(source, distance):
    np.testing.assert_array_equal(peaks(source, distance), peaks_plain(source, distance))


@given(small_integers, st.integers(1, 12))
def test_peaks_are_positive_maxima_further_apart_than_the_distance(source, distance):
    found = peaks(source, distance)
    assert (source[found] > 0).all()
    assert (np.diff(found) >= distance).all()
    assert all(source[k] >= max(source[k - 1], source[k + 1]) for k in found)


def test_of_two_near_peaks_the_higher_stays():
    source = np.zeros(60, np.float32)
    source[[20, 28, 50]] = 1, 2, 1
    np.testing.assert_array_equal(peaks(source, 20), [28, 50])


@given(st.lists(st.floats(0, 100), min_size=2, max_size=12))
def test_no_other_cut_has_less_spread_within_its_classes(heights):
    ordered = np.sort(heights)
    split = two_means(ordered)

    def within(cut):
        return sum(np.sum((part - part.mean()) ** 2) for part in (ordered[:cut], ordered[cut:]))

    best = min(within(cut) for cut in range(1, len(ordered)))
    found = np.sum(np.minimum((ordered - split.low) ** 2, (ordered - split.high) ** 2))
    assert found <= best + 1e-6 * (1 + best)


def test_split_of_a_hand_made_example():
    split = two_means(np.array([1.0, 9.0, 2.0, 11.0, 3.0]))
    assert (split.low, split.high, split.boundary) == (2, 10, 6)


def test_one_artefact_is_not_a_class_of_its_own():
    source = np.zeros(4000, np.float32)
    source[50:3900:50] = 0.5
    source[50:3900:100] = 2 + 0.1 * np.sin(np.arange(39))
    source[2025] = 6  # nine times the power of a spike
    spikes, rest, _ = discharges(source, 10)
    assert len(spikes) == 40
    assert len(rest) == 38
    assert capped(np.append(np.full(30, 4.0), [1.0] * 30 + [400.0])).max() < 400


@pytest.mark.parametrize("source", [np.zeros(0), np.zeros(100), np.full(100, -1.0), np.ones(100)])
def test_a_source_without_peaks_has_no_discharges(source):
    spikes, _, _ = discharges(source.astype(np.float32), 20)
    assert len(spikes) == 0
