"""The decoder's filters without some of its channels: those that calibration would have made for the channels left.

A filter is ``w = P m``, scaled: the unit's mean extended sample `m` and the inverse `P` of the covariance `C` of the
extended EMG. With `s` the rows of the channels left and `b` those of the channels left out, the filter for `s` alone
is ``C_ss^-1 m_s``. `P` is at hand and `C` is not, but by block inversion

    C_ss^-1 = P_ss - P_sb P_bb^-1 P_bs,   and with  w = P m  so   C_ss^-1 m_s = w_s - P_sb P_bb^-1 w_b :

one solution of as many equations as rows are left out, from the filters as they are. The rows `b` become zero, and each
filter is scaled so that it answers the unit's mean as before: a mean spike stays 1 high.

**Heights.** The variance of a source is ``w' C w = a^2 / g``, with ``g = m' P m`` and the answer ``a = m' w``. For the
channels left ``g_s = m_s' C_ss^-1 m_s = kept * g``, so the variance grows by ``1 / kept``, and with it the square of
the noise height. On real and simulated EMG, 4 to 16 of 64 channels left out, the median variance is this to 0.3 %, the
noise height to 0.5 to 4 % (10 % in the worst unit). Calibration puts the threshold, squared, in the middle between
the squared heights of noise and spikes; spikes stay as high, so

    threshold_s^2 = threshold^2 + (noise_s^2 - noise^2) / 2,

which is within 1 % of what two-means on the new sources finds. With cancellation the threshold is ``1/2 + odds / g``,
so it becomes ``1/2 + (threshold - 1/2) / kept``; the weight is `g`, and the responses are those of the new filters to
the units' waveforms, which the decoder must hold. A unit whose noise would reach `LOST_HEIGHT` of its spikes is lost:
it reports no discharge until its channels are back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .decoder_file import Decoder
from .errors import DecoderError

LOST_HEIGHT = 1 / 3  # of a spike: beyond, noise passes the threshold some times a second
HIGHEST_THRESHOLD = 0.85  # of a spike, with cancellation, as in calibration
NO_WAVEFORMS = "the decoder lacks the units' waveforms, so bad channels cannot be masked: calibrate again"


@dataclass(frozen=True)
class Mask:
    """What the decoder is for the channels left.

    Attributes
    ----------
    bad : ndarray of bool, shape (channels,)
        Channels left out.
    filters : ndarray of float32, shape (extension * channels, units), 1/uV
        Rows of the channels left out, and filters of lost units, are zero.
    kept : ndarray of float64, shape (units,)
        Share of ``m' P m`` that the channels left keep, 0 to 1.
    noise_height, threshold : ndarray of float64, shape (units,)
        The threshold of a lost unit is infinite.
    correction : ndarray of float64, shape (rows left out, units), 1/uV
        ``P_bb^-1 w_b``; the filters before scaling are ``w - P_b' correction``.
    weight : ndarray of float64, shape (units,), or None
    responses : ndarray of float32, shape (units, units, length), or None
        With cancellation.
    """

    bad: NDArray[np.bool_]
    filters: NDArray[np.float32]
    kept: NDArray[np.float64]
    noise_height: NDArray[np.float64]
    threshold: NDArray[np.float64]
    correction: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None
    responses: NDArray[np.float32] | None = None


class Masking:
    """Solves a decoder's filters again for fewer channels.

    Parameters
    ----------
    decoder : Decoder

    Attributes
    ----------
    refusal : str
        Why it cannot be done with this decoder, or "".
    """

    def __init__(self, decoder: Decoder) -> None:
        info = decoder.info
        self.refusal = NO_WAVEFORMS if decoder.responses is not None and decoder.waveforms is None else ""
        self._decoder = decoder
        self._lags = info.extension
        self._filters = decoder.filters.astype(np.float64)  # (width, units)
        self._means = decoder.unit_means.astype(np.float64)
        self._answer = np.einsum("ku,ku->u", self._means, self._filters)
        self._threshold = np.array([unit.threshold for unit in info.units])
        self._noise = np.array([unit.noise_height for unit in info.units])
        self._spike = np.array([unit.spike_height for unit in info.units])

    def rows(self, bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows of the filters that belong to the channels `bad`."""
        return np.tile(bad, self._lags)

    def __call__(self, bad: NDArray[np.bool_]) -> Mask:
        """The decoder without the channels `bad`.

        Parameters
        ----------
        bad : ndarray of bool, shape (channels,)
            Not all of them.

        Raises
        ------
        DecoderError
            The decoder's inverse covariance is none, or `refusal` says why it cannot be done.
        """
        if self.refusal:
            raise DecoderError(self.refusal)
        out = self.rows(bad)
        precision = self._decoder.inverse_covariance[out].astype(np.float64)  # (|b|, width)
        correction = _solved(precision[:, out], self._filters[out])  # (|b|, units)
        filters = self._filters - precision.T @ correction
        filters[out] = 0.0
        kept = np.einsum("ku,ku->u", self._means, filters) / self._answer
        if not (np.isfinite(kept).all() and (kept < 1.01).all()):
            raise DecoderError(
                f"the decoder's inverse covariance is none without channels {np.flatnonzero(bad).tolist()}: "
                "calibrate again"
            )
        kept = np.clip(kept, 0.0, 1.0)
        with np.errstate(divide="ignore"):
            noise = self._noise / np.sqrt(kept)
            lost = ~(noise < LOST_HEIGHT * self._spike)
            lost &= noise > self._noise  # a unit that calibration took stays while nothing is lost to it
            filters *= np.where(lost, 0.0, 1.0 / kept)
            threshold = np.where(lost, np.inf, self._thresholds(kept, noise))
        filters32 = np.ascontiguousarray(filters, np.float32)
        return Mask(bad, filters32, kept, noise, threshold, correction, *self._cancelling(filters32, kept, lost))

    def _thresholds(self, kept: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._decoder.responses is None:
            return np.sqrt(self._threshold**2 + 0.5 * (noise**2 - self._noise**2))
        highest = np.maximum(HIGHEST_THRESHOLD, self._threshold)
        return np.minimum(0.5 + (self._threshold - 0.5) / kept, highest)

    def _cancelling(
        self, filters: NDArray[np.float32], kept: NDArray[np.float64], lost: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float32] | None]:
        """Weights and responses of the new filters."""
        cancellation, waveforms = self._decoder.info.detector.cancellation, self._decoder.waveforms
        if cancellation is None or waveforms is None:
            return None, None
        weight = np.where(lost, 1.0, kept) * np.array(cancellation.weight)
        return weight, responses_to(waveforms, filters, self._lags)


