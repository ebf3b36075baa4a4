"""Where each unit of a calibration lies and what it is like: the physics inverted from its average waveform.

As `estimate` does it: the waveform with the other units taken out, all parameters of the physics free, and standard
deviations that hold on muscles which are not the model's. In a person's own muscle it is that model which is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream.decoder_file import FilterSettings
from ...stream.geometry import Geometry
from ...stream.parameter_file import ParameterFile
from ...stream.parameter_model import FEW_SPIKES, FEWEST_SPIKES
from ..inversion.fit import use_available_cores
from ..inversion.guesses import guesses
from ..inversion.inverter import ON_GRIDS_ONLY, Inverter
from ..inversion.parameters import ENCODERS
from ..peeling import subtract
from ..peeling import waveforms as joint_waveforms
from ..waveforms import average_file
from .fit import Fitted, fit, unexplained
from .generator import FiringWindow, Generator
from .lead_field_unit import LeadFieldGenerator, usual_ranges
from .personal import generator_of
from .prewhitening import RIDGE, Prewhitener
from .proposals import latin_hypercube
from .restart import Dictionary, moved
from .table import LeadFields
from .waveform_table import WaveformTable

Parameters = dict[str, Any]  # {name: {"value": ..., "sd": ...}}
Train = NDArray[np.int64]
NAMED = {physics: name for name, physics in ENCODERS.items()}
ENTRIES, STARTS = 1500, 4  # of the search of a person's own muscle
LAGS = 6  # of the prewhitening there
LEAST_MISFIT = 1e-6
TURNS, ITERATIONS = 4, 4  # of each fit there; the delay is bounded in each turn
FREED = {"iz_spread_mm": (1.0, 12.0), "ap_scale": (0.85, 1.15)}
INTERRUPTED = "interrupted before this unit's turn"
LINEAR = "on a linear array depth cannot be told from the place across the fibres"
BATCH = 10  # units between two words on the progress


def by_physics(
    filtered: NDArray[np.float32],
    trains: Sequence[Train],
    geometry: Geometry,
    design: FilterSettings,
    fs_hz: float,
    montage: str,
    encoder: ParameterFile | None,
    progress: Callable[[float], None],
) -> list[Parameters]:
    """Parameters of every unit, with standard deviations.

    Parameters
    ----------
    filtered : ndarray of float32, shape (samples, channels), uV
    trains : sequence of ndarray of int64, samples
        Live discharges.
    geometry : Geometry
    design : FilterSettings
    fs_hz : float
    montage : str
    encoder : ParameterFile, optional
        Where it fits the array, the inversion starts from its guesses.
    progress : callable
        Told the share done. What it raises as KeyboardInterrupt leaves the units not yet done without parameters.
    """
    use_available_cores()
    averages = [one[0] for one in average_file(filtered, trains, fs_hz, joint=True)]
    found: list[Parameters] = [_none(FEW_SPIKES) for _ in averages]
    enough = [unit for unit, average in enumerate(averages) if average.discharges >= FEWEST_SPIKES]
    if not enough:
        return found
    inverter = Inverter(geometry, design.sections, fs_hz, averages[0].waveform.shape[1], montage)
    for unit in enough:
        found[unit] = _none(INTERRUPTED)
    try:
        for first in range(0, len(enough), BATCH):
            some = enough[first : first + BATCH]
            waveforms = np.stack([averages[unit].waveform for unit in some])
            noise = np.stack([averages[unit].noise for unit in some])
            starts = None
            if encoder is not None:
                starts = guesses(encoder, waveforms, noise, fs_hz, geometry, design, montage)
            residues = [averages[unit].residue for unit in some]
            answers = inverter.invert(waveforms, noise, starts=starts, residues=residues)
            for unit, one in zip(some, answers, strict=True):
                found[unit] = {
                    NAMED.get(name, name): _entry(value, one.sds.get(name)) for name, value in one.values.items()
                }
                if one.reason is not None:
                    found[unit]["reason"] = one.reason
                if np.isfinite(one.misfit_db):
                    found[unit]["misfit_db"] = _entry(float(one.misfit_db), None)
            progress((first + len(some)) / len(enough))
    except KeyboardInterrupt:
        pass
    return found


def by_muscle_model(
    filtered: NDArray[np.float32],
    trains: Sequence[Train],
    lags: Sequence[int],
    generator: Generator,
    fs_hz: float,
    seed: int,
) -> list[Parameters]:
    """Parameters of every unit in a person's own muscle; the table says nothing of how sure they are.

    Parameters
    ----------
    filtered : ndarray of float32, shape (samples, channels), uV
    trains : sequence of ndarray of int64, samples
    lags : sequence of int, samples
        From the onset of each unit's waveform to its discharges: where the generator's window is laid.
    generator : Generator
        Over all channels.
    fs_hz : float
    seed : int
    """
    first = max(0, *lags) + generator.fires_at
    averages = average_file(filtered, trains, fs_hz, before=first, after=generator.samples, joint=True)
    waveforms = np.stack([  # (units, samples, channels), each from shortly before its onset
        one[0].waveform.T[first - generator.fires_at - lag :][: generator.samples]
        for one, lag in zip(averages, lags, strict=True)
    ])  # fmt: skip
    shapes = joint_waveforms(filtered, trains, first, generator.samples)
    left = subtract(filtered, trains, shapes, first)
    whitener = Prewhitener.of(left, LAGS, RIDGE * float(np.mean(np.square(filtered, dtype=np.float64))))
    whitened = whitener.waveforms(waveforms)
    entries = latin_hypercube(generator.low, generator.high, ENTRIES, seed)
    # Whitened, waveforms are told apart best and have the more valleys: one valley is found before whitening.
    plain = Prewhitener(1, np.eye(generator.channels, dtype=np.float32))
    valley, shift = _fit(generator, plain, waveforms, *_closest(generator, plain, waveforms, entries, fs_hz))
    theta, later = _closest(generator, whitener, whitened, entries, fs_hz)
    starts = np.concatenate([valley.theta[:, None], theta], axis=1), np.concatenate([shift[:, None], later], axis=1)
    fitted, _ = _fit(generator, whitener, whitened, *starts)
    count = np.array([max(1, average.discharges) for (average,) in averages])
    share = np.maximum(unexplained(fitted, whitened, count), LEAST_MISFIT)
    found = []
    for unit, (average,) in enumerate(averages):
        if average.discharges < FEWEST_SPIKES:
            found.append(dict.fromkeys(generator.names, _entry(None, None)) | {"reason": FEW_SPIKES})
            continue
        one: Parameters = {
            NAMED.get(name, name): _entry(float(value), None)
            for name, value in zip(generator.names, fitted.theta[unit], strict=True)
        }
        found.append(one | {"misfit_db": _entry(float(10.0 * np.log10(share[unit])), None)})
    return found


def placing_generator(
    model: LeadFields | WaveformTable,
    geometry: Geometry,
    fs_hz: float,
    sections: Sequence[Sequence[float]],
    montage: str,
) -> Generator:
    """A person's own muscle with more of a unit free than in the search: what is sharp there is not what is fast.

    Raises
    ------
    MuscleModelError
        The model does not fit the recording.
    """
    window = FiringWindow(fs_hz)
    if isinstance(model, WaveformTable):
        return generator_of(model, geometry, window, sections, montage)
    fields = model.at(geometry, montage)
    ranges = usual_ranges(fields, FREED["iz_spread_mm"][1]) | FREED
    return LeadFieldGenerator(fields, window, sections, ranges)


def _closest(
    generator: Generator,
    whitener: Prewhitener,
    whitened: NDArray[np.float32],
    entries: NDArray[np.float64],
    fs_hz: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The entries most like each waveform (units, starts, parameters), and by how many samples it comes later."""
    entry, later = Dictionary(generator, whitener, entries, fs_hz).closest(whitened, STARTS)
    return entries[entry], later


