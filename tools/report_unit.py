"""One unit's picture: its waveform over the array, the fit of its velocity, and what the physics makes of it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..stream.geometry import Geometry
from .estimation import Stretch, UnitEstimate
from .estimation_methods import Array
from .report_drawing import BENEATH, MODEL, NINETY, new_figure, zone_band
from .report_fit import draw_fit
from .report_map import Frame, draw_array, draw_propagation, draw_waveforms, frame_for, missing_places

INCH_A_ROW = 0.36
LEAST_IN, MOST_IN = 4.6, 12.0


def unit_figure(unit: UnitEstimate, array: Array, method: str) -> Figure:
    """Draw one unit.

    Parameters
    ----------
    unit : UnitEstimate
        With a waveform.
    array : Array
        Of the channels it was averaged over.
    method : str
        Whose numbers are shown first.
    """
    whole, geometry = unit.whole, array.geometry
    waveform, reconstruction = whole.average.waveform, whole.answer.modelled
    columns = min(5, max(4, geometry.grid_cols))  # widths at which the words above each part fit
    figure = new_figure(float(np.clip(INCH_A_ROW * (geometry.grid_rows + 3) + 1.2, LEAST_IN, MOST_IN)))
    widths = [columns, 4.2] if reconstruction is None else [columns, 4.2, columns]
    axes = np.atleast_1d(figure.subplots(1, len(widths), sharey=True, width_ratios=widths))
    missing = missing_places(geometry)

    frame = frame_for(waveform, array.fs_hz, geometry)
    _draw_map(axes[0], whole, array, missing, frame)
    axes[0].set_ylabel("along the fibres (mm)")
    draw_fit(axes[1], whole, array, method)
    if reconstruction is not None:
        without = less_common_part(waveform, geometry), less_common_part(reconstruction, geometry)
        inner = frame_for(without[0], array.fs_hz, geometry)
        draw_waveforms(axes[2], inner, without[0], BENEATH, 2.4)
        draw_waveforms(axes[2], inner, without[1], MODEL, 1.0)
        draw_array(axes[2], inner, missing)
        axes[2].set_title(_reconstruction_title(*without))
    return figure


def less_common_part(waveform: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """The waveform less what all rows of a column share, which the physics leaves out, shape (channels, samples)."""
    left = np.array(waveform, np.float32)
    for column in np.unique(geometry.col):
        left[geometry.col == column] -= left[geometry.col == column].mean(axis=0)
    return left


def unexplained_db(measured: NDArray[np.float32], modelled: NDArray[np.float32]) -> float:
    """Power of what the model leaves, noise included, relative to the measured waveform's."""
    return float(10.0 * np.log10(np.square(measured - modelled).sum() / max(float(np.square(measured).sum()), 1e-12)))


def _reconstruction_title(measured: NDArray[np.float32], modelled: NDArray[np.float32]) -> str:
    return (
        f"Measured (grey) and physics (blue), less what all\nrows of a column share: "
        f"{unexplained_db(measured, modelled):.1f} dB unexplained".replace("-", "−")
    )


def _draw_map(axis: Axes, whole: Stretch, array: Array, missing: NDArray[np.float64], frame: Frame) -> None:
    zone, speed = whole.number("iz_mm"), whole.number("cv_m_s")
    zone_band(axis, zone, whole.number("iz_mm_sd"))
    draw_waveforms(axis, frame, whole.average.waveform)
    if zone is not None and speed is not None:
        start = departure_ms(whole.average.waveform, array, zone, speed)
        draw_propagation(axis, frame, zone, speed, start)
    draw_array(axis, frame, missing)
    axis.set_title(f"Average of {whole.average.discharges} discharges\n{_zone_words(whole)}")


def _zone_words(whole: Stretch) -> str:
    zone, sd = whole.number("iz_mm"), whole.number("iz_mm_sd")
    if zone is None:
        return "no innervation zone"
    return f"innervation zone {zone:+.1f} mm".replace("-", "−") + (
        "" if sd is None else f", 90 % within ± {NINETY * sd:.1f} mm"
    )


def departure_ms(waveform: NDArray[np.float32], array: Array, zone_mm: float, speed_m_s: float) -> float:
    """When the wave's peak leaves the zone, ms from the window's start.

    Each channel is moved back by the time the wave takes to it; the peak of their mean is the wave's.
    """
    left = less_common_part(waveform, array.geometry)
    length = 2 * left.shape[1]
    late = np.abs(array.geometry.along_mm() - zone_mm) / speed_m_s * 1e-3  # (channels,) s
    turn = np.exp(2j * np.pi * np.fft.rfftfreq(length, 1.0 / array.fs_hz) * late[:, None])  # (channels, frequencies)
    aligned = np.fft.irfft(np.fft.rfft(left, length, axis=1) * turn, length, axis=1).mean(axis=0)
    return 1e3 * float(np.abs(aligned[: left.shape[1]]).argmax()) / array.fs_hz
