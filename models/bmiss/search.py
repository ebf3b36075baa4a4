"""The inversion: round by round, units found in what is left, and all units so far refined together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import CalibrationError
from ...stream.geometry import Geometry
from ..duplicates import is_new
from ..firing import Firing
from ..separation import for_length
from .blind import blind_search
from .candidates import Candidate, search
from .generator import Generator
from .proposals import latin_hypercube
from .settings import BmissSettings
from .tiles import Tile
from .units import LATERAL, Muscle, Train, Units

SHORTEST_S = 3.0
WIDTH_MM = 32.0  # of the array, that `BmissSettings.proposals` are meant for ...
NARROWEST = 2.0  # ... and how many of these an array counts as at least
ENTRIES = 200  # in the same way, of the dictionary that blindly found waveforms are compared with


@dataclass(frozen=True)
class Round:
    """What one round did.

    Attributes
    ----------
    starts, astray, again : int
        Candidates refined; those that ended in a local minimum; those that ended at a unit already found.
    new, held : int
        Units found, and units held after the round.
    power_left : float
        Share of the EMG's power that no unit explains.
    trains : tuple of ndarray of int64, samples
        The units' discharges after the round.
    seconds : float
        Since the beginning.
    """

    starts: int
    astray: int
    again: int
    new: int
    held: int
    power_left: float
    trains: tuple[Train, ...]
    seconds: float


@dataclass(frozen=True)
class Inversion:
    """Units found by inversion.

    Attributes
    ----------
    names : tuple of str
    theta : ndarray of float64, shape (units, parameters)
    waveforms : ndarray of float32, shape (units, samples, channels), of the EMG's unit
        They begin `fires_at` samples before the discharge.
    fires_at : int
    trains : tuple of ndarray of int64, samples
    firings : tuple of Firing
        Each unit's discharges judged with all others taken out.
    misfit : ndarray of float64, shape (units,)
        Share of a waveform's power that the generator leaves unexplained.
    log : tuple of Round
    """

    names: tuple[str, ...]
    theta: NDArray[np.float64]
    waveforms: NDArray[np.float32]
    fires_at: int
    trains: tuple[Train, ...]
    firings: tuple[Firing, ...]
    misfit: NDArray[np.float64]
    log: tuple[Round, ...]


def invert(
    emg: NDArray[np.float32],
    geometry: Geometry,
    generator_of: Callable[[NDArray[np.int64]], Generator],
    settings: BmissSettings | None = None,
    *,
    fs_hz: float,
    progress: Callable[[float, int], None] = lambda share, units: None,
) -> Inversion:
    """Find the units of a recording by inverting a generator.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels)
        Band-passed as the generator's waveforms are.
    geometry : Geometry
    generator_of : callable
        The generator over some of the channels, given by their indices.
    settings : BmissSettings, optional
    fs_hz : float
    progress : callable, optional
        Told the share done and the units held. What it raises as KeyboardInterrupt ends the search early: what has
        been found so far is finished and returned.

    Raises
    ------
    CalibrationError
        The EMG is too short, has no variance, or samples that are not finite.
    """
    settings = settings or BmissSettings()
    settings = replace(settings, limits=for_length(settings.limits, len(emg) / fs_hz))
    began = time.perf_counter()
    if len(emg) < SHORTEST_S * fs_hz:
        raise CalibrationError(
            f"{len(emg) / fs_hz:.1f} s of EMG are too short to invert: record {SHORTEST_S:g} s at least, better 20 s"
        )
    scale = float(np.sqrt(np.mean(np.square(emg, dtype=np.float64))))
    if not 0.0 < scale < np.inf:
        raise CalibrationError("the EMG is flat or holds what is no number: check the electrodes and record again")
    muscle = Muscle(np.ascontiguousarray(emg / np.float32(scale), np.float32), geometry, generator_of, settings, fs_hz)
    units, log = muscle.none(), []
    everywhere = set(range(len(muscle.tiles)))
    blind_pays, busy = settings.blind > 0, [set(everywhere) for _ in settings.ridges]
    try:
        for number in range(settings.rounds):
            turn = number % len(busy)
            strong = _look_blindly(muscle, units, number) if blind_pays else Look(muscle.none())
            blind_pays = bool(strong.fruitful)
            if blind_pays:
                units = _together(muscle, units + strong.fresh, settings.early_penalties, 1)
            look = _look(muscle, units, number, busy[turn], settings.ridges[turn])
            units = _together(muscle, units + look.fresh, settings.early_penalties, settings.polish)
            busy[turn].clear()  # where a round found nothing, the next would not either
            for one in strong.fruitful | look.fruitful:
                for tiles in busy:
                    tiles |= {one - 1, one, one + 1} & everywhere
            log.append(_logged(muscle, units, strong, look, time.perf_counter() - began))
            progress((number + 1) / (settings.rounds + 1), len(units))
            if not any(busy):
                break
    except KeyboardInterrupt:
        pass  # what has been found is kept
    return _finished(muscle, units, tuple(log), scale)


@dataclass(frozen=True)
class Look:
    """What one look at what is left found: new units, the parts of the array they are in, and what became of starts."""

    fresh: Units
    fruitful: set[int] = field(default_factory=set)
    starts: int = 0
    astray: int = 0
    again: int = 0


def _look(muscle: Muscle, units: Units, number: int, busy: set[int], ridge: float) -> Look:
    """New units in what the known ones leave, in some parts of the array."""
    if not muscle.settings.proposals or not busy:
        return Look(muscle.none())
    left = muscle.left_by(units) if muscle.settings.deflation else muscle.emg
    candidates: list[tuple[int, Candidate]] = []
    starts = astray = again = 0
    for index in sorted(busy):
        tile, generator = muscle.tiles[index], muscle.parts[index]
        whitener, white = muscle.part(left, tile, ridge)
        proposals = _proposals(muscle, tile, generator, muscle.settings.proposals, 1000 * number + index)
        if not len(proposals):
            continue
        found = search(generator, whitener, white, proposals, muscle.settings, muscle.fs_hz)
        candidates += [(index, one) for one in found.candidates]
        starts, astray, again = starts + found.starts, astray + found.astray, again + found.again
    kept = _new_ones(muscle, units, candidates)
    again += len(candidates) - len(kept)
    return Look(_as_units(muscle, kept), {index for index, _ in kept}, starts, astray, again)


def _look_blindly(muscle: Muscle, units: Units, number: int) -> Look:
    """New units that blind separation finds in what the known ones leave."""
    left = muscle.left_by(units) if muscle.settings.deflation else muscle.emg
    candidates: list[tuple[int, Candidate]] = []
    for index, (tile, generator) in enumerate(zip(muscle.tiles, muscle.parts, strict=True)):
        entries = _proposals(muscle, tile, generator, ENTRIES, 1000 * number + index)
        if not len(entries):
            continue
        here = np.ascontiguousarray(left[:, tile.channels])
        found = blind_search(here, generator, entries, units.trains, muscle.settings, muscle.fs_hz)
        candidates += [(index, one) for one in found]
    kept = _new_ones(muscle, units, candidates)
    return Look(_as_units(muscle, kept), {index for index, _ in kept})


def _logged(muscle: Muscle, units: Units, strong: Look, look: Look, seconds: float) -> Round:
    left = float(np.var(muscle.left_by(units)) / np.var(muscle.emg))
    new = len(strong.fresh) + len(look.fresh)
    return Round(look.starts, look.astray, look.again, new, len(units), left, tuple(units.trains), seconds)


def _proposals(muscle: Muscle, tile: Tile, generator: Generator, count: int, seed: int) -> NDArray[np.float64]:
    """Points of the space, as far as units of this part of the array go; `count` for every `WIDTH_MM` of it."""
    low, high = generator.low.copy(), generator.high.copy()
    widths = NARROWEST
    if LATERAL in generator.names:
        place = generator.names.index(LATERAL)
        low[place], high[place] = max(low[place], tile.from_mm), min(high[place], tile.to_mm)
        if not low[place] < high[place]:  # no unit of the generator's lies there
            return np.zeros((0, len(low)))
        widths = max(widths, (high[place] - low[place]) / WIDTH_MM)
    return latin_hypercube(low, high, round(count * widths), muscle.settings.seed + seed)


def _new_ones(muscle: Muscle, units: Units, candidates: list[tuple[int, Candidate]]) -> list[tuple[int, Candidate]]:
    """Candidates, the best first, that are neither known units nor each other."""
    kept: list[tuple[int, Candidate]] = []
    for index, one in sorted(candidates, key=lambda pair: -pair[1].firing.sil):
        known = [*units.trains, *(other.firing.spikes for _, other in kept)]
        if is_new(one.firing.spikes, known, muscle.fs_hz):
            kept.append((index, one))
    return kept


def _as_units(muscle: Muscle, candidates: list[tuple[int, Candidate]]) -> Units:
    return muscle.new_units(
        np.array([one.theta for _, one in candidates]).reshape(len(candidates), len(muscle.whole.names)),
        np.array([one.gain for _, one in candidates]),
        [one.firing.spikes for _, one in candidates],
    )


def _together(muscle: Muscle, units: Units, penalties: Sequence[float], turns: int) -> Units:
    """All units' discharges, then all units' waveforms, by turns."""
    settings = muscle.settings
    for turn in range(turns if len(units) else 0):
        units, _ = muscle.pursue(units, penalties, settings.knots and turn == settings.polish - 1)
        units = muscle.distinct(units, settings.fewest_discharges)
        if not len(units):
            break
        if settings.joint:
            units = muscle.refit(units)
    return units


def _finished(muscle: Muscle, units: Units, log: tuple[Round, ...], scale: float) -> Inversion:
    """The last pursuit, and the units that it makes credible."""
    settings = muscle.settings
    firings: list[Firing] = []
    if len(units):
        units = _together(muscle, units, settings.penalties, settings.polish)
        units, pursuit = muscle.pursue(units, settings.penalties[-1:], settings.knots)
        firings = muscle.sources(pursuit)
        good = [
            i for i, one in enumerate(firings)
            if one.meets(settings.limits, settings.min_sil)
        ]  # fmt: skip
        units, firings = units.some(good), [firings[i] for i in good]
        if good and settings.joint:
            units = muscle.refit(units.as_new())
    return Inversion(
        names=muscle.whole.names,
        theta=units.theta,
        waveforms=units.waveforms * np.float32(scale),
        fires_at=muscle.whole.fires_at,
        trains=tuple(units.trains),
        firings=tuple(firings),
        misfit=units.misfit,
        log=log,
    )
