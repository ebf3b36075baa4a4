"""The memory of samples: its kernels against their twins, for any stamps and values, and what tells two samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.seen_stamps import (
    NEW_VALUES,
    OTHER,
    Even,
    SeenStamps,
    SeenStampsReference,
    print_rows,
    print_rows_reference,
)

# few of them, so that they come again; some closer than what is told apart
STAMPS = st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 1.0 + 5e-9, 1.5, 2.0, 2.5, 3.0, 1.7e9, 1.7e9 + 1e-6, np.nan])
SAMPLES = st.lists(st.tuples(STAMPS, st.integers(0, 3)), min_size=1, max_size=9)


def arrays(samples):
    stamps, prints = zip(*samples, strict=True)
    return np.array(stamps), np.array(prints, np.int64)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(SAMPLES, st.booleans(), st.floats(0.1, 3.0)), min_size=1, max_size=12), st.integers(2, 20))
def test_kernels_and_their_twins_find_and_remember_the_same(calls, length):
    ring, plain = SeenStamps(length), SeenStampsReference(length)
    for samples, any_order, limit in calls:
        stamps, prints = arrays(samples)
        if len(plain._samples) == length:  # before, places in ring and list are the same
            order = np.argsort((np.arange(length) - ring._count) % length)
            assert np.array_equal(ring._stamps[order], [s for s, _ in plain._samples], equal_nan=True)
        gaps = np.diff(np.sort([s for s, _ in plain._samples if not np.isnan(s)]))
        if (gaps > 1e-5).all():  # else which of them is first is left open
            assert ring.repeats(stamps, prints) == plain.repeats(stamps, prints)
        for mark in range(4):
            assert ring.newest_has(mark) == plain.newest_has(mark) or (mark == 0 and not plain._samples)
            assert ring.again(mark) == plain.again(mark)
        even = Even(stamps[0], 0.5, limit)
        assert ring.take(stamps, prints, any_order, even) == plain.take(stamps, prints, any_order, even) > 0


def test_samples_sent_again_are_found_and_those_of_a_clock_set_back_have_new_values():
    seen = SeenStamps(100)
    stamps, prints = 5 + np.arange(150) / 2000, np.arange(1, 151)
    for i in range(0, 150, 10):
        seen.take(stamps[i : i + 10], prints[i : i + 10], False)
    assert seen.repeats(stamps[120:130], prints[120:130]) == 10
    assert seen.repeats(stamps[120:130], prints[20:30]) == NEW_VALUES
    assert seen.repeats(stamps[120:130], np.zeros(10, np.int64)) == 10  # values are not known
    assert seen.repeats(stamps[[120, 122]], prints[[120, 122]]) == OTHER
    assert seen.repeats(stamps[145:] + 0.0, prints[145:]) == 5
    assert seen.repeats(stamps[:10], prints[:10]) == 0  # too long ago
    seen.forget()
    assert seen.repeats(stamps[120:130], prints[120:130]) == 0


def test_as_many_missing_as_sent_twice_is_a_break_though_the_last_stamp_is_where_it_should_be():
    seen = SeenStamps(100)
    stamps, prints = np.array([0.0, 1, 2, 4, 4, 5, 6, 7]), np.array([1, 2, 3, 5, 5, 6, 7, 8])
    even = Even(0.0, 1.0, 0.5)
    assert seen.take(stamps, prints, False, even) == 3
    assert SeenStampsReference(100).take(stamps, prints, False, even) == 3
    assert SeenStamps(100).take(np.array([0.0, 1, 2, 5, 4, 5, 6, 7]), np.arange(1, 9), False, even) == 8  # one is odd


def test_the_newest_comes_again_where_its_values_do_and_are_not_those_before_it():
    seen = SeenStamps(10)
    assert not seen.again(0)
    seen.take(np.array([1.0, 2.0]), np.array([7, 9]), False)
    assert seen.again(9)
    assert seen.newest_has(9)
    assert not seen.again(7)
    seen.take(np.array([3.0]), np.array([9]), False)  # dead channels
    assert not seen.again(9)
    seen.take(np.array([4.0]), np.array([0]), False)  # not known
    assert not seen.again(0)


@pytest.mark.parametrize("channels", [1, 3, 64, 257])
def test_prints_are_those_of_the_twin_and_tell_samples_that_differ_in_one_value(channels):
    signal = np.random.default_rng(0).normal(0, 50, (300, channels)).astype(np.float32)
    signal[0] = np.nan
    words = signal.view(np.int32)
    prints, expected = np.zeros(300, np.int64), np.zeros(300, np.int64)
    print_rows(words, 299, prints)
    print_rows_reference(words, 299, expected)
    assert np.array_equal(prints, expected)
    assert len(np.unique(prints[:299])) == 299
    assert (prints[:299] != 0).all()
    signal[5, channels - 1] = np.nextafter(signal[5, channels - 1], np.float32(0))
    print_rows(words, 299, expected)
    assert np.flatnonzero(prints != expected).tolist() == [5]


def test_dead_channels_give_every_sample_the_same_print():
    prints = np.zeros(8, np.int64)
    print_rows(np.zeros((8, 64), np.int32), 8, prints)
    assert len(np.unique(prints)) == 1
    assert prints[0] != 0
