"""Quality figures against examples worked by hand."""

import numpy as np
import pytest

from myodrive.models.quality import (
    interval_variation,
    irregular_share,
    mean_rate,
    pulse_to_noise_db,
    silhouette,
)

FS_HZ = 1000.0


def test_silhouette_of_a_hand_made_example():
    # spikes 9, 11 around 10: within 1 + 1 = 2; rest centred on 2: between 49 + 81 = 130
    assert silhouette(np.array([9.0, 11.0]), np.array([1.0, 3.0])) == pytest.approx(128 / 130)


def test_silhouette_is_one_for_equal_spikes_and_zero_without_any():
    assert silhouette(np.full(5, 7.0), np.array([1.0, 2.0])) == 1
    assert silhouette(np.array([]), np.array([1.0])) == 0
    assert silhouette(np.array([1.0]), np.array([])) == 0


def test_silhouette_does_not_depend_on_the_gain(rng):
    spikes, rest = rng.uniform(5, 9, 40), rng.uniform(0, 3, 90)
    assert silhouette(spikes * 100, rest * 100) == pytest.approx(silhouette(spikes, rest))


def test_pulse_to_noise_ratio_of_a_hand_made_example():
    source = np.array([1.0, -1.0, 10.0, 1.0, 10.0, -1.0])
    assert pulse_to_noise_db(source, np.array([2, 4])) == pytest.approx(20)


def test_doubling_the_noise_costs_six_decibels(rng):
    source = rng.normal(size=1000)
    spikes = np.arange(50, 1000, 100)
    quiet, loud = source.copy(), 2 * source
    quiet[spikes] = loud[spikes] = 30
    assert pulse_to_noise_db(quiet, spikes) - pulse_to_noise_db(loud, spikes) == pytest.approx(20 * np.log10(2))


def test_pulse_to_noise_ratio_without_spikes_is_the_least_possible():
    assert pulse_to_noise_db(np.ones(10), np.array([], np.int64)) == -np.inf
    assert pulse_to_noise_db(np.array([0.0, 3.0, 0.0]), np.array([1])) == np.inf


def test_pauses_are_no_intervals():
    train = np.concatenate([np.arange(0, 1000, 100), np.arange(9000, 10_000, 100)])
    assert interval_variation(train, FS_HZ) == pytest.approx(0, abs=1e-12)
    assert mean_rate(train, FS_HZ) == pytest.approx(10)


def test_interval_variation_of_a_hand_made_example():
    assert interval_variation(np.array([0, 80, 200, 280, 400]), FS_HZ) == pytest.approx(0.2)


def test_too_few_spikes_have_no_rate_and_no_regularity():
    train = np.array([0, 100])
    assert interval_variation(train, FS_HZ) == np.inf
    assert mean_rate(train, FS_HZ) == 0
    assert irregular_share(train, FS_HZ) == 1


def test_a_merged_train_is_irregular_and_a_ramping_rate_is_not(rng):
    def train(rate, variation):
        return np.cumsum(rng.normal(1000 / rate, variation * 1000 / rate, 300)).astype(np.int64)

    merged = np.union1d(train(10, 0.15), train(11, 0.15))
    ramp = np.cumsum(1000 / np.linspace(6, 20, 300)).astype(np.int64)
    assert irregular_share(merged, FS_HZ) > 0.15
    assert irregular_share(train(10, 0.2), FS_HZ) < 0.05
    assert irregular_share(ramp, FS_HZ) == 0
