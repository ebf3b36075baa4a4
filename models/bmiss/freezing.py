"""From units found by inversion to a decoder that finds them live: filters, what units do to each other, thresholds.

A unit's filter is ``C^-1 a``: its waveform `a`, and a covariance C of the EMG from which most of the other units' power
has gone, since the live path takes their discharges out (`stream.cancel`). What the detector misses stays in, so a
share of the whole EMG's covariance stays in C. Quality and discharges are those of the live detector itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...stream.cancel import CancellingDetector
from ...stream.decoder_file import CancellationSettings, DetectorSettings
from ...stream.detect import Detector
from ...stream.masking import responses_to
from ..duplicates import TOLERANCE_S, distinct
from ..extension import default_extension, extended_covariance, project
from ..firing import SIDE_LOBE_S, Firing, FiringLimits
from ..matching import agree
from ..peaks import peaks
from ..peeling import add_response, subtract
from ..quality import interval_variation, irregular_share, mean_rate, pulse_to_noise_db, silhouette
from ..whitening import Whitening, triangular
from .held import Held

Train = NDArray[np.int64]
KEPT_SHARE = 0.15  # of what the units add to the covariance, that stays: 5 to 40 % recover the same
ODDS = 5.0  # log-likelihood ratio that a discharge must have over none
HIGHEST_THRESHOLD = 0.85  # of a discharge's height
FEWEST_LAGS, LAGGED = 10, 2048  # of the live filters; signals that the covariance is of, where the lags allow it
MOST_LAGS = 32
SHIFT_S = 0.04  # from the instant that a search gives a discharge to the peak of its source, at most
DROPPED_SHARE = 0.34  # of the units that fail, at a time: others may pass without the worst
ANY_PEAK = 1e-3  # of a discharge's height
PEAK_WAIT_S = 0.001  # other peaks are counted as those of sources without cancellation are


@dataclass(frozen=True)
class FreezeSettings:
    """How the live decoder is made and what it keeps.

    Parameters
    ----------
    detector : DetectorSettings
        Look-ahead and refractory time, samples; the cancellation is filled in.
    stride : int, samples
        From one decided window to the next.
    deaf_until : int, samples
        Nothing is reported before, as on a stream.
    ridge : float
        Regularisation, as a share of the mean of the smaller half of the covariance's eigenvalues.
    limits : FiringLimits
    min_sil : float
        Least silhouette of a unit's source without the others.
    min_agreement : float
        Least rate of agreement with the train that the search found.
    """

    detector: DetectorSettings
    stride: int
    deaf_until: int
    ridge: float = 0.2
    limits: FiringLimits = field(default_factory=FiringLimits)
    min_sil: float = 0.85
    min_agreement: float = 0.8


@dataclass(frozen=True)
class Frozen:
    """All that the live path needs, and what it then finds.

    Attributes
    ----------
    units : ndarray of int64, shape (kept,)
        Which of the units given.
    extension : int
    whitening : Whitening
    filters : ndarray of float32, shape (extended, units), 1/uV
        A discharge is 1 high.
    unit_means : ndarray of float32, shape (extended, units), uV
    thresholds : ndarray of float64, shape (units,)
    responses : ndarray of float32, shape (units, units, length)
        As `stream.cancel` takes them.
    waveforms : ndarray of float32, shape (units, length - extension + 1, channels), uV
        That the filters answer with the responses.
    detector : DetectorSettings
    firings : list of Firing
        Each unit's live discharges over the whole recording, judged on its source with the others' taken out.
    noise_height : ndarray of float64, shape (units,)
        Root mean square of the other peaks of that source.
    delay : ndarray of int64, shape (units,), samples
        From the instant that the search gives a discharge to the peak of the source.
    """

    units: NDArray[np.int64]
    extension: int
    whitening: Whitening
    filters: NDArray[np.float32]
    unit_means: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    responses: NDArray[np.float32]
    waveforms: NDArray[np.float32]
    detector: DetectorSettings
    firings: list[Firing]
    noise_height: NDArray[np.float64]
    delay: NDArray[np.int64]

    def trains(self, part: slice) -> list[Train]:
        """Live discharges in part of the recording, from its first sample, as the search would give them."""
        moved = [one.spikes - delay - part.start for one, delay in zip(self.firings, self.delay, strict=True)]
        return [train[(train >= 0) & (train < part.stop - part.start)] for train in moved]


def lags_of_filters(channels: int) -> int:
    """Samples stacked per extended sample of the live filters."""
    return max(FEWEST_LAGS, default_extension(channels), min(MOST_LAGS, round(LAGGED / channels)))


def freeze(
    emg: NDArray[np.float32], learnt: slice, held: Held, settings: FreezeSettings, fs_hz: float
) -> Frozen | None:
    """Make the live decoder of units, drop those that it does not find again, and make it anew until it finds all.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        The whole recording, filtered.
    learnt : slice, samples
        The part in which the units were found.
    held : Held
        The units.
    settings : FreezeSettings
    fs_hz : float

    Returns
    -------
    Frozen, or None
        None where no unit is left.
    """
    part = np.ascontiguousarray(emg[learnt])
    extension = lags_of_filters(emg.shape[1])
    of_all = extended_covariance(part, extension)
    kept = np.arange(len(held))
    while len(kept):
        here = held.some(kept)
        covariance = extended_covariance(here.left_of(part), extension)
        covariance += KEPT_SHARE * (of_all - covariance)
        found = _frozen(emg, here, kept, triangular(covariance, settings.ridge), extension, settings, fs_hz)
        doubt = _doubt(found.firings, here.trains, learnt, settings, fs_hz)
        wrong = np.flatnonzero(doubt > 0.0)
        if not len(wrong):
            return found
        worst = wrong[np.argsort(-doubt[wrong], kind="stable")][: math.ceil(DROPPED_SHARE * len(wrong))]
        kept = np.delete(kept, worst)
    return None


def _frozen(
    emg: NDArray[np.float32],
    held: Held,
    units: NDArray[np.int64],
    whitening: Whitening,
    extension: int,
    settings: FreezeSettings,
    fs_hz: float,
) -> Frozen:
    """The decoder of some units, all of them kept, and what it finds."""
    means, newest = _means_at_best_lag(held.waveforms, whitening.matrix, extension)
    white = means @ whitening.matrix  # (units, rank)
    weight = np.maximum(np.einsum("ur,ur->u", white, white, dtype=np.float64), 1e-12)  # a discharge's mean height
    filters = whitening.matrix @ (white / weight[:, None]).astype(np.float32).T
    waveforms, before = _aligned(held.waveforms, newest)
    responses = responses_to(waveforms, filters, extension)
    thresholds = np.minimum(0.5 + ODDS / weight, HIGHEST_THRESHOLD)
    cancellation = CancellationSettings(before, settings.stride, weight.tolist())
    detector = msgspec.structs.replace(settings.detector, cancellation=cancellation)
    sources = project(emg, filters, extension)  # (samples, units)
    discharges = _live(sources, thresholds, responses, detector, settings.deaf_until)
    firings, noise_height = _judged(sources, discharges, thresholds, responses, detector, settings, fs_hz)
    return Frozen(
        units, extension, whitening, filters, np.ascontiguousarray(means.T), thresholds, responses, waveforms,
        detector, firings, noise_height, newest - held.before,
    )  # fmt: skip


def _means_at_best_lag(
    waveforms: NDArray[np.float32], matrix: NDArray[np.float32], extension: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Each unit's extended sample (units, extended) that its filter answers most, and the newest sample in it.

    Samples before the window count as silence.
    """
    units, window, channels = waveforms.shape
    padded = np.pad(waveforms, ((0, 0), (extension - 1, 0), (0, 0)))
    at_lag = np.lib.stride_tricks.sliding_window_view(padded, extension, axis=1)  # (units, window, channels, extension)
    at_lag = at_lag[..., ::-1].swapaxes(2, 3)  # newest first
    means = np.empty((units, extension * channels), np.float32)
    newest = np.empty(units, np.int64)
    for unit in range(units):
        every = at_lag[unit].reshape(window, extension * channels)
        newest[unit] = np.argmax(np.sum(np.square(every @ matrix), axis=1))
        means[unit] = every[newest[unit]]
    return means, newest


