"""Live filters: where they look, and their scale."""

import numpy as np

from myodrive.models.extension import extend, extended_mean, project
from myodrive.models.freezing import align, best_lag, linear_filters
from myodrive.models.whitening import fit_ridge

from .synthetic import FS_HZ

EXTENSION = 12


def test_a_filter_answers_its_own_mean_with_one(easy):
    emg, trains = easy
    whitening = fit_ridge(emg, EXTENSION, 0.2)
    means = [extended_mean(emg, train, EXTENSION) for train in trains]
    filters = linear_filters(means, whitening)
    np.testing.assert_allclose(np.sum(np.stack(means, axis=1) * filters, axis=0), 1, rtol=1e-3)


def test_a_filter_is_the_regularised_least_squares_estimate_of_the_train(easy):
    emg, trains = easy
    whitening = fit_ridge(emg, 4, 0.2)
    extended = extend(emg, 4).astype(np.float64)
    train = np.zeros(len(emg))
    train[trains[0]] = 1
    ridge = len(emg) * whitening.regularisation * np.eye(extended.shape[1])
    expected = np.linalg.solve(extended.T @ extended + ridge, extended.T @ train)
    found = linear_filters([extended_mean(emg, trains[0], 4)], whitening)[:, 0]
    assert np.corrcoef(found, expected)[0, 1] > 0.999


def test_the_best_lag_answers_more_than_the_others(easy):
    emg, trains = easy
    whitening = fit_ridge(emg, EXTENSION, 0.2)
    shifted, mean = align(emg, trains[0], whitening, EXTENSION, 6)
    lag = int(shifted[0] - trains[0][0])
    power = [np.sum((extended_mean(emg, trains[0] + k, EXTENSION) @ whitening.matrix) ** 2) for k in range(-6, 7)]
    assert int(np.argmax(power)) - 6 == lag
    np.testing.assert_allclose(mean, extended_mean(emg, shifted, EXTENSION), atol=1e-4)


def test_a_train_off_by_some_samples_is_brought_to_the_same_place(easy):
    emg, trains = easy
    whitening = fit_ridge(emg, EXTENSION, 0.2)
    straight, _ = align(emg, trains[1], whitening, EXTENSION, 8)
    moved, _ = align(emg, trains[1] + 3, whitening, EXTENSION, 8)
    np.testing.assert_array_equal(moved, straight)


def test_best_lag_without_reach_is_zero(easy, rng):
    whitening = fit_ridge(easy[0], EXTENSION, 0.2)
    assert best_lag(rng.normal(size=(EXTENSION, 32)).astype(np.float32), whitening, EXTENSION, 0) == 0


def test_the_source_peaks_at_the_aligned_discharges(easy):
    emg, trains = easy
    whitening = fit_ridge(emg, EXTENSION, 0.2)
    shifted, mean = align(emg, trains[2], whitening, EXTENSION, 6)
    source = project(emg, linear_filters([mean], whitening), EXTENSION)[:, 0]
    around = source[shifted[:, None] + np.arange(-10, 11)].mean(axis=0)
    assert int(np.argmax(around)) == 10
    assert len(source) / FS_HZ > 10
