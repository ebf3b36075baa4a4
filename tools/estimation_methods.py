"""The ways to a unit's parameters from its average waveform: the physics inverted, the encoder, classical estimators.

Each takes the same averages and gives the same answer, so that they stand beside each other in tables and pictures.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..models.classical.conduction_velocity import ConductionVelocity, estimate_conduction_velocity
from ..models.classical.innervation_zone import InnervationZone, find_innervation_zone
from ..models.waveforms import UnitAverage
from ..stream.geometry import Geometry

if TYPE_CHECKING:
    from ..stream.decoder_file import FilterSettings
    from ..stream.parameter_file import ParameterFile

METHODS = ("physics", "encoder", "classical")
FOUR = ("iz_mm", "iz_mm_sd", "cv_m_s", "cv_m_s_sd")
NAMED = {"innervation_zone_mm": "iz_mm", "conduction_velocity_m_s": "cv_m_s"}  # the physics' own names and everybody's


@dataclass(frozen=True)
class Array:
    """What the averages were taken with.

    Attributes
    ----------
    geometry : Geometry
        Of the channels averaged.
    fs_hz : float
    filter : FilterSettings
        The decoder's causal filter.
    montage : str
    whole : Geometry, optional
        With the channels that are left out as bad; by default there are none.
    """

    geometry: Geometry
    fs_hz: float
    filter: FilterSettings
    montage: str
    whole: Geometry | None = None

    def used(self) -> NDArray[np.bool_]:
        """Which channels of the whole array were averaged, shape (channels of the whole,)."""
        whole = self.geometry if self.whole is None else self.whole
        places = set(zip(self.geometry.row.tolist(), self.geometry.col.tolist(), strict=True))
        return np.array([place in places for place in zip(whole.row.tolist(), whole.col.tolist(), strict=True)], bool)


@dataclass(frozen=True)
class Answer:
    """What one method says of one waveform.

    Attributes
    ----------
    values : dict of str to float or None
        `iz_mm`, `cv_m_s`, then every further parameter of the method, each followed by ``<name>_sd``.
    reason : str or None
        Why there is no number.
    misfit_db : float or None
        Power that the physics leaves unexplained beyond noise, relative to the waveform's.
    modelled : ndarray of float32, shape (channels, samples), uV, or None
        The physics' reconstruction.
    zone, velocity : InnervationZone, ConductionVelocity, or None
        Of the classical estimators, in full.
    """

    values: dict[str, float | None]
    reason: str | None
    misfit_db: float | None = None
    modelled: NDArray[np.float32] | None = field(default=None, repr=False)
    zone: InnervationZone | None = field(default=None, repr=False)
    velocity: ConductionVelocity | None = field(default=None, repr=False)

    def named(self, method: str) -> dict[str, float | str | None]:
        """The four common numbers and the reason under the method's name, as they stand beside another method's."""
        return {f"{method}_{name}": self.values.get(name) for name in FOUR} | {f"{method}_reason": self.reason}


def nothing(reason: str | None) -> Answer:
    """No number, and why."""
    return Answer(dict.fromkeys(FOUR), reason)


def has_torch() -> bool:
    """Whether PyTorch is installed, without loading it."""
    return importlib.util.find_spec("torch") is not None


def usual_method(model_at_hand: bool) -> str:
    """The best method that can be had here."""
    if has_torch():
        return "physics"
    return "encoder" if model_at_hand else "classical"


def by_physics(
    averages: Sequence[UnitAverage],
    array: Array,
    progress: Callable[[float], None] = lambda share: None,
    file: ParameterFile | None = None,
) -> list[Answer]:
    """By inverting the physics, from the guesses of the parameter model in `file` where it fits; needs PyTorch."""
    from ..models.inversion.fit import use_available_cores
    from ..models.inversion.guesses import guesses
    from ..models.inversion.inverter import Inverter

    if not averages:
        return []
    use_available_cores()
    samples = averages[0].waveform.shape[1]
    inverter = Inverter(array.geometry, array.filter.sections, array.fs_hz, samples, array.montage)
    waveforms = np.stack([average.waveform for average in averages])  # (averages, channels, samples)
    noise = np.stack([average.noise for average in averages])
    where = array.fs_hz, array.geometry, array.filter, array.montage
    starts = None if file is None else guesses(file, waveforms, noise, *where)
    answers = []
    for found in inverter.invert(waveforms, noise, progress, starts, [each.residue for each in averages]):
        values = {}
        for name in found.values:
            values[NAMED.get(name, name)] = found.values[name]
            values[f"{NAMED.get(name, name)}_sd"] = found.sds.get(name)
        misfit_db = float(found.misfit_db) if np.isfinite(found.misfit_db) else None
        answers.append(Answer(values, found.reason, misfit_db, found.modelled))
    return answers


def by_encoder(averages: Sequence[UnitAverage], array: Array, file: ParameterFile) -> list[Answer]:
    """By the parameter model in `file`; no number where it was not trained for the array.

    Bad channels are missing ones of the whole array to it, as in a live session.
    """
    from ..stream.parameter_file import misfit
    from ..stream.parameter_model import ParameterModel

    where = array.fs_hz, array.whole or array.geometry, array.filter, array.montage
    reason = misfit(file.info, *where)
    if reason is not None:
        return [nothing(reason) for _ in averages]
    model = ParameterModel(file, *where)
    good = array.used()
    noise = np.full(len(good), np.nan)
    answers = []
    for average in averages:
        waveform = np.zeros((len(good), average.waveform.shape[1]), np.float32)
        waveform[good], noise[good] = average.waveform, average.noise
        found = model.estimate(waveform, noise, good, average.discharges)
        values = {}
        for name in found.values:
            values[name], values[f"{name}_sd"] = found.values[name], found.sds[name]
        answers.append(Answer(values, found.reason))
    return answers


def by_classical(average: UnitAverage, array: Array) -> Answer:
    """By the place where propagation reverses, and by maximum likelihood over the delays."""
    where = average.waveform, array.fs_hz, array.geometry
    zone = find_innervation_zone(*where, montage=array.montage)
    velocity = estimate_conduction_velocity(*where, montage=array.montage, zone=zone)
    reasons = [zone.reason, velocity.reason if velocity.reason != zone.reason else None]
    named = [f"{name}: {reason}" for name, reason in zip(("IZ", "CV"), reasons, strict=True) if reason]
    values = dict(zip(FOUR, (zone.iz_mm, zone.sd_mm, velocity.cv_m_s, velocity.sd_m_s), strict=True))
    return Answer(values, "; ".join(named) or None, zone=zone, velocity=velocity)
