"""What is taken for one motor unit, and what is not."""

import numpy as np
import pytest

from myodrive.models.firing import FiringLimits, judge

from .synthetic import FS_HZ, make_trains


def make_source(rng, train, samples=40_000, heights=None, noise=0.1):
    source = rng.normal(0, noise, samples).astype(np.float32)
    source[train] += 1 if heights is None else heights
    return source


def test_a_clean_source_gives_its_train_and_meets_the_limits(rng):
    (train,) = make_trains(rng, 1, 40_000)
    firing = judge(make_source(rng, train), FS_HZ)
    np.testing.assert_array_equal(firing.spikes, train)
    assert firing.meets(FiringLimits())
    assert firing.level == pytest.approx(1, abs=0.05)
    assert 0.3 < firing.threshold < 0.9


def test_two_units_merged_do_not_meet_the_limits(rng):
    first, second = make_trains(rng, 2, 40_000)
    firing = judge(make_source(rng, np.union1d(first, second)), FS_HZ)
    assert firing.sil > 0.9
    assert not firing.meets(FiringLimits())


def test_a_few_spikes_do_not_meet_the_limits(rng):
    firing = judge(make_source(rng, np.arange(1000, 20_000, 1000)), FS_HZ)
    assert firing.sil > 0.9
    assert not firing.meets(FiringLimits())


def test_noise_does_not_meet_the_limits(rng):
    assert not judge(rng.normal(size=40_000).astype(np.float32), FS_HZ).meets(FiringLimits())


@pytest.mark.parametrize("source", [np.zeros(5000), np.linspace(0, 1, 5000), np.full(5000, -1)])
def test_a_source_without_peaks_is_judged_and_refused(source):
    firing = judge(source.astype(np.float32), FS_HZ)
    assert len(firing.spikes) == 0
    assert not firing.meets(FiringLimits())


def test_the_gain_of_a_source_changes_only_its_level(rng):
    (train,) = make_trains(rng, 1, 40_000)
    source = make_source(rng, train)
    one, other = judge(source, FS_HZ), judge(source * np.float32(8), FS_HZ)
    np.testing.assert_array_equal(one.spikes, other.spikes)
    assert other.level == pytest.approx(8 * one.level)
    assert other.sil == pytest.approx(one.sil)


def test_a_looser_silhouette_replaces_only_the_silhouette(rng):
    (train,) = make_trains(rng, 1, 40_000)
    firing = judge(make_source(rng, train, heights=rng.normal(1, 0.25, len(train)), noise=0.15), FS_HZ)
    assert not firing.meets(FiringLimits(min_sil=0.99))
    assert firing.meets(FiringLimits(min_sil=0.99), min_sil=0.5)
    assert not firing.meets(FiringLimits(min_sil=0.99, min_discharges=10_000), min_sil=0.5)
