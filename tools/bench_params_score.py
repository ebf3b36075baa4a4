"""What a row of the table of accuracies says of one estimator, and the targets it is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from .bench_params_estimators import NINETY, Estimates
from .bench_params_sets import UnitSet

CONFIDENCE = 0.95  # of the binomial interval of a coverage
SCORED = (("iz", "mm"), ("cv", "m_s"))
COVERAGE = {"matched": (0.85, 0.95), "left_out": (0.75, 1.0)}  # that 90 % intervals are to have


@dataclass(frozen=True)
class Target:
    """Most mean absolute error that a row may have."""

    iz_mm: float
    cv_m_s: float


TARGETS = {  # by input, conductor and SNR
    ("muap", "planar", 20.0): Target(0.26, 0.017),
    ("muap", "planar", 0.0): Target(0.8, 0.08),
    ("emg", "planar", 20.0): Target(1.5, 0.10),
    ("muap", "cylinder", 20.0): Target(2.0, 0.15),
}
TARGET_ARRAYS = ("16x1", "8x8", "13x5")


def scores(found: Estimates | None, units: UnitSet) -> dict[str, Any]:
    """Errors, coverage and stated uncertainty of one estimator; None where there is nothing to be had.

    Returns
    -------
    dict
        For `iz` (mm) and `cv` (m_s): ``<name>_mae_<unit>``, ``<name>_median_<unit>`` (absolute error),
        ``<name>_cover90`` (share of 90 % intervals that hold the truth), ``<name>_cover90_interval`` (95 %, binomial,
        exact), ``<name>_sd_median_<unit>`` (stated) and ``<name>_answered``.
    """
    row: dict[str, Any] = {}
    for (name, unit), truth in zip(SCORED, (units.zones_mm, units.speeds_m_s), strict=True):
        nothing = np.full(len(units), np.nan)
        value = nothing if found is None else getattr(found, f"{name}_{unit}")
        sd = nothing if found is None else getattr(found, f"{name}_sd_{unit}")
        error = np.abs(value - truth)
        stated = np.isfinite(error) & np.isfinite(sd)
        inside = int((error[stated] <= NINETY * sd[stated]).sum())
        row[f"{name}_mae_{unit}"] = _of(np.mean, error)
        row[f"{name}_median_{unit}"] = _of(np.median, error)
        row[f"{name}_cover90"] = inside / int(stated.sum()) if stated.any() else None
        row[f"{name}_cover90_interval"] = binomial_interval(inside, int(stated.sum()))
        row[f"{name}_sd_median_{unit}"] = _of(np.median, sd)
        row[f"{name}_answered"] = int(np.isfinite(error).sum())
    return row


def binomial_interval(hits: int, of: int, confidence: float = CONFIDENCE) -> list[float] | None:
    """Exact interval of a share (Clopper & Pearson 1934); None of nothing."""
    if of == 0:
        return None
    found = scipy.stats.binomtest(hits, of).proportion_ci(confidence, method="exact")
    return [float(found.low), float(found.high)]


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """The targets of a row and whether they are met; None where none is set.

    A coverage is met where its binomial interval reaches into the range aimed for: with few units, no more can be said.
    """
    told: dict[str, Any] = {}
    target = target_of(row)
    for name, unit in SCORED:
        most = None if target is None else getattr(target, f"{name}_{unit}")
        mae = row[f"{name}_mae_{unit}"]
        told[f"{name}_target_{unit}"] = most
        told[f"{name}_met"] = None if most is None or mae is None else bool(mae <= most)
        low, high = COVERAGE[row["split"]]
        interval = row[f"{name}_cover90_interval"]
        aimed = row["input"] == "muap" and row["draws"] == "inside" and interval is not None
        told[f"{name}_cover90_met"] = bool(interval[0] <= high and interval[1] >= low) if aimed else None
    return told


def target_of(row: dict[str, Any]) -> Target | None:
    """What a row is held to."""
    usual = row["draws"] == "inside" and row["montage"] == "monopolar" and row["array"] in TARGET_ARRAYS
    return TARGETS.get((row["input"], row["conductor"], row["snr_db"])) if usual else None


def growth(rows: list[dict[str, Any]]) -> None:
    """Write into left-out rows how many times as large as inside the stated uncertainty and the error are."""
    for row in rows:
        like = [
            other for other in rows
            if other["split"] == "matched" and other["conductor"] == "planar"
            and all(other[name] == row[name] for name in ("array", "snr_db", "input", "montage"))
        ]  # fmt: skip
        for name, unit in SCORED:
            for what in (f"{name}_sd_median_{unit}", f"{name}_median_{unit}"):
                inside = like[0][what] if like and row["split"] == "left_out" else None
                row[f"{what}_growth"] = row[what] / inside if inside and row[what] is not None else None


def _of(measure: Any, values: NDArray[np.float64]) -> float | None:
    values = values[np.isfinite(values)]
    return float(measure(values)) if len(values) else None
