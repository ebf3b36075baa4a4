"""Whitened signals are uncorrelated; the regularised inverse covariance is what it says."""

import numpy as np
import pytest

from myodrive.models.extension import extend, extended_covariance, project
from myodrive.models.whitening import fit_ridge, fit_whitening, triangular
from myodrive.stream.errors import CalibrationError


def test_whitened_signals_have_unit_covariance(easy):
    emg = easy[0]
    whitening = fit_whitening(emg, 8)
    whitened = project(emg, whitening.matrix, 8)
    np.testing.assert_allclose(whitened.T @ whitened / len(emg), np.eye(whitening.rank), atol=5e-3)


def test_every_eigenvalue_kept_is_above_the_mean_of_the_smaller_half(easy):
    emg = easy[0]
    whitening = fit_whitening(emg, 8)
    values = np.linalg.eigvalsh(extended_covariance(emg, 8))
    assert whitening.regularisation == pytest.approx(values[: len(values) // 2].mean(), rel=1e-3)
    assert whitening.rank == np.sum(values > whitening.regularisation)


def test_ridge_inverts_the_covariance_with_the_ridge_added(easy):
    emg = easy[0]
    whitening = fit_ridge(emg, 4, 0.3)
    ridged = extended_covariance(emg, 4) + whitening.regularisation * np.eye(whitening.rank)
    inverse = whitening.matrix.astype(np.float64) @ whitening.matrix.T
    np.testing.assert_allclose(ridged @ inverse, np.eye(whitening.rank), atol=1e-3)


@pytest.mark.parametrize("factor", [0.1, 10])
def test_whitened_signals_do_not_depend_on_the_gain(easy, factor):
    emg = easy[0][:4000]
    one, other = fit_whitening(emg, 4), fit_whitening(emg * np.float32(factor), 4)
    np.testing.assert_allclose(
        other.matrix @ other.matrix.T * factor**2, one.matrix @ one.matrix.T, rtol=1e-2, atol=1e-3
    )


def test_two_equal_channels_are_no_obstacle(rng):
    emg = rng.normal(size=(3000, 3)).astype(np.float32)
    emg = emg[:, [0, 1, 2, 2]]
    for whitening in (fit_whitening(emg, 4), fit_ridge(emg, 4, 0.2)):
        assert np.isfinite(extend(emg, 4) @ whitening.matrix).all()


@pytest.mark.parametrize("fit", [lambda emg: fit_whitening(emg, 4), lambda emg: fit_ridge(emg, 4, 0.2)])
def test_flat_emg_is_refused(fit):
    with pytest.raises(CalibrationError, match="flat"):
        fit(np.zeros((1000, 4), np.float32))


def test_the_triangular_whitening_inverts_the_covariance_with_its_ridge(rng):
    emg = rng.normal(0.0, 3.0, (4000, 5)).astype(np.float32)
    covariance = extended_covariance(emg, 4)
    whitening = triangular(covariance.copy(), 0.2)
    inverse = np.linalg.inv(covariance + whitening.regularisation * np.eye(20))
    np.testing.assert_allclose(whitening.matrix @ whitening.matrix.T, inverse, atol=1e-4 * np.abs(inverse).max())
    values = np.linalg.eigvalsh(covariance)
    assert whitening.regularisation == pytest.approx(0.2 * values[:10].mean(), rel=1e-3)
    assert whitening.rank == 20
