"""The fit of the velocity over the channels: when the wave arrives where, and the lines that were fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..models.classical.conduction_velocity import ConductionVelocity
from ..stream.geometry import Geometry
from .estimation import Stretch
from .estimation_methods import Answer, Array, by_classical
from .report_drawing import CLASSICAL, COLOURS, MEASURED, PALE, say, zone_band

LEAST_MS = 4.0  # of the axis


def draw_fit(axis: Axes, whole: Stretch, array: Array, method: str) -> None:
    """Arrivals by the classical estimator, its line, and that of the method asked for.

    Time 0 is when the wave leaves the classical innervation zone, or passes the array's first row where the zone lies
    outside; the other line is moved in time to lie on the arrivals, which say nothing about when the wave began.
    """
    classical = whole.answer if method == "classical" else whole.beside["classical"]
    modelled = whole.answer.modelled
    zone_band(axis, whole.number("iz_mm"), whole.number("iz_mm_sd"))
    axis.set_xlabel("arrival (ms)")
    axis.grid(axis="x", color=PALE, linewidth=0.6)
    velocity = classical.velocity
    if velocity is None or velocity.cv_m_s is None:
        reason = classical.reason if velocity is None else velocity.reason
        say(axis, f"no arrivals:\n{_wrapped(reason or '')}")
        axis.set_xticks([])
        return
    start = _start(classical, array.geometry)
    place, late = arrivals(velocity, start)
    _draw_points(axis, velocity, place, late, start, (CLASSICAL, MEASURED), "measured")
    _draw_line(axis, array.geometry, start, velocity.cv_m_s, 0.0, CLASSICAL, "--", _words("classical", classical))
    zone, speed, moved = whole.number("iz_mm"), whole.number("cv_m_s"), 0.0
    if method != "classical" and zone is not None and speed is not None:
        moved = float((late - np.abs(place - zone) / speed).mean())
        _draw_line(axis, array.geometry, zone, speed, moved, COLOURS[method], "-", _words(method, whole.answer))
        if modelled is not None:
            _draw_modelled(axis, by_classical(replace(whole.average, waveform=modelled), array), array, moved)
    longest = max(LEAST_MS, float(late.max()))
    axis.set_xlim(min(0.0, moved, float(late.min())) - 0.05 * longest, 1.08 * longest)
    axis.legend(loc="lower right", handlelength=1.8, borderaxespad=0.2)
    axis.set_title(f"When the wave arrives, by maximum likelihood\nover {len(late)} double differences")


def arrivals(velocity: ConductionVelocity, start: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places along the fibres (mm) and times since the wave left `start` (ms) of every arrival.

    Delays are known within a run only, the channels of one column on one side; each run is moved in time to lie on the
    common line on average.
    """
    place = np.array([one.along_mm for one in velocity.arrivals])
    delay = np.array([one.delay_ms for one in velocity.arrivals])
    run = np.array([2 * one.column + (one.along_mm > start) for one in velocity.arrivals])
    expected = np.abs(place - start) / float(velocity.cv_m_s or np.inf)
    for one in np.unique(run):
        delay[run == one] += (expected - delay)[run == one].mean()
    return place, delay


def _start(classical: Answer, geometry: Geometry) -> float:
    """The classical innervation zone, or where the array begins for a wave that comes from outside."""
    zone = classical.zone
    if zone is not None and zone.iz_mm is not None:
        return zone.iz_mm
    along = geometry.along_mm()
    return float(along.min() if zone is not None and zone.side < 0 else along.max())


def _draw_modelled(axis: Axes, classical: Answer, array: Array, moved: float) -> None:
    """The same estimator's arrivals in the reconstruction: what it makes of a wave whose velocity is the model's."""
    velocity = classical.velocity
    if velocity is None or velocity.cv_m_s is None:
        return
    start = _start(classical, array.geometry)
    place, late = arrivals(velocity, start)
    words = f"in the reconstruction ({velocity.cv_m_s:.2f} m/s)"
    _draw_points(axis, velocity, place, late + moved, start, ("none", COLOURS["physics"]), words)


def _draw_points(
    axis: Axes, velocity: ConductionVelocity, place: NDArray[np.float64], late: NDArray[np.float64], start: float,
    colours: tuple[str, str], words: str,
) -> None:  # fmt: skip
    """Triangles that point away from the zone, the larger the more alike a channel is to the others."""
    alike = np.array([one.correlation for one in velocity.arrivals])
    for marker, part in (("^", place > start), ("v", place <= start)):
        axis.scatter(
            late[part], place[part], s=8.0 + 26.0 * np.clip(alike[part], 0.0, 1.0) ** 2, marker=marker,
            facecolors=colours[0], edgecolors=colours[1], linewidths=0.6, alpha=0.8, zorder=3.0,
            label=words if part.any() else "_",
        )  # fmt: skip
        if part.any():
            words = "_"  # once in the legend


def _draw_line(
    axis: Axes, geometry: Geometry, zone: float, speed: float, moved: float, colour: str, style: str, words: str
) -> None:
    along = geometry.along_mm()
    place = np.unique(np.clip([along.min(), zone, along.max()], along.min(), along.max()))
    axis.plot(moved + np.abs(place - zone) / speed, place, style, color=colour, linewidth=1.6, label=words, zorder=2.5)


def _words(method: str, answer: Answer) -> str:
    speed, sd = answer.values.get("cv_m_s"), answer.values.get("cv_m_s_sd")
    return f"{method} {speed:.2f}" + ("" if sd is None else f" ± {sd:.2f}") + " m/s"


def _wrapped(words: str, width: int = 34) -> str:
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
