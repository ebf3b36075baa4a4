"""Parameters of every unit of a recording: where it lies, how fast it conducts, and its firing.

They come from each unit's average waveform with the other units taken out, by one of the methods of
`estimation_methods` and by the others beside it. Where there is no number to be had there is none, and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..models.quality import interval_variation, mean_rate
from ..models.waveforms import UnitAverage, average_file
from ..stream.decoder_file import Decoder
from ..stream.filter import CausalFilter
from ..stream.parameter_model import FEWEST_SPIKES
from ..stream.watch import GOOD, REASONS
from .estimation_channels import bad_channels
from .estimation_methods import FOUR, Answer, Array, by_classical, by_encoder, by_physics, nothing
from .recording import Recording

if TYPE_CHECKING:
    from ..stream.parameter_file import ParameterFile

ISOLATED_S = 0.5  # a discharge further from the next is not yet, or no more, the unit's steady firing
AVERAGED, METHOD_DONE = 0.15, 0.9  # of the progress, when the averages and the main method are through


@dataclass(frozen=True)
class Stretch:
    """What was found of one unit in one stretch of time.

    Attributes
    ----------
    start_s, end_s : float
    force : float or None
        Mean over the stretch, in the recording's unit of force.
    rate_hz : float or None
        Of the discharges in it.
    answer : Answer
        By the method asked for.
    beside : dict of str to Answer
        By the other methods, under their names.
    average : UnitAverage
    """

    start_s: float
    end_s: float
    force: float | None
    rate_hz: float | None
    answer: Answer
    beside: dict[str, Answer]
    average: UnitAverage = field(repr=False)

    def number(self, name: str) -> float | None:
        """A parameter by the method asked for; None where there is no number."""
        return self.answer.values.get(name)

    @property
    def peak_to_peak_uv(self) -> float:
        """Of the waveform, where it is largest."""
        waveform = self.average.waveform
        return float(np.ptp(waveform, axis=1).max()) if waveform.size else 0.0

    def as_json(self) -> dict[str, object]:
        """As `estimate --json` lists it: one flat map."""
        beside: dict[str, object] = {}
        for method, answer in self.beside.items():
            beside |= answer.named(method)
        return {
            **dict.fromkeys(FOUR), **self.answer.values, "reason": self.answer.reason,
            "misfit_db": self.answer.misfit_db, "spikes_used": self.average.discharges,
            "snr_db": _finite(self.average.snr_db), "peak_to_peak_uv": self.peak_to_peak_uv,
            "force": self.force, **beside,
        }  # fmt: skip


@dataclass(frozen=True)
class UnitEstimate:
    """One line of the pool.

    Attributes
    ----------
    unit : int
    whole : Stretch
        The whole recording.
    windows : list of Stretch
    recruited_at, derecruited_at : float or None
        Force at the first and at the last discharge of steady firing, in the recording's unit of force. None where
        it `fires_at_start`, or `fires_at_end`: when it began, or will end, nobody saw.
    rate_hz, cov_isi : float or None
    train : ndarray of int64, samples
    fires_at_start, fires_at_end : bool
        Whether the recording begins, or ends, within its steady firing.
    """

    unit: int
    whole: Stretch
    windows: list[Stretch]
    recruited_at: float | None
    derecruited_at: float | None
    rate_hz: float | None
    cov_isi: float | None
    train: NDArray[np.int64] = field(repr=False)
    fires_at_start: bool = False
    fires_at_end: bool = False

    def as_json(self) -> dict[str, object]:
        """As `estimate --json` lists it."""
        windows = [
            {"start_s": one.start_s, "end_s": one.end_s, "rate_hz": one.rate_hz, **one.as_json()}
            for one in self.windows
        ]
        return {
            "unit": self.unit,
            **self.whole.as_json(),
            "recruited_at": self.recruited_at,
            "derecruited_at": self.derecruited_at,
            "fires_at_start": self.fires_at_start, "fires_at_end": self.fires_at_end,
            "rate_hz": self.rate_hz, "cov_isi": self.cov_isi,
            "discharges": len(self.train), **({"windows": windows} if windows else {}),
        }  # fmt: skip


@dataclass(frozen=True)
class Pool:
    """Every unit of a decoder in one recording.

    Attributes
    ----------
    units : list of UnitEstimate
    method : str
        The one whose numbers come first.
    array : Array
        The channels that were used.
    bad : dict of int to str
        Channels of the recording that were left out, and why.
    """

    units: list[UnitEstimate]
    method: str
    array: Array
    bad: dict[int, str]


def estimate(
    recording: Recording,
    decoder: Decoder,
    emg: NDArray[np.float32],
    discharges: Mapping[int, NDArray[np.int64]],
    window_s: float | None = None,
    method: str = "classical",
    model: ParameterFile | None = None,
    progress: Callable[[float, str], None] = lambda share, note: None,
) -> Pool:
    """Estimate the parameters of every unit of `decoder` in a recording.

    Parameters
    ----------
    recording : Recording
    decoder : Decoder
    emg : ndarray of float32, shape (samples, channels), uV
        The decoder's channels of the recording, unfiltered.
    discharges : mapping of int to ndarray of int64
        By unit, as `decode` finds them.
    window_s : float, optional
        Also over stretches of this length.
    method : {"physics", "encoder", "classical"}
    model : ParameterFile, optional
        The encoder; stands beside the physics where it is not the method itself.
    """
    info, fs_hz = decoder.info, recording.fs_hz
    filtered = np.array(emg, np.float32, order="C")
    CausalFilter(info.filter.sections, filtered.shape[1])(filtered)
    geometry = info.channels.geometry()
    flags = bad_channels(emg, filtered, fs_hz, geometry)
    good = np.flatnonzero(flags == GOOD)
    array = Array(geometry.select(good), fs_hz, info.filter, info.montage, geometry)
    bounds = [(0, len(filtered)), *_windows(len(filtered), fs_hz, window_s)]
    trains = [discharges[unit] for unit in sorted(discharges)]
    progress(0.0, "averages")
    averages = average_file(np.ascontiguousarray(filtered[:, good]), trains, fs_hz, stretches=bounds, joint=True)
    flat = [average for by_stretch in averages for average in by_stretch]
    progress(AVERAGED, method)
    answers = _answers(flat, array, method, model, len(flags), progress)
    force = [_mean_force(recording, first, last) for first, last in bounds]
    units = []
    for unit, (train, by_stretch) in enumerate(zip(trains, averages, strict=True)):
        stretches = []
        for number, ((first, last), average) in enumerate(zip(bounds, by_stretch, strict=True)):
            answer, beside = answers[unit * len(bounds) + number]
            rate_hz = _rate(train[(train >= first) & (train < last)], fs_hz)
            stretches.append(
                Stretch(first / fs_hz, last / fs_hz, force[number], rate_hz, answer, beside, average)
            )  # fmt: skip
        steady = _steady(train, fs_hz)
        close = ISOLATED_S * fs_hz  # one more discharge may lie so near beyond either end
        at_start = bool(len(steady) and steady[0] <= close)
        at_end = bool(len(steady) and len(filtered) - steady[-1] <= close)
        units.append(
            UnitEstimate(
                unit=unit,
                whole=stretches[0],
                windows=stretches[1:],
                recruited_at=None if at_start else _force_at(recording, steady[:1]),
                derecruited_at=None if at_end else _force_at(recording, steady[-1:]),
                rate_hz=stretches[0].rate_hz,
                cov_isi=_finite(interval_variation(train, fs_hz)),
                train=train,
                fires_at_start=at_start,
                fires_at_end=at_end,
            )
        )
    places = np.array(info.channels.index)
    bad = {int(places[c]): REASONS[flags[c]] for c in np.flatnonzero(flags != GOOD)}
    return Pool(units, method, array, bad)


def _answers(
    averages: Sequence[UnitAverage],
    array: Array,
    method: str,
    model: ParameterFile | None,
    channels: int,
    progress: Callable[[float, str], None],
) -> list[tuple[Answer, dict[str, Answer]]]:
    """Of every average: by the method asked for, and by the others."""
    others = [name for name in ("encoder", "classical") if name != method and (name != "encoder" or model is not None)]
    refused = [_refused(average, array, channels) for average in averages]
    enough = [average for average, reason in zip(averages, refused, strict=True) if reason is None]
    span = METHOD_DONE - AVERAGED
    found = {}
    for name in (method, *others):
        if name == "physics":
            by_average = by_physics(enough, array, lambda share: progress(AVERAGED + span * share, "physics"), model)
        elif name == "encoder" and model is not None:
            by_average = by_encoder(enough, array, model)
        else:
            by_average = [by_classical(average, array) for average in enough]
        found[name] = iter(by_average)
        progress(METHOD_DONE, name)
    return [
        (nothing(reason), {name: nothing(reason) for name in others})
        if reason is not None
        else (next(found[method]), {name: next(found[name]) for name in others})
        for reason in refused
    ]


def _refused(average: UnitAverage, array: Array, channels: int) -> str | None:
    """Why a waveform is no waveform; None where it is one."""
    if len(array.geometry) == 0:
        return f"all {channels} channels are bad"
    if average.discharges < FEWEST_SPIKES:
        return f"{average.discharges} discharges, {FEWEST_SPIKES} are needed"
    return None


def _windows(samples: int, fs_hz: float, window_s: float | None) -> list[tuple[int, int]]:
    if window_s is None:
        return []
    length = max(1, round(window_s * fs_hz))
    return [(first, min(first + length, samples)) for first in range(0, samples, length)]


def _mean_force(recording: Recording, first: int, last: int) -> float | None:
    return None if recording.force is None else _finite(recording.force[first:last].mean(dtype=np.float64))


def _force_at(recording: Recording, instant: NDArray[np.int64]) -> float | None:
    """At one discharge, or none."""
    return None if recording.force is None or len(instant) == 0 else _finite(recording.force[instant[0]])


def _rate(train: NDArray[np.int64], fs_hz: float) -> float | None:
    return mean_rate(train, fs_hz) or None  # 0 says that there are too few intervals


def _steady(train: NDArray[np.int64], fs_hz: float) -> NDArray[np.int64]:
    """The discharges that have another within `ISOLATED_S`."""
    if len(train) < 2:
        return train[:0]
    near = np.diff(train) <= ISOLATED_S * fs_hz
    return train[np.r_[near, False] | np.r_[False, near]]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
