"""Prewhitening: a short filter over time and channels after which what is left of the EMG is white noise.

In white noise the best answer to "did this unit fire here" is a plain product with its waveform, over its whole length,
and what a discharge does to all other units' answers is known beforehand. That is what a pursuit needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ...stream.errors import CalibrationError
from ..extension import extended_covariance, project

RIDGE = 1e-4  # of the EMG's own mean power, added to what is left: data without noise stay solvable
RIDGES = 4  # that are tried, each ten times the last


@dataclass(frozen=True)
class Prewhitener:
    """Each sample less what the ``lags - 1`` samples after it tell of it, scaled to unit variance over all channels.

    Predicting backwards whitens as well as forwards; this way it is one block row of a Cholesky factor's inverse.

    Parameters
    ----------
    lags : int
    matrix : ndarray of float32, shape (lags * channels, channels), 1/uV
        Lag-major, newest sample first, as everywhere in `extension`.
    """

    lags: int
    matrix: NDArray[np.float32]

    @classmethod
    def of(cls, left: NDArray[np.float32], lags: int, ridge: float) -> Prewhitener:
        """Fit to what is left of the EMG.

        Parameters
        ----------
        left : ndarray of float32, shape (samples, channels), uV
        lags : int
        ridge : float, uV^2
            Added to every eigenvalue of the covariance; more where rounding asks for it.

        Raises
        ------
        CalibrationError
            Samples that are not finite.
        """
        channels = left.shape[1]
        covariance = extended_covariance(left, lags)
        if not np.isfinite(covariance).all():
            raise CalibrationError("the EMG holds values that are no numbers: repair the recording or leave it out")
        factor = _root(covariance, ridge)
        last = np.zeros((len(factor), channels), np.float32)
        last[-channels:] = np.eye(channels)
        matrix = scipy.linalg.solve_triangular(factor, last, lower=True, trans="T", check_finite=False)
        return cls(lags, np.ascontiguousarray(matrix, np.float32))

    def __call__(self, emg: NDArray[np.float32]) -> NDArray[np.float32]:
        """Whiten EMG (samples, channels); the last ``lags - 1`` samples are taken to be followed by silence."""
        padded = np.pad(emg, ((0, self.lags - 1), (0, 0)))
        return project(padded, self.matrix, self.lags)[self.lags - 1 :]

    def waveforms(self, waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Whiten waveforms (..., samples, channels): longer by ``lags - 1``, and beginning that much earlier."""
        samples, channels = waveforms.shape[-2:]
        margin = [(0, 0)] * (waveforms.ndim - 2) + [(self.lags - 1,) * 2, (0, 0)]
        padded = np.pad(waveforms, margin)
        blocks = self.matrix.reshape(self.lags, channels, channels)[::-1]  # oldest sample first
        length = samples + self.lags - 1
        return sum(padded[..., lag : lag + length, :] @ block for lag, block in enumerate(blocks))


def _root(covariance: NDArray[np.float64], ridge: float) -> NDArray[np.float32]:
    """Lower Cholesky factor of a covariance with its ridge, which grows until the float32 matrix has one."""
    rounding = float(np.finfo(np.float32).eps * np.trace(covariance))
    for _ in range(RIDGES):
        raised = covariance.astype(np.float32)
        raised.flat[:: len(raised) + 1] += np.float32(ridge)
        try:
            return scipy.linalg.cholesky(raised, lower=True, overwrite_a=True, check_finite=False)
        except scipy.linalg.LinAlgError:  # channels that one source drives: the smallest eigenvalues are rounding
            ridge = max(10.0 * ridge, rounding)
    raise CalibrationError("every channel is flat: check the electrodes and record again")
