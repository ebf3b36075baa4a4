"""The active stretch is where the contraction is."""

import numpy as np

from myodrive.models.activity import active_stretch

FS_HZ = 1000.0


def test_rest_at_both_ends_is_left_out(rng):
    emg = rng.normal(size=(20_000, 4)).astype(np.float32)
    emg[5000:15_000] *= 10
    stretch = active_stretch(emg, FS_HZ)
    assert abs(stretch.start - 5000) < 300
    assert abs(stretch.stop - 15_000) < 300


def test_rest_between_two_contractions_stays(rng):
    emg = rng.normal(size=(30_000, 4)).astype(np.float32)
    emg[5000:10_000] *= 10
    emg[20_000:25_000] *= 10
    stretch = active_stretch(emg, FS_HZ)
    assert stretch.start < 5000 < 25_000 < stretch.stop


def test_a_steady_contraction_is_all_active(rng):
    emg = rng.normal(size=(9000, 4)).astype(np.float32)
    assert active_stretch(emg, FS_HZ) == slice(0, 9000)


def test_a_contraction_too_short_to_learn_from_leaves_nothing_out(rng):
    emg = rng.normal(size=(20_000, 4)).astype(np.float32)
    emg[5000:7000] *= 100
    assert active_stretch(emg, FS_HZ) == slice(0, 20_000)
