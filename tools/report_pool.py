"""Pictures of the whole pool: where units lie, how fast they conduct, and when they are recruited."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .estimation import Pool, Stretch, UnitEstimate
from .recording import Recording
from .report_drawing import COLOURS, FAINT, MEASURED, NINETY, PALE, ZONE, new_figure, say

FORCE_POINTS = 2000
FEW_UNITS = 40  # whose numbers fit beside their points


def pool_figure(pool: Pool, recording: Recording) -> Figure:
    """Innervation zones along the array, and velocity against recruitment, or size where there is no force."""
    figure = new_figure(4.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1.0])
    _draw_zones(left, pool)
    if recording.force is None:
        _draw_speed(right, pool, [one.whole.peak_to_peak_uv for one in pool.units], "size, peak to peak (µV)")
        right.set_xscale("log")
        right.xaxis.set_major_formatter("{x:g}")
        right.xaxis.set_minor_formatter("")
    else:
        _draw_speed(right, pool, [one.recruited_at for one in pool.units], f"recruited at ({recording.force_unit})")
    return figure


def firing_figure(pool: Pool, recording: Recording) -> Figure:
    """Discharges in order of recruitment, and the force where there is one."""
    units = sorted(
        (one for one in pool.units if len(one.train)),
        key=lambda one: (one.recruited_at is None, one.recruited_at or 0.0, int(one.train[0])),
    )
    figure = new_figure(1.6 + 0.13 * len(units) + (1.3 if recording.force is not None else 0.0))
    if recording.force is None:
        raster = figure.subplots()
    else:
        height = 0.4 + 0.13 * len(units)
        force, raster = figure.subplots(2, 1, sharex=True, height_ratios=[1.4, height])
        every = max(1, recording.samples // FORCE_POINTS)
        force.plot(
            np.arange(0, recording.samples, every) / recording.fs_hz, recording.force[::every],
            color=MEASURED, linewidth=1.0,
        )  # fmt: skip
        for one in units:
            if one.recruited_at is not None:
                force.axhline(one.recruited_at, xmax=0.012, color=ZONE, linewidth=1.0)
        force.set_ylabel(f"force ({recording.force_unit})")
        force.set_title("Force; marks on the left are the recruitment thresholds of the units")
    _draw_raster(raster, units, recording)
    return figure


def _methods(pool: Pool) -> list[str]:
    """The method asked for, then those beside it."""
    return [pool.method, *(pool.units[0].whole.beside if pool.units else ())]


def _draw_zones(axis: Axes, pool: Pool) -> None:
    along = np.unique(pool.array.geometry.along_mm())
    axis.hlines(along, -0.6, len(pool.units) - 0.4, color=PALE, linewidth=0.7, zorder=0.5)
    for number, method in enumerate(_methods(pool)):
        _points(axis, pool, method, [one.unit + 0.22 * number for one in pool.units], "iz_mm")
    axis.set_xlim(-0.6, len(pool.units) - 0.4)
    if len(along):
        edge = 0.5 * pool.array.geometry.ied_mm
        axis.set_ylim(along.min() - edge, along.max() + edge)
    step = 1 if len(pool.units) <= 24 else 5
    axis.set_xticks(range(0, len(pool.units), step))
    axis.set_xlabel("unit")
    axis.set_ylabel("innervation zone along the fibres (mm)")
    axis.set_title("Innervation zones, 90 % intervals; lines are the electrode rows")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="best", ncols=2, frameon=True, framealpha=0.9, edgecolor="none")
    else:
        say(axis, "no unit has an innervation zone")


def _draw_speed(axis: Axes, pool: Pool, at: Sequence[float | None], words: str) -> None:
    for method in reversed(_methods(pool)):
        _points(axis, pool, method, at, "cv_m_s", bars=method == pool.method)
    axis.set_xlabel(words)
    axis.set_ylabel("conduction velocity (m/s)")
    axis.set_title("Conduction velocity, 90 % intervals")
    axis.grid(color=PALE, linewidth=0.6)
    axis.set_axisbelow(True)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="best", frameon=True, framealpha=0.9, edgecolor="none")
        _number_points(axis, pool, at)
    else:
        say(axis, "no unit has a conduction velocity")


def _number_points(axis: Axes, pool: Pool, at: Sequence[float | None]) -> None:
    if len(pool.units) > FEW_UNITS:
        return
    for one, x in zip(pool.units, at, strict=True):
        y = one.whole.number("cv_m_s")
        if x is not None and y is not None:
            axis.annotate(str(one.unit), (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7.5, color=FAINT)


def _points(axis: Axes, pool: Pool, method: str, at: Sequence[float | None], name: str, bars: bool = True) -> None:
    found = [(x, *_by(one.whole, pool.method, method, name)) for one, x in zip(pool.units, at, strict=True)]
    shown = [(x, value, sd or 0.0) for x, value, sd in found if x is not None and value is not None]
    if not shown:
        return
    x, value, sd = np.array(shown).T
    first = method == pool.method
    axis.errorbar(
        x, value, yerr=NINETY * sd if bars else None, fmt="o" if first else "D", markersize=5.0 if first else 4.0,
        color=COLOURS[method], markerfacecolor=COLOURS[method] if first else "white", elinewidth=1.1, capsize=0.0,
        markeredgewidth=1.1, label=method, zorder=3.0 if first else 2.5,
    )  # fmt: skip


def _by(whole: Stretch, main: str, method: str, name: str) -> tuple[float | None, float | None]:
    answer = whole.answer if method == main else whole.beside[method]
    return answer.values.get(name), answer.values.get(f"{name}_sd")


def _draw_raster(axis: Axes, units: Sequence[UnitEstimate], recording: Recording) -> None:
    axis.eventplot(
        [one.train / recording.fs_hz for one in units] or [[]], lineoffsets=list(range(max(1, len(units)))),
        linelengths=0.8, linewidths=0.5, colors=MEASURED, rasterized=sum(len(one.train) for one in units) > 3000,
    )  # fmt: skip
    axis.set_yticks(range(len(units)), [str(one.unit) for one in units], fontsize=7.5)
    axis.set_ylim(-0.7, max(1, len(units)) - 0.3)
    axis.set_xlim(0.0, recording.duration_s)
    axis.set_ylabel("unit")
    axis.set_xlabel("time (s)")
    axis.set_title("Discharges, the first recruited at the bottom" if units else "No discharge")
