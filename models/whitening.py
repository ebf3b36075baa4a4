"""Whitening of the extended EMG: from its covariance to uncorrelated signals of unit variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ..stream.errors import CalibrationError
from .extension import extended_covariance

LEAST_SHARE = 1e-7  # of the largest eigenvalue: the covariances are float32, good to 7 digits


@dataclass(frozen=True)
class Whitening:
    """Linear map from the extended EMG to `rank` uncorrelated signals: ``z = x_ext @ matrix``.

    Parameters
    ----------
    method : str
        How the small eigenvalues were treated. "truncated": those at or below `regularisation` are left out, what
        is kept has unit variance. "ridge": `regularisation` is added to all.
    rank : int
        Eigenvalues kept.
    regularisation : float
        rho, uV^2.
    matrix : ndarray of float32, shape (extended, rank), 1/uV
        E D^-1/2 of the eigenvalues so treated; the regularised inverse covariance is ``matrix @ matrix.T``.
    """

    method: str
    rank: int
    regularisation: float
    matrix: NDArray[np.float32]


def fit_whitening(emg: NDArray[np.float32], extension: int, max_rank: int | None = None) -> Whitening:
    """Whiten by the eigenvectors whose eigenvalue exceeds the mean of the smaller half (Negro et al. 2016).

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    extension : int
    max_rank : int, optional
        Keep no more than the largest `max_rank` eigenvalues.

    Raises
    ------
    CalibrationError
        The EMG has no variance.
    """
    values, vectors = _spectrum(emg, extension)
    floor = float(values[: len(values) // 2].mean())
    first = int(np.searchsorted(values, floor, side="right"))
    if max_rank is not None:
        first = max(first, len(values) - max_rank)
    matrix = vectors[:, first:] / np.sqrt(values[first:])
    return Whitening("truncated", matrix.shape[1], floor, np.ascontiguousarray(matrix, np.float32))


def fit_ridge(emg: NDArray[np.float32], extension: int, share: float) -> Whitening:
    """The inverse covariance that live filters use: a part of the noise level added to every eigenvalue.

    Small eigenvalues hold little of a unit but much of what tells it from another; leaving them out costs the
    filters more than their noise does.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    extension : int
    share : float
        Of the mean of the smaller half of the eigenvalues.

    Raises
    ------
    CalibrationError
        The EMG has no variance.
    """
    values, vectors = _spectrum(emg, extension)
    added = share * float(values[: len(values) // 2].mean())
    matrix = vectors / np.sqrt(values + added)
    return Whitening("ridge", matrix.shape[1], added, np.ascontiguousarray(matrix, np.float32))


def triangular(covariance: NDArray[np.float64], share: float) -> Whitening:
    """The same of a covariance that is given, by its Cholesky factor: a tenth of the time.

    Parameters
    ----------
    covariance : ndarray of float64, shape (extended, extended), uV^2
        Changed.
    share : float
        Of the mean of the smaller half of the eigenvalues.
    """
    values = scipy.linalg.eigvalsh(covariance.astype(np.float32), overwrite_a=True, check_finite=False)
    added = share * max(float(values[: len(values) // 2].mean()), LEAST_SHARE * float(values[-1]))
    covariance.flat[:: len(covariance) + 1] += added
    factor = scipy.linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    matrix = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True, trans="T", check_finite=False)
    return Whitening("ridge", len(matrix), added, np.ascontiguousarray(matrix, np.float32))


def _spectrum(emg: NDArray[np.float32], extension: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, vectors = scipy.linalg.eigh(extended_covariance(emg, extension), overwrite_a=True, check_finite=False)
    if not values[-1] > 0:
        raise CalibrationError("every channel is flat: check the electrodes and record again")
    return np.maximum(values, LEAST_SHARE * values[-1]), vectors