def _fit(
    generator: Generator,
    whitener: Prewhitener,
    whitened: NDArray[np.float32],
    starts: NDArray[np.float64],
    later: NDArray[np.int64],
) -> tuple[Fitted, NDArray[np.int64]]:
    """The best of the fits from several starts each, of any delay; and by how many samples the waveform is later."""
    best: Fitted | None = None
    best_shift = later[:, 0]
    for start in range(starts.shape[1]):
        theta, shift = starts[:, start], later[:, start].copy()
        for _ in range(TURNS):
            earlier = np.stack([moved(one, -d) for one, d in zip(whitened, shift, strict=True)])
            fitted = fit(generator, whitener, earlier, theta, ITERATIONS)
            theta, at = fitted.theta, shift
            shift = shift + np.round(fitted.delay).astype(np.int64)
        if best is None:
            best, best_shift = fitted, at
            continue
        better = fitted.left < best.left
        best, best_shift = best.where(better, fitted), np.where(better, at, best_shift)
    assert best is not None
    return best, best_shift


def without_cross_section(parameters: Parameters) -> Parameters:
    """Without what a linear array does not tell."""
    hidden = {name: _entry(None, None) for name in ON_GRIDS_ONLY if name in parameters}
    return parameters | hidden | {"reason": parameters.get("reason", LINEAR)}


def _entry(value: float | None, sd: float | None) -> dict[str, float | None]:
    return {"value": value} if sd is None else {"value": value, "sd": sd}


def _none(reason: str) -> Parameters:
    return {"iz_mm": _entry(None, None), "cv_m_s": _entry(None, None), "reason": reason}
