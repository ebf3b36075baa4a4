"""How many units of a known muscle separation by inversion recovers, and how well it knows them.

A row is an array, a level of noise and a generator, measured with one seed or several. Beside what the separator finds
stand what true waveforms would allow (`bench_bmiss_ceilings`), and what our blind separation finds in the same EMG and
in no more time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..models.inversion.fit import use_available_cores
from ..models.separation import SearchSettings, separate
from ..stream.errors import CalibrationError
from ..stream.geometry import Geometry
from .bench_bmiss_ceilings import cancellation_ceiling, linear_ceiling
from .bench_bmiss_score import judged, property_errors, recovery
from .bench_bmiss_waveforms import GENERATORS, MATCHED
from .bench_bmiss_world import ARRAYS, Settings, World, make_world

LEVELS_DB = (None, 20.0, 10.0)
MISMATCH_DB = 20.0
FULL_SEEDS = 5
FIRST_SEED = 1_600  # of the muscles: no search was ever tuned on these
# Of blind separation: as `calibrate` searches, and more of the same, each of which finds more units without noise.
EFFORTS = (
    SearchSettings(), SearchSettings(rounds=10), SearchSettings(rounds=10, starts=384),
    SearchSettings(rounds=20, starts=1024),
)  # fmt: skip
# Share of a row's time, about: the muscle, the ceilings, the separator, and blind separation the rest.
MADE, BOUNDED, SEPARATED = 0.02, 0.1, 0.55
SINGLE = ("array", "snr_db", "generator", "units", "constant_guess")  # the same with every seed

Train = NDArray[np.int64]
Progress = Callable[[float, str], None]


class Step(Protocol):
    """What a separator holds after one of its iterations.

    Attributes
    ----------
    stage : str
        What it did.
    units : int
        Distinct units held.
    trains : sequence of ndarray of int64, samples, or None
        Theirs, where they are at hand: the bench then counts the true units among them.
    """

    @property
    def stage(self) -> str: ...
    @property
    def units(self) -> int: ...
    @property
    def trains(self) -> Sequence[Train] | None: ...


class Found(Protocol):
    """What a separator returns.

    Attributes
    ----------
    trains : sequence of ndarray of int64, samples
        Up to a shift of 50 ms, common to a unit's discharges.
    parameters : mapping of str to ndarray, shape (units,)
        ``depth_mm`` (below the electrodes), ``lateral_mm``, ``innervation_zone_mm``, ``conduction_velocity_m_s``,
        ``half_length_mm`` and, if known, ``size``, up to a common factor; NaN where it cannot be told.
    log : sequence of Step
    iterations, starts, local_minima : int
        Repeats of the whole search; points it started from; those of them that ended in no unit's waveform.
    """

    @property
    def trains(self) -> Sequence[Train]: ...
    @property
    def parameters(self) -> Mapping[str, NDArray[np.floating]]: ...
    @property
    def log(self) -> Sequence[Step]: ...
    @property
    def iterations(self) -> int: ...
    @property
    def starts(self) -> int: ...
    @property
    def local_minima(self) -> int: ...


class Separator(Protocol):
    """A method that finds units and their places in the muscle."""

    def __call__(
        self,
        emg: NDArray[np.float32],
        geometry: Geometry,
        fs_hz: float,
        progress: Callable[[float, int], None],
    ) -> Found:
        """Separate.

        Parameters
        ----------
        emg : ndarray of float32, shape (samples, channels), uV
            Behind the product's causal filter.
        geometry : Geometry
        fs_hz : float
        progress : callable
            To be told the share done and the units held.

        Raises
        ------
        CalibrationError
            No unit is found.
        """
        ...


def plan(
    full: bool = False,
    array: str | None = None,
    levels_db: Sequence[float | None] | None = None,
    generator: str | None = None,
) -> list[Settings]:
    """The rows to measure, each with seed 0.

    Parameters
    ----------
    full : bool
        Every array, and every mismatch at 20 dB, where none of the others is given.
    array, generator : str, optional
        Only these; else the largest array and the half-space that separation assumes.
    levels_db : sequence of float or None, optional
        Only these; else all three.
    """
    chosen = [
        Settings(one, level, generator or MATCHED)
        for one, level in product([array or ARRAYS[0]], LEVELS_DB if levels_db is None else levels_db)
    ]
    if full and array is None and levels_db is None and generator is None:
        chosen += [Settings(one, level) for one, level in product(ARRAYS[1:], LEVELS_DB)]
        chosen += [Settings(ARRAYS[0], MISMATCH_DB, one) for one in GENERATORS if one != MATCHED]
    return chosen


def bmiss(
    rows: Sequence[Settings],
    separator: Separator,
    seeds: Sequence[int] = (0,),
    progress: Progress = lambda share, note: None,
) -> dict[str, Any]:
    """Measure every row with every seed.

    Returns
    -------
    dict
        ``rows``, each as `together` gives it of what `measured` told, with the targets it is held to; ``seeds``.
    """
    use_available_cores()
    told = []
    for number, (row, seed) in enumerate(product(rows, seeds)):

        def so_far(share: float, note: str, number: int = number, row: Settings = row, seed: int = seed) -> None:
            what = f"{named(row)}, seed {seed}" if len(seeds) > 1 else named(row)
            progress((number + share) / (len(rows) * len(seeds)), f"{what}: {note}")

        told.append(measured(replace(row, seed=seed), separator, so_far))
    grouped = [told[start : start + len(seeds)] for start in range(0, len(told), len(seeds))]
    done = [together(runs) for runs in grouped]
    return {"rows": [row | judged(row) for row in done], "seeds": list(seeds)}


def named(row: Settings) -> str:
    """A row in a few words."""
    noise = "no noise" if row.snr_db is None else f"{row.snr_db:g} dB"
    return f"{row.array}, {noise}" + ("" if row.generator == MATCHED else f", {row.generator}")


def measured(settings: Settings, separator: Separator, progress: Progress = lambda share, note: None) -> dict[str, Any]:
    """One muscle: what is recovered of it, what could be, how well its units are known, and how long it took."""
    world = make_world(settings, lambda share: progress(MADE * share, "making the muscle"))
    progress(MADE, "ceilings")
    linear = recovery(linear_ceiling(world), world.trains, world.fs_hz)
    progress((MADE + BOUNDED) / 2.0, "ceilings")
    cancelled = recovery(cancellation_ceiling(world), world.trains, world.fs_hz)
    found = inverted(world, separator, lambda share, note: progress(BOUNDED + (SEPARATED - BOUNDED) * share, note))
    blind = _blind(world, found["seconds"], lambda share, note: progress(SEPARATED + (1.0 - SEPARATED) * share, note))
    return {
        "array": settings.array, "snr_db": settings.snr_db, "generator": settings.generator, "seed": settings.seed,
        "units": settings.units, **found,
        "linear_ceiling": linear.recovered, "linear_ceiling_05": linear.recovered_05,
        "cancellation_ceiling": cancelled.recovered, "cancellation_ceiling_05": cancelled.recovered_05,
        **blind, "ratio": found["recovered"] / blind["cbss"] if blind["cbss"] else None,
    }  # fmt: skip


def inverted(world: World, separator: Separator, progress: Progress) -> dict[str, Any]:
    """What the separator makes of it."""
    progress(0.0, "inverting")
    started = time.perf_counter()
    try:
        found: Found | None = separator(
            world.emg.copy(), world.geometry, world.fs_hz,
            lambda share, units: progress(share, f"inverting: {units} units"),
        )  # fmt: skip
    except CalibrationError:
        found = None
    seconds = time.perf_counter() - started
    score = recovery([] if found is None else found.trains, world.trains, world.fs_hz)
    curve = [
        {
            "stage": step.stage, "held": step.units,
            "recovered": None
            if step.trains is None
            else recovery(step.trains, world.trains, world.fs_hz).recovered,
        }
        for step in (() if found is None else found.log)
    ]  # fmt: skip
    return {
        "recovered": score.recovered, "recovered_05": score.recovered_05, "extras": score.extras,
        "duplicates": score.duplicates, **property_errors(score, {} if found is None else found.parameters, world),
        **{name: 0 if found is None else getattr(found, name) for name in ("iterations", "starts", "local_minima")},
        "seconds": seconds, "seconds_per_true_unit": seconds / score.recovered if score.recovered else None,
        "curve": curve,
    }  # fmt: skip


def _blind(world: World, budget_s: float, progress: Progress) -> dict[str, Any]:
    """What blind separation makes of it: the discharges of its frozen filters.

    First as `calibrate` does it, which is ``cbss_usual``; then, while there is room for as long as the last search
    took, with more `EFFORTS`. The search that finds most units, judged without the truth, is ``cbss``.
    """
    progress(0.0, "blind separation")
    searches: list[tuple[Sequence[Train], float, SearchSettings]] = []
    for effort in EFFORTS:
        spent, last = sum(seconds for _, seconds, _ in searches), searches[-1][1] if searches else 0.0
        if searches and spent + last > budget_s:
            break
        started = time.perf_counter()
        try:
            trains: Sequence[Train] = separate(
                world.emg, effort, fs_hz=world.fs_hz,
                progress=lambda share, units: progress((len(searches) + share) / len(EFFORTS), f"blind: {units} units"),
            ).discharges  # fmt: skip
        except CalibrationError:
            trains = ()
        searches.append((trains, time.perf_counter() - started, effort))
    trains, seconds, effort = max(searches, key=lambda search: len(search[0]))
    usual, score = (recovery(one, world.trains, world.fs_hz) for one in (searches[0][0], trains))
    return {
        "cbss": score.recovered, "cbss_05": score.recovered_05, "cbss_extras": score.extras, "cbss_seconds": seconds,
        "cbss_seconds_per_true_unit": seconds / score.recovered if score.recovered else None,
        "cbss_rounds": effort.rounds, "cbss_starts": effort.starts,
        "cbss_usual": usual.recovered, "cbss_usual_seconds": searches[0][1],
    }  # fmt: skip


def together(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row of several seeds: medians, and the ``ranges`` they are the medians of.

    The curve is that of the seed with the median number of recovered units; ``runs`` has every seed's row. Of one seed
    it is that seed's row.
    """
    seeds = [run["seed"] for run in runs]
    if len(runs) == 1:
        return {**runs[0], "seeds": seeds, "ranges": {}}
    row: dict[str, Any] = {name: runs[0][name] for name in SINGLE}
    ranges: dict[str, list[float]] = {}
    for name, value in runs[0].items():
        if name in SINGLE or name == "seed" or isinstance(value, list | dict):
            continue
        values = [run[name] for run in runs if run[name] is not None]
        row[name] = statistics.median(values) if values else None
        if values:
            ranges[name] = [min(values), max(values)]
    row["properties"] = _median_properties([run["properties"] for run in runs])
    ordered = sorted(runs, key=lambda run: run["recovered"])
    return {**row, "curve": ordered[len(runs) // 2]["curve"], "seeds": seeds, "ranges": ranges, "runs": list(runs)}


def _median_properties(runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        those = [run[name] for run in runs if name in run]
        found[name] = {
            kind: None if those[0][kind] is None else statistics.median(one[kind] for one in those)
            for kind in ("mse", "mae")
        } | {"unit": those[0]["unit"], "n": statistics.median(one["n"] for one in those)}
    return found
