"""One picture of a simulated recording: force, discharges, EMG, and waveforms over the array."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .whole_file import written_whole

if TYPE_CHECKING:
    from ..models.simulation.simulator import Simulation

FEW_CHANNELS, MORE_CHANNELS, SHOWN_UNITS = 8, 16, 3
BINS = 1500  # of the EMG over the whole length: more than the picture has columns
ZOOM_S = 0.12
INK, FAINT = "#22262e", "#8a93a3"


def draw_simulation(simulation: Simulation, path: str | os.PathLike[str]) -> None:
    """Draw a simulated recording to a file, whole or not at all.

    Parameters
    ----------
    simulation : Simulation
    path : path
        Its suffix says the format: .png, .svg or .pdf.
    """
    # A figure of its own, not pyplot's: no display, no state left behind.
    figure = Figure(figsize=(15.0, 9.0), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1.0], wspace=0.02)
    force, raster, emg = left.subplots(3, 1, sharex=True, height_ratios=[1.0, 1.7, 1.7])
    maps_at, zoom_at = right.subfigures(2, 1, height_ratios=[1.7, 1.0])

    colours, order = colormaps["viridis"], Normalize(-0.02 * len(simulation.trains), 1.25 * len(simulation.trains))
    centre = _zoom_centre(simulation)
    _force(force, simulation)
    _raster(raster, simulation, colours, order)
    _emg(emg, simulation, _shown_channels(simulation, FEW_CHANNELS), centre)
    _zoom(zoom_at.subplots(), simulation, _shown_channels(simulation, MORE_CHANNELS), centre)
    units = _shown_units(simulation)
    axes = np.atleast_1d(maps_at.subplots(1, len(units), sharey=True))
    for axis, unit in zip(axes, units, strict=True):
        _map(axis, simulation, unit, colours(order(unit)))
    axes[0].set_ylabel("along the fibres (mm)")
    maps_at.supxlabel("across the fibres (mm)", fontsize="medium")
    maps_at.suptitle("Waveforms at the electrodes, innervation zone dashed", fontsize="medium")
    s = simulation.settings
    noise = f"{'+'.join(s.noise)} noise, {s.snr_db:g} dB" if s.noise else "no noise"
    figure.suptitle(
        f"Simulated: {len(simulation.trains)} motor units, {len(simulation.geometry)} channels, "
        f"{s.muscle.conductor}, {noise}, seed {s.seed}",
        color=INK,
    )
    suffix = Path(path).suffix[1:].lower()
    with written_whole(path) as temporary:
        figure.savefig(temporary, format=suffix)


def _shown_channels(simulation: Simulation, most: int) -> NDArray[np.int64]:
    """Some channels of the column with the strongest EMG, evenly spaced, from the highest row down."""
    geometry = simulation.geometry
    power = np.var(simulation.emg, axis=1)
    column = max(sorted(set(geometry.col.tolist())), key=lambda c: float(power[geometry.col == c].mean()))
    inside = np.flatnonzero(geometry.col == column)
    inside = inside[np.argsort(-geometry.row[inside])]
    result: NDArray[np.int64] = inside[:: -(-len(inside) // most)]
    return result


def _shown_units(simulation: Simulation) -> list[int]:
    """A small, a middle and a large unit among those that fire."""
    active = [unit for unit, train in enumerate(simulation.trains) if len(train)]
    places = np.linspace(0.1, 0.9, SHOWN_UNITS) * (len(active) - 1)
    return sorted({active[round(place)] for place in places.tolist()})


def _zoom_centre(simulation: Simulation) -> int:
    """Sample in the middle of the zoom: near the highest force, a little after the largest waveform begins."""
    middle = int(np.argmax(simulation.force))
    active = [unit for unit, train in enumerate(simulation.trains) if len(train)]
    train = simulation.trains[max(active, key=lambda unit: simulation.truth[unit]["muap_peak_to_peak_uv"])]
    half = int(ZOOM_S / 2 * simulation.settings.fs_hz)
    nearest = int(train[np.argmin(np.abs(train - middle))]) + half // 3
    return int(np.clip(nearest, half, max(half, simulation.emg.shape[1] - half)))


def _bare(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize="small")


def _force(axis: Axes, simulation: Simulation) -> None:
    settings, samples = simulation.settings, len(simulation.force)
    every = max(1, samples // (4 * BINS))
    time = np.arange(0, samples, every) / settings.fs_hz
    axis.plot(time, simulation.force[::every], color=INK, linewidth=1.0, label="of the twitches")
    wanted = settings.profile.force(samples, settings.fs_hz)[::every]
    axis.plot(time, wanted, color="#d08770", linewidth=1.2, linestyle="--", label="asked for")
    axis.set_ylabel("force (% of maximum)")
    axis.set_ylim(bottom=0.0)
    axis.legend(
        frameon=False, fontsize="small", loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0, ncols=2
    )
    _bare(axis)


def _raster(axis: Axes, simulation: Simulation, colours: Colormap, order: Normalize) -> None:
    fs_hz, units = simulation.settings.fs_hz, range(len(simulation.trains))
    axis.eventplot(
        [train / fs_hz for train in simulation.trains], lineoffsets=list(units), linelengths=1.0, linewidths=0.4,
        colors=[colours(order(unit)) for unit in units], rasterized=True,
    )  # fmt: skip
    active = [unit for unit, train in enumerate(simulation.trains) if len(train)]
    axis.set_ylim(-1.0, max(active) + 1.0)
    axis.set_ylabel("unit, in order of recruitment")
    axis.set_title(f"discharges of the {len(active)} active units", fontsize="small", loc="left")
    _bare(axis)


def _emg(axis: Axes, simulation: Simulation, channels: NDArray[np.int64], centre: int) -> None:
    fs_hz = simulation.settings.fs_hz
    block = simulation.emg[channels]  # (shown, samples)
    edges = np.linspace(0, block.shape[1], min(BINS, block.shape[1]) + 1).astype(np.int64)[:-1]
    low, high = np.minimum.reduceat(block, edges, axis=1), np.maximum.reduceat(block, edges, axis=1)  # (shown, bins)
    time = edges / fs_hz
    spacing = _spacing(block)
    for line in range(len(channels)):
        axis.fill_between(time, low[line] - line * spacing, high[line] - line * spacing, color=INK, linewidth=0)
    axis.axvspan(centre / fs_hz - 0.3, centre / fs_hz + 0.3, color="#d08770", alpha=0.5, linewidth=0)
    axis.set_ylim(-(len(channels) - 0.3) * spacing, 0.8 * spacing)
    _name_channels(axis, simulation, channels, spacing)
    axis.set_xlabel("time (s)")
    axis.set_xlim(0.0, block.shape[1] / fs_hz)
    axis.set_title(f"EMG, {spacing:.0f} µV between lines", fontsize="small", loc="left")
    _bare(axis)


def _zoom(axis: Axes, simulation: Simulation, channels: NDArray[np.int64], centre: int) -> None:
    fs_hz, half = simulation.settings.fs_hz, int(ZOOM_S / 2 * simulation.settings.fs_hz)
    part = slice(max(0, centre - half), centre + half)
    block = simulation.emg[channels, part]
    time = (np.arange(part.start, part.start + block.shape[1])) / fs_hz
    spacing = 0.4 * float(np.ptp(block, axis=1).max())
    for line, trace in enumerate(block):
        axis.plot(time, trace - line * spacing, color=INK, linewidth=0.8)
    _name_channels(axis, simulation, channels, spacing)
    axis.set_xlim(time[0], time[-1])
    axis.set_xlabel("time (s)")
    axis.set_title(f"the marked moment, {spacing:.0f} µV between lines", fontsize="small", loc="left")
    _bare(axis)


def _spacing(block: NDArray[np.float32]) -> float:
    """Distance between traces: what they reach nearly always, so that an artefact does not flatten the rest."""
    return max(2.2 * float(np.quantile(np.abs(block), 0.999)), 1e-3)


def _name_channels(axis: Axes, simulation: Simulation, channels: NDArray[np.int64], spacing: float) -> None:
    along = simulation.geometry.along_mm()[channels]
    axis.set_yticks(-spacing * np.arange(len(channels)), [f"{mm:+.4g} mm" if mm else "0 mm" for mm in along])


def _map(axis: Axes, simulation: Simulation, unit: int, colour: tuple[float, ...]) -> None:
    geometry, truth, muap = simulation.geometry, simulation.truth[unit], simulation.muaps[unit]
    ied = geometry.ied_mm
    time = np.linspace(-0.45, 0.45, muap.shape[1]) * ied
    height = 0.9 * ied / max(float(np.ptp(muap, axis=1).max()), 1e-9)
    along, across = geometry.along_mm(), geometry.across_mm()
    for x, y, trace in zip(across, along, muap, strict=True):
        axis.plot(x + time, y + height * (trace - trace[0]), color=colour, linewidth=0.8)
    axis.plot(across, along, ".", color=FAINT, markersize=1.5)
    axis.axhline(truth["innervation_zone_mm"], color="#bf616a", linestyle="--", linewidth=1.0)
    axis.axvspan(
        max(across.min() - 0.6 * ied, truth["lateral_mm"] - truth["radius_mm"]),
        min(across.max() + 0.6 * ied, truth["lateral_mm"] + truth["radius_mm"]),
        color=colour, alpha=0.12, linewidth=0,
    )  # fmt: skip
    axis.set_xlim(across.min() - 0.6 * ied, across.max() + 0.6 * ied)
    axis.set_ylim(along.min() - 0.9 * ied, along.max() + 0.9 * ied)
    axis.set_title(
        f"unit {unit}: {truth['fibres']:.0f} fibres, {truth['depth_mm'] + truth['cover_mm']:.0f} mm deep\n"
        f"{truth['conduction_velocity_m_s']:.2f} m/s, zone {truth['innervation_zone_mm']:+.1f} mm\n"
        f"{truth['muap_peak_to_peak_uv']:.0f} µV, window {1e3 * muap.shape[1] / simulation.settings.fs_hz:.0f} ms",
        fontsize="small",
    )
    _bare(axis)
