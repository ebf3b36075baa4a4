"""One unit's parameters over stretches of the recording, against time and against force."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .estimation import UnitEstimate
from .recording import Recording
from .report_drawing import COLOURS, FAINT, NINETY, PALE, ZONE, new_figure

SHOWN = (("cv_m_s", "conduction velocity (m/s)"), ("iz_mm", "innervation zone (mm)"))
FORCE_POINTS = 600


def windows_figure(unit: UnitEstimate, recording: Recording, method: str) -> Figure | None:
    """Velocity and innervation zone by stretch; None where no stretch has a number."""
    if not any(one.number(name) is not None for one in unit.windows for name, _ in SHOWN):
        return None
    has_force = recording.force is not None
    figure = new_figure(4.4)
    axes = figure.subplots(2, 2 if has_force else 1, squeeze=False, sharex="col", sharey="row",
                           width_ratios=[1.7, 1.0] if has_force else None)  # fmt: skip
    for line, (name, words) in enumerate(SHOWN):
        _draw_against_time(axes[line, 0], unit, recording, name, COLOURS[method] if name == "cv_m_s" else ZONE)
        axes[line, 0].set_ylabel(words)
        if has_force:
            at = np.array([np.nan if one.force is None else one.force for one in unit.windows])
            _draw_points(axes[line, 1], unit, at, name, COLOURS[method] if name == "cv_m_s" else ZONE)
    axes[1, 0].set_xlabel("time (s)" + (f"; the force behind, in {recording.force_unit}" if has_force else ""))
    axes[0, 0].set_title(
        f"Stretches of {unit.windows[0].end_s - unit.windows[0].start_s:g} s (across) and 90 % intervals (upright)"
    )
    if has_force:
        axes[1, 1].set_xlabel(f"mean force ({recording.force_unit})")
        axes[0, 1].set_title("Against the stretch's mean force")
    return figure


def _draw_against_time(axis: Axes, unit: UnitEstimate, recording: Recording, name: str, colour: str) -> None:
    middle = np.array([(one.start_s + one.end_s) / 2 for one in unit.windows])
    half = np.array([(one.end_s - one.start_s) / 2 for one in unit.windows])
    _draw_points(axis, unit, middle, name, colour, half)
    axis.set_xlim(0.0, recording.duration_s)
    if recording.force is None:
        return
    every = max(1, recording.samples // FORCE_POINTS)
    behind = axis.twinx()
    behind.fill_between(
        np.arange(0, recording.samples, every) / recording.fs_hz, recording.force[::every], color=PALE, linewidth=0
    )
    behind.tick_params(axis="y", colors=FAINT, labelcolor=FAINT)
    behind.spines["right"].set_visible(True)
    behind.set_zorder(axis.get_zorder() - 1)
    axis.patch.set_visible(False)


def _draw_points(
    axis: Axes, unit: UnitEstimate, at: NDArray[np.float64], name: str, colour: str,
    half: NDArray[np.float64] | None = None,
) -> None:  # fmt: skip
    value = np.array([np.nan if (v := one.number(name)) is None else v for one in unit.windows])
    sd = np.array([np.nan if (v := one.number(f"{name}_sd")) is None else v for one in unit.windows])
    known = np.isfinite(value) & np.isfinite(at)
    axis.errorbar(
        at[known], value[known], xerr=None if half is None else half[known], yerr=NINETY * np.nan_to_num(sd[known]),
        fmt="o", markersize=4.5, color=colour, elinewidth=1.0, capsize=0.0,
    )  # fmt: skip
    axis.grid(color=PALE, linewidth=0.6)
    axis.set_axisbelow(True)
