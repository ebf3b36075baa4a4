"""The search that calibrates a decoder: blind source separation with successive cancellation.

Each round whitens what is left of the EMG, lets many separation vectors find spike trains at once, detects the
known units again with the others taken out, and subtracts the waveforms of all. At the end each unit gets the
linear filter that will run live, and only units that this filter alone separates are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..stream.errors import CalibrationError
from .activity import active_stretch
from .candidates import search
from .contrast import CONTRASTS
from .duplicates import distinct
from .extension import default_extension, live_extension, project
from .firing import Firing, FiringLimits, judge
from .freezing import align, linear_filters
from .matching import agree
from .peaks import peaks
from .peeling import subtract, waveforms
from .refinement import detect_again
from .settings import SearchSettings
from .whitening import Whitening, fit_ridge, fit_whitening

USUAL_S = 20.0  # s of recording that `min_discharges` is meant for
DEFAULT = SearchSettings()
COV_SLACK = 0.02  # a better train is as regular as before; one that lost discharges is not


@dataclass(frozen=True)
class Round:
    """What one round did: units found, units held after it, share of the EMG's power that is left."""

    found: int
    held: int
    power_left: float


@dataclass(frozen=True)
class Separation:
    """Motor units of a recording and the linear filters that decode them.

    Parameters
    ----------
    extension : int
    whitening : Whitening
        Of the EMG as recorded; its rows are those of the extended EMG, zero for channels left out.
    discharges : tuple of ndarray of int64, samples
        Per unit, where its frozen source peaks above its threshold.
    filters : ndarray of float32, shape (extended, units), 1/uV
        ``source = x_ext @ filters``; a discharge is 1 high on average.
    unit_means : ndarray of float32, shape (extended, units), uV
        Mean extended sample at the unit's discharges; ``filters`` is ``C+ unit_means``, scaled.
    thresholds : ndarray of float64, shape (units,)
        Source height that parts discharges from other peaks.
    sil, pnr_db, cov : ndarray of float64, shape (units,)
        Of the frozen source.
    log : tuple of Round
    """

    extension: int
    whitening: Whitening
    discharges: tuple[NDArray[np.int64], ...]
    filters: NDArray[np.float32]
    unit_means: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    sil: NDArray[np.float64]
    pnr_db: NDArray[np.float64]
    cov: NDArray[np.float64]
    log: tuple[Round, ...]


