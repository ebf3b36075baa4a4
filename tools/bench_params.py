"""The table of accuracies: how well innervation zone and conduction velocity are found, and how sure that is said.

A row is an array, an amount of noise, an input and a conductor; it has units of its own, drawn with seeds that nothing
was trained, tuned or calibrated with. In every row classical estimators, a constant guess and, where there is one, the
parameter model that runs live stand beside what `estimate` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.inversion.fit import use_available_cores
from .bench_params_emg import emg_set
from .bench_params_estimators import Estimator, classical, constant, physics
from .bench_params_score import growth, judged, scores
from .bench_params_sets import INSIDE, RANGES, UnitSet, drawn_set

FIRST_SEED = 1000  # these and those after them are used nowhere else
TRAINED_CONDUCTORS = ("planar", "half-space")
ARRAYS = ("16x1", "8x8", "13x5")
USUAL_UNITS = {"muap": 300, "emg": 40}
FULL_UNITS = {"muap": 500, "emg": 200}
BASELINES: dict[str, Estimator] = {"classical_": classical, "constant_": constant}

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Row:
    """What one row measures.

    Parameters
    ----------
    array : str
    snr_db : float
    input : {"muap", "emg"}
    conductor : {"planar", "half-space", "cylinder"}
    draws : str
        Of `RANGES`.
    montage : str
    usual : bool
        In the short table too.
    """

    array: str
    snr_db: float
    input: str = "muap"
    conductor: str = "planar"
    draws: str = INSIDE
    montage: str = "monopolar"
    usual: bool = False

    @property
    def split(self) -> str:
        """Whether anything like it was seen in training."""
        seen = self.conductor in TRAINED_CONDUCTORS and self.draws == INSIDE
        return "matched" if seen else "left_out"

    def __str__(self) -> str:
        parts = [self.array, f"{self.snr_db:g} dB", self.input, self.conductor]
        parts += [part for part in (self.draws, self.montage) if part not in (INSIDE, "monopolar")]
        return ", ".join(parts)

    def units(self, count: int, seed: int, progress: Progress) -> UnitSet:
        """Units to score on."""
        if self.input == "emg":
            return emg_set(self.array, count, self.snr_db, seed, self.conductor, progress)
        return drawn_set(
            self.array, count, self.snr_db, seed, self.conductor, RANGES[self.draws], self.montage,
            lambda share: progress(share, "simulating"),
        )  # fmt: skip


# A row's seed is its place in this list: append only.
ROWS = (
    *(Row(array, snr_db, usual=True) for array in ARRAYS for snr_db in (0.0, 10.0, 20.0)),
    Row("13x5", 20.0, "emg", usual=True),
    Row("13x5", 20.0, conductor="cylinder", usual=True),
    Row("13x5", 20.0, draws="CV 6.5-8 m/s", usual=True),
    *(Row(array, snr_db) for array in ARRAYS for snr_db in (-5.0, 30.0)),
    *(Row("10x32", snr_db) for snr_db in (0.0, 20.0)),
    Row("13x5", 20.0, conductor="half-space"),
    *(Row("13x5", snr_db, montage="single-differential") for snr_db in (0.0, 20.0)),
    Row("8x8", 20.0, "emg"),
    Row("13x5", 10.0, "emg"),
    *(Row(array, 20.0, conductor="cylinder") for array in ("16x1", "8x8")),
    Row("13x5", 20.0, "emg", conductor="cylinder"),
    *(Row("13x5", 20.0, draws=draws) for draws in RANGES if draws not in (INSIDE, "CV 6.5-8 m/s")),
)


def params(
    full: bool = False,
    units: int | None = None,
    seed: int = FIRST_SEED,
    progress: Progress = lambda share, note: None,
    estimator: Estimator = physics(),  # noqa: B008  (a closure without state)
    encoder: Estimator | None = None,
    plan: Sequence[Row] | None = None,
) -> dict[str, Any]:
    """Measure the table.

    Parameters
    ----------
    full : bool
        All rows, and as many units as the targets ask for.
    units : int, optional
        In every row, instead; recordings are decomposed until so many units are found.
    seed : int
        Of the first row.
    progress : callable
        Told the share done and what is being done.
    estimator : Estimator
        What is measured.
    encoder : Estimator, optional
        Measured beside it.
    plan : sequence of Row, optional
        Of `ROWS`, instead.

    Returns
    -------
    dict
        ``rows``, each as `measured` gives it and `growth` completes it.
    """
    use_available_cores()
    wanted = [row for row in ROWS if full or row.usual] if plan is None else list(plan)
    rows = []
    for number, row in enumerate(wanted):

        def so_far(share: float, note: str, number: int = number, row: Row = row) -> None:
            progress((number + share) / len(wanted), f"row {number + 1} of {len(wanted)}: {row}: {note}")

        count = units or ((FULL_UNITS if full else USUAL_UNITS)[row.input])
        rows.append(measured(row, count, seed + ROWS.index(row), so_far, estimator, encoder))
    growth(rows)
    return {"rows": rows, "seed": seed, "full": full}


def measured(
    row: Row,
    count: int,
    seed: int,
    progress: Progress = lambda share, note: None,
    estimator: Estimator = physics(),  # noqa: B008  (a closure without state)
    encoder: Estimator | None = None,
) -> dict[str, Any]:
    """One row: what it is, `scores` of the estimator, of the baselines by prefix, of the encoder if any, `judged`."""
    share = 0.6 if row.input == "emg" else 0.1  # of the time goes into making the units
    units = row.units(count, seed, lambda done, note: progress(share * done, note))
    progress(share, "estimating")
    found = estimator(units, lambda done: progress(share + (0.95 - share) * done, "estimating"))
    told: dict[str, Any] = {
        "array": row.array, "snr_db": row.snr_db, "input": row.input, "conductor": row.conductor,
        "split": row.split, "draws": row.draws, "montage": row.montage, "n": len(units), "seed": seed,
        "n_unmatched": units.unmatched, "recordings": units.recordings, **scores(found, units),
        "ms_a_unit": _milliseconds(found, len(units)),
    }  # fmt: skip
    told["answered"] = min(told["iz_answered"], told["cv_answered"])
    told |= judged(told)
    progress(0.95, "baselines")
    for prefix, other in {**BASELINES, **({} if encoder is None else {"encoder_": encoder})}.items():
        beside = other(units, lambda done: None)
        told |= {f"{prefix}{name}": value for name, value in scores(beside, units).items()}
        told[f"{prefix}ms_a_unit"] = _milliseconds(beside, len(units))
    return told


def _milliseconds(found: Any, units: int) -> float | None:
    return 1e3 * found.seconds / units if found is not None and units else None
