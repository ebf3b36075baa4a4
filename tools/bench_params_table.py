"""The table of accuracies for a person: errors first, then how sure the estimator was, by what training has seen."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table

GROUPS = {
    "matched": "as in training",
    "left_out": "left out of training",
}
ESTIMATORS = {"encoder_": "live", "classical_": "classic", "constant_": "guess"}
MISSING = "-"


def tables(rows: list[dict[str, Any]]) -> list[RenderableType]:
    """Errors and uncertainty of every group that has rows."""
    shown: list[RenderableType] = []
    for split, title in GROUPS.items():
        group = [row for row in rows if row["split"] == split]
        if group:
            shown += [_errors(group, title), _uncertainty(group, title)]
    return shown


def _errors(rows: list[dict[str, Any]], title: str) -> Table:
    beside = {prefix: name for prefix, name in ESTIMATORS.items() if any(f"{prefix}iz_mae_mm" in row for row in rows)}
    notes = ["< target met, > missed", *(_found(row) for row in rows if row["input"] == "emg")]
    table = _table(f"Mean absolute error, {title}", "\n".join(notes))
    for name in ("n", "IZ mm", "CV m/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in beside.values():
        table.add_column(f"{name}\nIZ", justify="right", no_wrap=True)
        table.add_column("\nCV", justify="right", no_wrap=True)
    table.add_column("ms a\nunit", justify="right", no_wrap=True)
    for row in rows:
        cells = [str(row["n"]), _against(row, "iz", "mm", 2), _against(row, "cv", "m_s", 3)]
        for prefix in beside:
            cells += [_number(row.get(f"{prefix}iz_mae_mm"), 2), _number(row.get(f"{prefix}cv_mae_m_s"), 2)]
        table.add_row(*_what(row), *cells, _number(row["ms_a_unit"], 0))
    return table


def _uncertainty(rows: list[dict[str, Any]], title: str) -> Table:
    grown = any(row["iz_sd_median_mm_growth"] is not None for row in rows)
    caption = "held: % of 90 % intervals that hold the truth (and 95 % interval)"
    caption += "\nx: times the sd of the same row as in training" if grown else ""
    table = _table(f"Stated uncertainty, {title}", caption)
    table.add_column("answered", justify="right", no_wrap=True)
    for name in ("IZ", "CV"):
        table.add_column(f"{name} held", justify="right", no_wrap=True)
        table.add_column("median sd", justify="right", no_wrap=True)
    for row in rows:
        cells = [f"{row['answered']} of {row['n']}"]
        for name, unit, digits in (("iz", "mm", 2), ("cv", "m_s", 3)):
            sd = _number(row[f"{name}_sd_median_{unit}"], digits)
            growth = row[f"{name}_sd_median_{unit}_growth"]
            cells += [_coverage(row, name), sd if growth is None else f"{sd} (x{growth:.1f})"]
        table.add_row(*_what(row), *cells)
    return table


def _table(title: str, caption: str) -> Table:
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=0)
    table.add_column("array", no_wrap=True)
    table.add_column("dB", justify="right", no_wrap=True)
    table.add_column("input", no_wrap=True)
    table.add_column("conductor", no_wrap=True)
    return table


def _what(row: dict[str, Any]) -> list[str]:
    if row["draws"] != "inside":
        what = row["draws"]
    else:
        what = row["conductor"] if row["montage"] == "monopolar" else f"{row['conductor']}, SD"
    return [row["array"], f"{row['snr_db']:g}", row["input"], what]


def _found(row: dict[str, Any]) -> str:
    """How the units of interference EMG came about."""
    return (
        f"emg {row['array']}, {row['snr_db']:g} dB: {row['n']} units of {row['recordings']} recording(s) are"
        f" simulated ones, {row['n_unmatched']} are not"
    )


def _against(row: dict[str, Any], name: str, unit: str, digits: int) -> str:
    """An error, and its target if there is one."""
    error, target = _number(row[f"{name}_mae_{unit}"], digits), row[f"{name}_target_{unit}"]
    if target is None or row[f"{name}_met"] is None:
        return error
    return f"{error} {'<' if row[f'{name}_met'] else '>'} {target:g}"


def _coverage(row: dict[str, Any], name: str) -> str:
    share, interval = row[f"{name}_cover90"], row[f"{name}_cover90_interval"]
    if share is None:
        return MISSING
    return f"{100 * share:.0f} ({100 * interval[0]:.0f}-{100 * interval[1]:.0f})"


def _number(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"
