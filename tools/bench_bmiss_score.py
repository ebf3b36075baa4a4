"""What of a simulated muscle has been found: units matched one to one, and how well their parameters are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.duplicates import distinct
from ..models.matching import assign
from ..models.quality import interval_variation
from .bench_bmiss_waveforms import MATCHED, PARAMETERS, SIZE
from .bench_bmiss_world import World

RECOVERED_ROA = 0.9
HALF_ROA = 0.5
CONSTANT_GUESS = 1.0 / 12.0  # mean squared error of the middle of [0, 1]
PHYSICAL_UNITS = {
    "depth_mm": "mm", "lateral_mm": "mm", "innervation_zone_mm": "mm", "conduction_velocity_m_s": "m/s",
    "half_length_mm": "mm", SIZE: "ln",
}  # fmt: skip

TARGETS = {  # units to recover, by array and noise level, of the half-space that separation assumes
    ("10x32", None): 90, ("10x32", 20.0): 70, ("10x32", 10.0): 45,
    ("8x8", None): 80, ("8x8", 20.0): 38, ("8x8", 10.0): 18,
}  # fmt: skip
RATIO_TARGET = 1.25  # to our blind separation, in every row
MOST_MSE, MOST_MSE_MISMATCHED = 1e-3, 1e-2  # without noise; with another conductor than assumed

Train = NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """A found unit and the true one it is."""

    found: int
    true: int
    roa: float


@dataclass(frozen=True)
class Recovery:
    """Found units against true ones.

    Attributes
    ----------
    matches : tuple of Match
        Hungarian method on F1; numbers are those of the trains as given, duplicates included.
    extras : int
        Found units without a partner that agrees with RoA > 0.5, duplicates not counted.
    duplicates : int
        Found units left out: they share 30 % of their discharges with another, more regular one, or have none.
    """

    matches: tuple[Match, ...]
    extras: int
    duplicates: int

    def above(self, roa: float) -> int:
        """Units that agree better than `roa`."""
        return sum(match.roa > roa for match in self.matches)

    @property
    def recovered(self) -> int:
        """Units with RoA > 0.9."""
        return self.above(RECOVERED_ROA)

    @property
    def recovered_05(self) -> int:
        """Units with RoA > 0.5."""
        return self.above(HALF_ROA)


def recovery(found: Sequence[Train], truth: Sequence[Train], fs_hz: float) -> Recovery:
    """Match trains one to one, after those found twice are merged.

    Parameters
    ----------
    found, truth : sequence of ndarray of int64, samples, ascending
    fs_hz : float
    """
    kept = [index for index in range(len(found)) if len(found[index])]
    # Of two trains of one unit the more regular stays, as in `score`: judged without the truth.
    regular = np.array([-interval_variation(found[index], fs_hz) for index in kept])
    kept = [kept[index] for index in sorted(distinct([found[index] for index in kept], regular, fs_hz))]
    assigned = assign([found[index] for index in kept], truth, fs_hz=fs_hz)
    matches = tuple(Match(kept[one], true, agreement.roa) for one, true, agreement in assigned.pairs)
    fitting = sum(match.roa > HALF_ROA for match in matches)
    return Recovery(matches, extras=len(kept) - fitting, duplicates=len(found) - len(kept))


def property_errors(found: Recovery, parameters: Mapping[str, NDArray[np.floating]], world: World) -> dict[str, Any]:
    """How far the parameters of recovered units are from the true ones.

    Parameters
    ----------
    found : Recovery
    parameters : mapping of str to ndarray, shape (found units,)
        By `PARAMETERS`; those not given, and values that are not finite, are not scored.
        Sizes count up to a common factor, which nothing recorded at the skin can tell.
    world : World

    Returns
    -------
    dict
        ``property_mse``: mean over the parameters but the size of their squared errors in [0, 1]; None where no unit
        is recovered. ``properties``: by parameter ``mse`` in [0, 1], ``mae`` in its ``unit`` and ``n`` units scored; of
        sizes the error is that of the natural logarithm. ``constant_guess``: the error of the middle of the range.
    """
    pairs = [(match.found, match.true) for match in found.matches if match.roa > RECOVERED_ROA]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    properties: dict[str, dict[str, Any]] = {}
    for name in PARAMETERS:
        if name not in parameters:
            continue
        error = _errors(name, np.asarray(parameters[name], np.float64)[rows], world.parameters[name][columns])
        if len(error):
            low, high = world.ranges.get(name, (0.0, np.inf))
            properties[name] = {
                "mse": None if name == SIZE else float(np.mean((error / (high - low)) ** 2)),
                "mae": float(np.mean(np.abs(error))), "unit": PHYSICAL_UNITS[name], "n": len(error),
            }  # fmt: skip
    scored = [one["mse"] for one in properties.values() if one["mse"] is not None]
    return {
        "property_mse": float(np.mean(scored)) if scored else None, "properties": properties,
        "constant_guess": CONSTANT_GUESS,
    }  # fmt: skip


def _errors(name: str, value: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors of the values that are told, in the parameter's unit."""
    if name != SIZE:
        return (value - truth)[np.isfinite(value)]
    told = np.isfinite(value) & (value > 0.0)
    error = np.log(value[told] / truth[told])
    return error - np.median(error) if len(error) else error


def judged(row: Mapping[str, Any]) -> dict[str, Any]:
    """The targets of a row and whether they are met; None where none is set, or nothing can be said."""
    matched = row["generator"] == MATCHED
    units = TARGETS.get((row["array"], row["snr_db"])) if matched else None
    error = (MOST_MSE if row["snr_db"] is None else None) if matched else MOST_MSE_MISMATCHED
    mse, ratio = row["property_mse"], row["ratio"]
    return {
        "recovered_target": units, "recovered_met": None if units is None else row["recovered"] >= units,
        "ratio_target": RATIO_TARGET, "ratio_met": None if ratio is None else ratio >= RATIO_TARGET,
        "property_mse_target": error,
        "property_mse_met": None if error is None or mse is None else mse <= error,
    }  # fmt: skip
