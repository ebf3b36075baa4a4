"""Waveforms drawn where their electrodes are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..stream.geometry import Geometry
from .report_drawing import FAINT, MEASURED, MOST_POINTS, ZONE

SHARE = 0.9  # of the spacing that a waveform's time takes
TALLEST = 1.5  # spacings that the largest waveform takes: neighbours may overlap a little
MARGIN_MS = 3.0
QUIET = 0.003  # of the energy may lie outside of what is shown, on either side


@dataclass(frozen=True)
class Frame:
    """How time and voltage become places on the array, the same for every map of a unit.

    Attributes
    ----------
    geometry : Geometry
    part : slice
        Samples that are shown.
    fs_hz : float
    height_mm_uv : float
    """

    geometry: Geometry
    part: slice
    fs_hz: float
    height_mm_uv: float

    @property
    def shown_ms(self) -> float:
        """How long a waveform is shown."""
        return 1e3 * (self.part.stop - self.part.start) / self.fs_hz

    def across(self, ms: NDArray[np.float64] | float) -> NDArray[np.float64] | float:
        """Times from the window's start, ms, as distances from the electrode, mm."""
        middle = 1e3 * (self.part.start + self.part.stop) / 2 / self.fs_hz
        return SHARE * self.geometry.ied_mm * (ms - middle) / self.shown_ms


def frame_for(waveform: NDArray[np.float32], fs_hz: float, geometry: Geometry) -> Frame:
    """Show where the waveform, (channels, samples) uV, has its energy, at a height that fills the array."""
    energy = np.square(waveform, dtype=np.float64).sum(axis=0).cumsum()
    margin = round(1e-3 * MARGIN_MS * fs_hz)
    first, last = np.searchsorted(energy, np.array([QUIET, 1.0 - QUIET]) * energy[-1])
    part = slice(max(0, int(first) - margin), min(len(energy), int(last) + margin + 1))
    largest = float(np.ptp(waveform[:, part], axis=1).max())
    return Frame(geometry, part, fs_hz, TALLEST * geometry.ied_mm / max(largest, 1e-9))


def draw_waveforms(
    axis: Axes, frame: Frame, waveform: NDArray[np.float32], colour: str = MEASURED, width: float = 0.8
) -> None:
    """Each electrode's waveform at its place; zero volt lies at the electrode."""
    shown = waveform[:, frame.part]
    ms = 1e3 * np.arange(frame.part.start, frame.part.stop) / frame.fs_hz
    x = frame.geometry.across_mm()[:, None] + frame.across(ms)  # (channels, shown)
    y = frame.geometry.along_mm()[:, None] + frame.height_mm_uv * shown
    # One line with gaps: Matplotlib leaves out the points of lines that nobody would see, not those of collections.
    gap = np.full((len(x), 1), np.nan)
    axis.plot(
        np.hstack([x, gap]).ravel(), np.hstack([y, gap]).ravel(), color=colour, linewidth=width, zorder=2.0,
        rasterized=x.size > MOST_POINTS,
    )  # fmt: skip


def draw_propagation(axis: Axes, frame: Frame, zone_mm: float, speed_m_s: float, start_ms: float) -> None:
    """When the wave passes each row, drawn over each column as time is drawn there: arrows away from the zone."""
    along, ied = frame.geometry.along_mm(), frame.geometry.ied_mm
    lowest, highest = along.min() - 0.3 * ied, along.max() + 0.3 * ied
    shown = 1e3 * np.array([frame.part.start, frame.part.stop]) / frame.fs_hz
    reach = speed_m_s * max(0.0, shown[1] - start_ms)  # mm, until the waveform's end
    for side, edge in ((1, highest), (-1, lowest)):
        begin = zone_mm if lowest <= zone_mm <= highest else (lowest if side == 1 else highest)
        end = zone_mm + side * min(reach, max(0.0, side * (edge - zone_mm)))
        if side * (begin - zone_mm) < 0 or side * (end - begin) < 0.5 * ied:
            continue
        at = start_ms + np.abs(np.array([begin, end]) - zone_mm) / speed_m_s  # ms
        offset = np.asarray(frame.across(at))
        for column in np.unique(frame.geometry.across_mm()):
            axis.annotate(
                "", xy=(column + offset[1], end), xytext=(column + offset[0], begin), annotation_clip=False,
                arrowprops={"arrowstyle": "-|>,head_width=0.18,head_length=0.35", "color": ZONE, "linewidth": 0.9,
                            "shrinkA": 0.0, "shrinkB": 0.0, "alpha": 0.85}, zorder=2.5,
            )  # fmt: skip


def draw_array(axis: Axes, frame: Frame, missing: NDArray[np.float64]) -> None:
    """Axes in millimetres, electrodes that are `missing` (x, y in mm) as crosses, and the scale."""
    geometry = frame.geometry
    along, across, ied = geometry.along_mm(), geometry.across_mm(), geometry.ied_mm
    axis.plot(missing[:, 0], missing[:, 1], "x", color=FAINT, markersize=4, markeredgewidth=0.8)
    left, right = across.min() - 0.62 * ied, across.max() + 0.62 * ied
    axis.set_xlim(left, right)
    axis.set_ylim(along.min() - 1.9 * ied, along.max() + 1.1 * ied)
    axis.set_xticks(np.unique(across) if len(np.unique(across)) <= 6 else np.unique(across)[::2])
    axis.set_xlabel("across the fibres (mm)")
    _draw_scale(axis, frame, left + 0.12 * ied, along.min() - 1.75 * ied)


def _draw_scale(axis: Axes, frame: Frame, x: float, y: float) -> None:
    ied = frame.geometry.ied_mm
    microvolts = _round(0.8 * ied / frame.height_mm_uv)
    milliseconds = _round(0.45 * frame.shown_ms)
    long, high = SHARE * ied * milliseconds / frame.shown_ms, frame.height_mm_uv * microvolts
    axis.plot([x, x, x + long], [y + high, y, y], color=MEASURED, linewidth=1.4, solid_capstyle="butt", clip_on=False)
    for words, at in ((f"{milliseconds:g} ms", (x + long, y)), (f"{microvolts:g} µV", (x, y + high))):
        axis.annotate(words, at, xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.0)


def _round(value: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... that is no more than `value`."""
    step = 10.0 ** np.floor(np.log10(value))
    return float(step * max(mantissa for mantissa in (1, 2, 5) if mantissa * step <= value * (1 + 1e-9)))


def missing_places(geometry: Geometry) -> NDArray[np.float64]:
    """Places of the grid that have no channel in use, x and y in mm, shape (missing, 2)."""
    used = np.zeros((geometry.grid_rows, geometry.grid_cols), bool)
    used[geometry.row, geometry.col] = True
    row, column = np.nonzero(~used)
    whole = Geometry(row, column, geometry.ied_mm, geometry.grid_rows, geometry.grid_cols)
    return np.stack([whole.across_mm(), whole.along_mm()], axis=1)
