"""The bench of separation by inversion for a person: units recovered, how well they are known, how they came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .bench_bmiss_waveforms import PHYSICAL, SIZE

MISSING = "-"
HEADINGS = {
    "depth_mm": "depth\nmm", "lateral_mm": "lateral\nmm", "innervation_zone_mm": "IZ\nmm",
    "conduction_velocity_m_s": "CV\nm/s", "half_length_mm": "length\nmm", SIZE: "size\nln",
}  # fmt: skip


def tables(rows: Sequence[dict[str, Any]]) -> list[RenderableType]:
    """Recovered units, their parameters, and the course of the search."""
    return [_recovered(rows), _properties(rows), _curves(rows)]


def _recovered(rows: Sequence[dict[str, Any]]) -> Table:
    notes = ["RoA > 0.9, matched one to one; > 0.5: the same at RoA > 0.5; extra: found units that are no true one"]
    notes += ["linear, cancel: what true waveforms would recover; blind: our blind separation in the same time"]
    notes += ["* target met, ! missed"]
    if any(row["ranges"] for row in rows):
        notes.append(f"medians of {max(len(row['seeds']) for row in rows)} seeds (least to most)")
    table = _table(f"Units recovered of {_units(rows)}", "\n".join(notes))
    for name in ("recovered", "> 0.5", "extra", "linear", "cancel", "blind", "times\nblind"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    for name in ("s a\nunit", "blind s\na unit"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *_what(row),
            _mark(row, "recovered", _ranged(row, "recovered", 0)),
            *(_number(row[name], 0) for name in ("recovered_05", "extras", "linear_ceiling", "cancellation_ceiling")),
            _ranged(row, "cbss", 0),
            _mark(row, "ratio", _number(row["ratio"], 2)),
            _number(row["seconds"], 0),
            *(_number(row[name], 1) for name in ("seconds_per_true_unit", "cbss_seconds_per_true_unit")),
        )
    return table


def _properties(rows: Sequence[dict[str, Any]]) -> Table:
    guess = rows[0]["constant_guess"]
    table = _table(
        "Parameters of recovered units: mean absolute errors",
        f"MSE: mean squared error in [0, 1] over all but the size; guessing the middle of the range has {guess:.3f}",
    )
    table.add_column("MSE", justify="right", no_wrap=True)
    for name in (*PHYSICAL, SIZE):
        table.add_column(HEADINGS[name], justify="right", no_wrap=True)
    for row in rows:
        found = row["properties"]
        mse = MISSING if row["property_mse"] is None else f"{row['property_mse']:.2g}"
        errors = [_number(found[name]["mae"], 3) if name in found else MISSING for name in (*PHYSICAL, SIZE)]
        table.add_row(*_what(row), _mark(row, "property_mse", mse), *errors)
    return table


def _curves(rows: Sequence[dict[str, Any]]) -> Text:
    """A line a row: distinct units after every iteration, and what became of the starts."""
    shown = ["Units held after each iteration (true ones among them)"]
    for row in rows:
        steps = " ".join(
            str(step["held"]) if step["recovered"] is None else f"{step['held']} ({step['recovered']})"
            for step in row["curve"]
        )
        starts = f"{row['local_minima']} of {row['starts']} starts in local minima"
        shown.append(f"  {', '.join(_what(row))}: {steps or MISSING}; {starts}")
    return Text("\n".join(shown))


def _table(title: str, caption: str) -> Table:
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=0)
    table.add_column("array", no_wrap=True)
    table.add_column("dB", justify="right", no_wrap=True)
    table.add_column("muscle", no_wrap=True)
    return table


def _what(row: dict[str, Any]) -> list[str]:
    level = "none" if row["snr_db"] is None else f"{row['snr_db']:g}"
    return [row["array"], level, row["generator"].replace("conductivity", "cond.")]


def _units(rows: Sequence[dict[str, Any]]) -> str:
    return " or ".join(str(units) for units in sorted({row["units"] for row in rows}))


def _mark(row: dict[str, Any], name: str, text: str) -> str:
    """A number with a mark where it is held to a target."""
    target, met = row[f"{name}_target"], row[f"{name}_met"]
    return text if target is None or met is None else f"{text} {'*' if met else '!'}"


def _ranged(row: dict[str, Any], name: str, digits: int) -> str:
    text = _number(row[name], digits)
    if name not in row["ranges"]:
        return text
    low, high = row["ranges"][name]
    return f"{text} ({low:.{digits}f}-{high:.{digits}f})"


def _number(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"
