"""What each stage of the inversion buys: the same muscle with one stage left out at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rich import box
from rich.table import Table

from ..models.bmiss.settings import BmissSettings
from ..models.inversion.fit import use_available_cores
from .bench_bmiss import Separator, inverted
from .bench_bmiss_world import Settings, make_world

ARRAY, LEVELS_DB = "8x8", (20.0,)
# What is left out, and how.
STAGES: dict[str, dict[str, Any]] = {
    "everything": {},
    "no blind proposals": {"blind": 0},
    "only blind proposals": {"proposals": 0},
    "no second starts": {"restarts": 0},
    "no turns of a candidate": {"refinements": 1},
    "no deflation": {"deflation": False},
    "no joint refinement": {"joint": False},
    "no measured waveforms": {"measured": False},
    "no falling penalty": {"penalties": (6.0, 6.0)},
    "no exchange, no rebuilding": {"knots": False},
    "one round": {"rounds": 1},
}


def stages(
    separator_of: Callable[[BmissSettings], Separator],
    array: str | None = None,
    levels_db: Sequence[float | None] | None = None,
    seed: int = 0,
    progress: Callable[[float, str], None] = lambda share, note: None,
) -> dict[str, Any]:
    """Invert the same EMG with every stage left out in turn.

    Parameters
    ----------
    separator_of : callable
        The separator of these settings.
    array : str, optional
        By default `ARRAY`, for time.
    levels_db : sequence of float or None, optional
        By default `LEVELS_DB`.
    seed : int
        Of the muscle.

    Returns
    -------
    dict
        ``rows``: ``stage`` and what `bench_bmiss.inverted` tells.
    """
    use_available_cores()
    rows = []
    levels = LEVELS_DB if levels_db is None else levels_db
    for number, level in enumerate(levels):
        settings = Settings(array or ARRAY, level, seed=seed)
        world = make_world(settings)
        for turn, (stage, changes) in enumerate(STAGES.items()):
            done = (number * len(STAGES) + turn) / (len(STAGES) * len(levels))

            def so_far(share: float, note: str, done: float = done, stage: str = stage) -> None:
                progress(done + share / (len(STAGES) * len(levels)), f"{stage}: {note}")

            told = inverted(world, separator_of(replace(BmissSettings(), **changes)), so_far)
            rows.append({"stage": stage, "array": settings.array, "snr_db": level, "seed": seed, **told})
    return {"rows": rows}


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """For a person."""
    shown = Table(title="Units recovered of 100, one stage left out at a time", box=box.SIMPLE_HEAD)
    shown.add_column("stage", no_wrap=True)
    for heading in ("array", "dB", "RoA > 0.9", "> 0.5", "extra", "MSE", "starts", "local\nminima", "s"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(
            row["stage"],
            row["array"],
            "none" if row["snr_db"] is None else f"{row['snr_db']:g}",
            *(str(row[name]) for name in ("recovered", "recovered_05", "extras")),
            "-" if row["property_mse"] is None else f"{row['property_mse']:.2g}",
            *(str(row[name]) for name in ("starts", "local_minima")),
            f"{row['seconds']:.0f}",
        )
    return shown
