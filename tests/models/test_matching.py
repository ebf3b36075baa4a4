"""Agreement of spike trains: a common shift, one to one, and no reward for anything else."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from myodrive.models.matching import agree, assign, match_count, shift_counts, shift_counts_plain

FS_HZ = 2000.0
trains = st.lists(st.integers(0, 400), max_size=30, unique=True).map(lambda t: np.array(sorted(t), np.int64))
spaced = st.lists(st.integers(10, 60), min_size=1, max_size=30).map(lambda gaps: np.cumsum(gaps).astype(np.int64))


@given(trains, trains, st.integers(0, 50))
def test_compiled_counts_equal_the_plain_ones(found, truth, max_shift):
    np.testing.assert_array_equal(shift_counts(found, truth, max_shift), shift_counts_plain(found, truth, max_shift))


@given(trains, trains, st.integers(-5, 5), st.integers(0, 3))
def test_the_matching_is_the_largest_possible(found, truth, shift, tolerance):
    near = np.abs(found[:, None] + shift - truth[None, :]) <= tolerance
    partner: dict[int, int] = {}

    def place(i, seen):  # augmenting paths, Kuhn
        for j in np.flatnonzero(near[i]):
            if j not in seen:
                seen.add(j)
                if j not in partner or place(partner[j], seen):
                    partner[j] = i
                    return True
        return False

    assert match_count(found, truth, shift, tolerance) == sum(place(i, set()) for i in range(len(found)))


@given(spaced, st.integers(-90, 90))
def test_a_shifted_train_agrees_wholly_and_the_shift_is_found(train, shift):
    result = agree(train + shift, train, tolerance=2, max_shift=100)
    assert result.roa == result.f1 == 1
    assert result.shift == -shift


@given(trains, trains)
@example(np.array([0]), np.array([41]))  # within the tolerance of the largest shift
def test_counts_add_up_and_order_does_not_matter(found, truth):
    one = agree(found, truth, tolerance=2, max_shift=40)
    other = agree(truth, found, tolerance=2, max_shift=40)
    assert one.common + one.only_found == len(found)
    assert one.common + one.only_truth == len(truth)
    assert 0 <= one.roa <= one.f1 <= 1
    assert one.f1 == pytest.approx(other.f1, abs=0.35)  # equal but for ties between shifts


def test_a_shift_beyond_the_limit_is_not_found():
    train = np.arange(100, 2000, 197)
    assert agree(train + 60, train, tolerance=2, max_shift=40).roa == 0


def test_rate_of_agreement_of_a_hand_made_example():
    result = agree(np.array([10, 50, 90, 130]), np.array([11, 51, 91, 170]), tolerance=0, max_shift=5)
    assert (result.common, result.only_found, result.only_truth) == (3, 1, 1)
    assert result.roa == pytest.approx(3 / 5)
    assert result.f1 == pytest.approx(6 / 8)


def test_two_spikes_near_one_count_once():
    assert agree(np.array([100, 102]), np.array([101]), tolerance=2, max_shift=0).common == 1


def test_empty_trains_agree_with_nothing():
    empty, train = np.array([], np.int64), np.array([5, 50])
    for found, truth in ((empty, empty), (empty, train), (train, empty)):
        result = agree(found, truth, tolerance=2, max_shift=10)
        assert result.roa == result.f1 == result.common == 0


def test_units_are_paired_one_to_one_for_the_largest_sum(rng):
    truth = [np.sort(rng.choice(1000, 150, replace=False)) * 20 for _ in range(3)]
    found = [truth[2] + 30, truth[0] - 12, np.sort(np.concatenate([truth[0], truth[1][:100]]))]
    result = assign(found, truth, fs_hz=FS_HZ, min_f1=0.3)
    assert [(f, t) for f, t, _ in result.pairs] == [(1, 0), (2, 1), (0, 2)]
    assert result.pairs[2][2].shift == -30
    assert result.extra == result.missed == ()


def test_units_without_a_partner_are_extra_or_missed(rng):
    truth = [np.sort(rng.choice(20_000, 150, replace=False)) for _ in range(2)]
    result = assign([truth[1] + 5, np.arange(0, 20_000, 333)], truth, fs_hz=FS_HZ, min_f1=0.5)
    assert [(f, t) for f, t, _ in result.pairs] == [(0, 1)]
    assert (result.extra, result.missed) == ((1,), (0,))


def test_nothing_found_misses_every_unit():
    result = assign([], [np.array([1, 2])], fs_hz=FS_HZ)
    assert result.pairs == result.extra == ()
    assert result.missed == (0,)
