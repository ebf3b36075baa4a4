"""The extended EMG is never stored: every product must equal the one with the stored matrix."""

import numpy as np
import pytest

from myodrive.models.extension import (
    default_extension,
    extend,
    extended_covariance,
    extended_mean,
    flip_lags,
    project,
    window_means,
)


@pytest.mark.parametrize(("samples", "channels", "extension"), [(97, 3, 5), (64, 2, 8), (5, 4, 7), (30, 1, 1)])
def test_projection_equals_the_product_with_the_stored_matrix(rng, samples, channels, extension):
    emg = rng.normal(size=(samples, channels)).astype(np.float32)
    matrix = rng.normal(size=(extension * channels, 6)).astype(np.float32)
    np.testing.assert_allclose(project(emg, matrix, extension), extend(emg, extension) @ matrix, atol=1e-4)


def test_extension_is_lag_major_with_the_newest_sample_first():
    emg = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.testing.assert_array_equal(extend(emg, 3)[3], [6, 7, 4, 5, 2, 3])
    np.testing.assert_array_equal(extend(emg, 3)[0], [0, 1, 0, 0, 0, 0])


def test_covariance_equals_that_of_the_stored_matrix_on_silence_at_both_ends(rng):
    emg = np.zeros((500, 3), np.float32)
    emg[20:480] = rng.normal(size=(460, 3))
    extended = extend(emg, 6)
    np.testing.assert_allclose(extended_covariance(emg, 6), extended.T @ extended / 500, atol=1e-5)


def test_covariance_is_symmetric(rng):
    covariance = extended_covariance(rng.normal(size=(300, 4)).astype(np.float32), 5)
    np.testing.assert_array_equal(covariance, covariance.T)


def test_mean_extended_sample_equals_the_stored_matrix_mean(rng):
    emg = rng.normal(size=(400, 3)).astype(np.float32)
    discharges = np.array([40, 90, 200, 399])
    expected = extend(emg, 7)[discharges].mean(axis=0)
    np.testing.assert_allclose(extended_mean(emg, discharges, 7), expected, atol=1e-5)


def test_windows_that_leave_the_recording_do_not_count(rng):
    emg = rng.normal(size=(100, 2)).astype(np.float32)
    inside = window_means(emg, np.array([50]), 10, 10)
    np.testing.assert_array_equal(window_means(emg, np.array([3, 50, 95]), 10, 10), inside)


def test_no_discharge_has_a_mean_of_zero():
    assert not window_means(np.ones((50, 2), np.float32), np.array([], np.int64), 5, 5).any()


def test_flipping_lags_twice_changes_nothing(rng):
    matrix = rng.normal(size=(12, 5))
    np.testing.assert_array_equal(flip_lags(flip_lags(matrix, 4), 4), matrix)


@pytest.mark.parametrize(("channels", "extension"), [(64, 16), (65, 15), (128, 8), (256, 4), (384, 4)])
def test_default_extension_fills_about_a_thousand_rows_but_never_less_than_four_samples(channels, extension):
    assert default_extension(channels) == extension
