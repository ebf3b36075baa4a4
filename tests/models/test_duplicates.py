"""Of two trains of one unit the better stays; other units stay."""

import numpy as np

from myodrive.models.duplicates import common_share, distinct

from .synthetic import FS_HZ, make_trains


def test_a_shifted_and_jittered_copy_is_a_duplicate_and_the_better_stays(rng):
    first, second = make_trains(rng, 2, 40_000)
    copy = np.sort(first + 37 + rng.integers(-1, 2, len(first)))
    assert distinct([first, second, copy], np.array([0.90, 0.91, 0.95]), FS_HZ) == [2, 1]


def test_a_merged_train_and_its_part_are_duplicates(rng):
    first, second = make_trains(rng, 2, 40_000)
    merged = np.union1d(first, second)
    assert distinct([merged, first], np.array([0.90, 0.95]), FS_HZ) == [1]


def test_independent_units_share_little(rng):
    trains = make_trains(rng, 8, 60_000)
    assert max(common_share(a, b, FS_HZ) for i, a in enumerate(trains) for b in trains[:i]) < 0.2
    assert len(distinct(trains, np.arange(8), FS_HZ)) == 8


def test_an_empty_train_shares_nothing():
    assert common_share(np.array([], np.int64), np.array([3, 9]), FS_HZ) == 0