def _aligned(waveforms: NDArray[np.float32], newest: NDArray[np.int64]) -> tuple[NDArray[np.float32], int]:
    """Waveforms shifted so that sample `newest` of each is the same, the second value, with silence around them."""
    units, window, channels = waveforms.shape
    before = int(newest.max())
    aligned = np.zeros((units, before + window - int(newest.min()), channels), np.float32)
    for unit, peak in enumerate(newest):
        aligned[unit, before - peak : before - peak + window] = waveforms[unit]
    return aligned, before


def _live(
    sources: NDArray[np.float32],
    thresholds: NDArray[np.float64],
    responses: NDArray[np.float32],
    settings: DetectorSettings,
    deaf_until: int,
) -> list[Train]:
    """Discharges of every unit by the live detector."""
    detector = CancellingDetector(thresholds.astype(np.float32), responses, settings, len(sources))
    detector.reset(deaf_until)
    count = detector(np.ascontiguousarray(sources), 0)
    unit, sample = detector.unit[:count], detector.sample[:count]
    return [sample[unit == m].copy() for m in range(len(thresholds))]


def _judged(
    sources: NDArray[np.float32],
    discharges: Sequence[Train],
    thresholds: NDArray[np.float64],
    responses: NDArray[np.float32],
    detector: DetectorSettings,
    settings: FreezeSettings,
    fs_hz: float,
) -> tuple[list[Firing], NDArray[np.float64]]:
    """Quality of live discharges, each unit's on its source without the others', and the height of the other peaks."""
    assert detector.cancellation is not None
    before = detector.cancellation.before
    by_unit = np.ascontiguousarray(responses.transpose(1, 2, 0))  # (of unit, time, in source)
    rest = np.ascontiguousarray(subtract(sources, discharges, by_unit, before).T)  # (units, samples)
    wait = math.ceil(PEAK_WAIT_S * fs_hz)
    finder = Detector(np.full(len(rest), ANY_PEAK, np.float32), wait, wait + 1, rest.shape[1])
    finder.reset(settings.deaf_until)
    count = finder(np.ascontiguousarray(rest.T), 0)
    firings, heights = [], np.zeros(len(rest))
    for unit, spikes in enumerate(discharges):
        other = rest[unit, finder.sample[:count][finder.unit[:count] == unit]].astype(np.float64)
        own = add_response(rest[unit], spikes, responses[unit, unit], before)
        height = own[spikes].astype(np.float64)
        close = peaks(own, max(1, round(SIDE_LOBE_S * fs_hz)))
        high = np.count_nonzero(own[close] > thresholds[unit])
        heights[unit] = math.sqrt(float(np.mean(other**2))) if len(other) else 0.0
        firings.append(
            Firing(
                spikes=spikes,
                level=float(height.mean()) if len(height) else 0.0,
                threshold=float(thresholds[unit]),
                sil=silhouette(height * np.abs(height), other**2),
                pnr_db=pulse_to_noise_db(own, spikes),
                cov=interval_variation(spikes, fs_hz),
                rate_hz=mean_rate(spikes, fs_hz),
                irregular=irregular_share(spikes, fs_hz),
                crowded=max(0.0, 1.0 - len(spikes) / high) if high else 0.0,
            )
        )
    return firings, heights


def _doubt(
    firings: Sequence[Firing], trains: Sequence[Train], learnt: slice, settings: FreezeSettings, fs_hz: float
) -> NDArray[np.float64]:
    """Of each unit, 0 where its live discharges are one unit's, those that the search found, and nobody else's."""
    tolerance, reach = max(1, round(TOLERANCE_S * fs_hz)), round(SHIFT_S * fs_hz)
    doubt = np.zeros(len(firings))
    for unit, (one, train) in enumerate(zip(firings, trains, strict=True)):
        live = one.spikes[(one.spikes >= learnt.start) & (one.spikes < learnt.stop)] - learnt.start
        agreement = agree(live, train, tolerance=tolerance, max_shift=reach).roa
        if not one.meets(settings.limits, settings.min_sil) or agreement < settings.min_agreement:
            doubt[unit] = 1.0 + max(0.0, settings.min_agreement - agreement)
    alone = distinct([one.spikes for one in firings], np.array([one.sil for one in firings]) - doubt, fs_hz)
    doubt[np.setdiff1d(np.arange(len(firings)), alone)] += 1.0
    return doubt