def separate(
    emg: NDArray[np.float32],
    settings: SearchSettings = DEFAULT,
    *,
    fs_hz: float,
    progress: Callable[[float, int], None] | None = None,
    excluded: Sequence[int] | None = None,
) -> Separation:
    """Find the motor units of a recording and the linear filter of each.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
        Band-passed, 20-500 Hz.
    settings : SearchSettings
    fs_hz : float
    progress : callable, optional
        Called with the fraction done, 0 to 1, and the units held.
    excluded : sequence of int, optional
        Channels to leave out; flat ones are left out in any case.

    Raises
    ------
    CalibrationError
        The recording is too short, not finite, flat, or holds no unit that a linear filter separates.
    """
    channels = usable_channels(emg, settings, fs_hz=fs_hz, excluded=excluded)
    usual = default_extension(len(channels))
    extension = settings.extension or live_extension(len(channels))
    search_extension = settings.search_extension or min(extension, usual)
    settings = replace(settings, limits=for_length(settings.limits, len(emg) / fs_hz))
    edge = round(settings.edge_s * fs_hz)
    scale = float(np.sqrt(np.mean(np.square(emg[:, channels], dtype=np.float64))))
    whole = np.ascontiguousarray(emg[:, channels] / np.float32(scale), np.float32)
    inner = whole[edge : len(whole) - edge]

    stretch = active_stretch(inner, fs_hz)
    active, start = inner[stretch], edge + stretch.start

    units, log = successive_cancellation(active, search_extension, settings, fs_hz, progress)
    whitening = fit_ridge(active, extension, settings.ridge)
    aligned = [align(active, one.spikes, whitening, extension, extension // 2) for one in units]
    trains = [train + start for train, _ in aligned]  # samples of the whole recording
    frozen = _freeze(whole, edge, whitening, extension, trains, [mean for _, mean in aligned], settings, fs_hz)
    if progress is not None:
        progress(1.0, len(frozen.discharges))
    return _on_all_channels(replace(frozen, log=tuple(log)), channels, emg.shape[1], scale)


def for_length(limits: FiringLimits, seconds: float) -> FiringLimits:
    """The limits with fewer discharges asked of a recording shorter than `USUAL_S`."""
    return replace(limits, min_discharges=round(limits.min_discharges * min(1.0, seconds / USUAL_S)))


def check_length(seconds: float, settings: SearchSettings = DEFAULT) -> None:
    """Refuse a recording that is too short for a decoder.

    Raises
    ------
    CalibrationError
    """
    needed = 3 * settings.edge_s + 1
    if seconds < needed:
        raise CalibrationError(
            f"the recording is {seconds:.1f} s long and a decoder needs at least {needed:.0f} s, "
            "better 20 s: record a longer contraction"
        )


def usable_channels(
    emg: NDArray[np.float32], settings: SearchSettings, *, fs_hz: float, excluded: Sequence[int] | None
) -> NDArray[np.int64]:
    """Channels to learn from, once the recording has been checked; raises CalibrationError."""
    check_length(len(emg) / fs_hz, settings)
    kept = np.setdiff1d(np.arange(emg.shape[1]), np.asarray(() if excluded is None else excluded, np.int64))
    bad = kept[~np.isfinite(emg[:, kept]).all(axis=0)]
    if len(bad):
        raise CalibrationError(
            f"channel {bad[0]} holds values that are not numbers: exclude it or repair the recording"
        )
    spread = emg[:, kept].std(axis=0)
    alive = kept[spread > 1e-3 * np.median(spread)] if len(kept) else kept
    if len(alive) < 2:
        raise CalibrationError(
            f"{len(alive)} of {emg.shape[1]} channels carry a signal: check the electrodes and record again"
        )
    return alive


def successive_cancellation(
    emg: NDArray[np.float32],
    extension: int,
    settings: SearchSettings,
    fs_hz: float,
    progress: Callable[[float, int], None] | None,
) -> tuple[list[Firing], list[Round]]:
    """Find units, subtract them, and search what is left, until a round brings nothing new.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels)
        Of a contraction, filtered and scaled to a variance of 1.
    extension : int
    settings : SearchSettings
    fs_hz : float
    progress : callable, optional
        Called with the fraction done, 0 to 1, and the units held.

    Returns
    -------
    list of Firing
        The units, on what the others leave.
    list of Round
    """
    limits, reach = settings.limits, max(round(settings.peel_s * fs_hz), extension)
    before, after = reach + extension // 2, reach - extension // 2  # the filter looks at the samples before its peak
    contrast = CONTRASTS[settings.contrast]
    units: list[Firing] = []
    log: list[Round] = []
    residual = emg
    for number in range(settings.rounds):
        whitening = fit_whitening(residual, extension, settings.max_rank)
        whitened = project(residual, whitening.matrix, extension)
        candidates = search(
            whitened, contrast, fs_hz=fs_hz, starts=settings.starts, iterations=settings.iterations,
            active_share=settings.active_share, cap=settings.cap, refinements=settings.refinements,
            refractory_s=limits.refractory_s,
        )  # fmt: skip
        fresh = [
            replace(one, spikes=align(residual, one.spikes, whitening, extension, extension)[0])
            for one in candidates
            if one.meets(limits, settings.search_sil)
        ]
        known = len(units)
        everyone = units + fresh
        rank = np.array([2.0] * known + [one.sil for one in fresh])  # known units come first
        units = [everyone[index] for index in distinct([one.spikes for one in everyone], rank, fs_hz)]
        if progress is not None:
            progress((number + 1) / (settings.rounds + 1), len(units))
        if not units:
            break
        units, residual = _subtract_all(emg, units, before, after, extension, whitening.regularisation, settings, fs_hz)
        log.append(Round(len(fresh), len(units), float(np.var(residual) / np.var(emg))))
        if not fresh:
            break
    return units, log


def _subtract_all(
    emg: NDArray[np.float32],
    units: list[Firing],
    before: int,
    after: int,
    extension: int,
    ridge: float,
    settings: SearchSettings,
    fs_hz: float,
) -> tuple[list[Firing], NDArray[np.float32]]:
    """Refine the units' trains on each other's residual, and return them and what they leave of the EMG."""
    for _ in range(settings.polish):
        trains = [one.spikes for one in units]
        shapes = waveforms(emg, trains, before, after)
        again = detect_again(
            subtract(emg, trains, shapes, before), units, shapes,
            before=before, extension=extension, ridge=ridge, fs_hz=fs_hz, refractory_s=settings.limits.refractory_s,
        )  # fmt: skip
        units = [
            new
            if new.meets(settings.limits, min(settings.search_sil, old.sil)) and new.cov <= old.cov + COV_SLACK
            else old
            for new, old in zip(again, units, strict=True)
        ]
    trains = [one.spikes for one in units]
    return units, subtract(emg, trains, waveforms(emg, trains, before, after), before)


def _freeze(
    emg: NDArray[np.float32],
    edge: int,
    whitening: Whitening,
    extension: int,
    trains: Sequence[NDArray[np.int64]],
    means: Sequence[NDArray[np.float32]],
    settings: SearchSettings,
    fs_hz: float,
) -> Separation:
    """Give each unit its linear filter, decode the recording with it, and keep what it separates."""
    limits = settings.limits
    if not means:
        raise CalibrationError(NOTHING_FOUND)
    filters = linear_filters(means, whitening)
    sources = np.ascontiguousarray(project(emg, filters, extension).T)  # (units, samples)
    inside = [judge(source[edge : len(emg) - edge], fs_hz, limits.refractory_s) for source in sources]
    judged = [replace(one, spikes=one.spikes + edge) for one in inside]
    good = [
        index
        for index, one in enumerate(judged)
        if one.meets(limits) and _agreement(one.spikes, trains[index], fs_hz) >= settings.min_agreement
    ]
    distinct_ones = distinct([judged[i].spikes for i in good], np.array([judged[i].sil for i in good]), fs_hz)
    kept = [good[index] for index in distinct_ones]
    if not kept:
        raise CalibrationError(NOTHING_FOUND)
    refractory = max(1, round(limits.refractory_s * fs_hz))
    discharges = []
    for index in kept:
        found = peaks(sources[index], refractory)
        discharges.append(found[sources[index][found] > judged[index].threshold])
    level = np.array([judged[index].level for index in kept])
    return Separation(
        extension=extension,
        whitening=whitening,
        discharges=tuple(discharges),
        filters=np.ascontiguousarray(filters[:, kept] / level, np.float32),
        unit_means=np.stack([means[index] for index in kept], axis=1),
        thresholds=np.array([judged[index].threshold for index in kept]) / level,
        sil=np.array([judged[index].sil for index in kept]),
        pnr_db=np.array([judged[index].pnr_db for index in kept]),
        cov=np.array([judged[index].cov for index in kept]),
        log=(),
    )


def _agreement(found: NDArray[np.int64], train: NDArray[np.int64], fs_hz: float) -> float:
    """Rate of agreement within 1 ms, the peak's place in the source left free by 10 ms."""
    return agree(found, train, tolerance=max(1, round(0.001 * fs_hz)), max_shift=round(0.01 * fs_hz)).roa


NOTHING_FOUND = (
    "no motor unit could be told apart from the others in this recording: "
    "record a longer or stronger contraction, and check the electrodes' contact"
)


def _on_all_channels(
    separation: Separation, channels: NDArray[np.int64], all_channels: int, scale: float
) -> Separation:
    """Put zero rows where channels were left out, and microvolts where the search used units of the EMG's RMS."""

    def spread(matrix: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
        full = np.zeros((separation.extension, all_channels, matrix.shape[1]), np.float32)
        full[:, channels] = matrix.reshape(separation.extension, len(channels), -1) * np.float32(factor)
        return full.reshape(separation.extension * all_channels, -1)

    whitening = separation.whitening
    return replace(
        separation,
        whitening=replace(
            whitening,
            matrix=spread(whitening.matrix, 1 / scale),
            regularisation=whitening.regularisation * scale**2,
        ),
        filters=spread(separation.filters, 1 / scale),
        unit_means=spread(separation.unit_means, scale),
    )