def responses_to(waveforms: NDArray[np.float32], filters: NDArray[np.float32], extension: int) -> NDArray[np.float32]:
    """What a discharge of each unit adds to every source.

    Parameters
    ----------
    waveforms : ndarray of float32, shape (units, window, channels), uV
        In order of time, all with the discharge at the same sample.
    filters : ndarray of float32, shape (extension * channels, units), 1/uV
    extension : int

    Returns
    -------
    ndarray of float32, shape (units, units, window + extension - 1)
        Source k at sample u of unit j's waveform as ``[k, j, u]``.
    """
    units, window, channels = waveforms.shape
    padded = np.pad(waveforms, ((0, 0), (extension - 1, extension - 1), (0, 0)))
    stacked = np.lib.stride_tricks.sliding_window_view(padded, extension, axis=1)  # (units, time, channels, extension)
    found = np.empty((units, units, window + extension - 1), np.float32)
    for unit in range(units):
        newest_first = stacked[unit, :, :, ::-1].swapaxes(1, 2).reshape(-1, extension * channels)  # (time, width)
        found[:, unit] = (newest_first @ filters).T
    return found


def _solved(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solution of ``matrix @ x = right``; not a number where there is none."""
    try:
        return np.asarray(np.linalg.solve(matrix, right), np.float64)
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)


def mask_reference(decoder: Decoder, bad: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Filters and share kept by the covariance itself, inverted twice: the definition that `Masking` is held to.

    Returns
    -------
    filters : ndarray of float64, shape (extension * channels, units), 1/uV
    kept : ndarray of float64, shape (units,)
    """
    means = decoder.unit_means.astype(np.float64)
    precision = decoder.inverse_covariance.astype(np.float64)
    left = np.flatnonzero(~np.tile(bad, decoder.info.extension))
    part = np.linalg.inv(np.linalg.inv(precision)[np.ix_(left, left)])
    answer = np.einsum("ku,ku->u", means, decoder.filters.astype(np.float64))
    filters = np.zeros_like(means)
    filters[left] = part @ means[left]
    own = np.einsum("ku,ku->u", means, filters)
    whole = np.einsum("ku,ku->u", means, precision @ means)
    return filters * (answer / own), own / whole
