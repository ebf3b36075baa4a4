"""One unit's picture: its train with its rate, its waveform over the array, and its quality in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...models.waveforms import UnitAverage
from ...stream.decoder_file import Unit
from ...stream.geometry import Geometry
from ..palette import ENCODER, FAINT, MEASURED, MODEL, PALE, SOFT
from ..svg import LABEL_SIZE, TITLE_SIZE, Panel, element, px, sized, text
from ..unit_picture import FONT
from .folder import NOT_MEDICAL

WIDTH, LEFT, RIGHT, TOP, TRAIN, BETWEEN = 900.0, 76.0, 30.0, 104.0, 170.0, 104.0  # px
ACROSS, ALONG = 96.0, 40.0  # px an electrode, at most across
FASTEST_HZ = 50.0  # shown at least to 20, at most to here
TALLEST = 1.5  # spacings, of the largest waveform
QUIET = 0.003  # of the energy may lie outside of what is shown, on either side
MARGIN_S = 0.003


@dataclass(frozen=True)
class UnitSeen:
    """What the picture shows.

    Attributes
    ----------
    unit : Unit
        As the decoder has it.
    train : ndarray of int64, samples
        In the recording.
    average : UnitAverage
        Of its waveform.
    fate : str
        "kept", "dropped", with its new number where it has one.
    """

    unit: Unit
    train: NDArray[np.int64]
    average: UnitAverage
    fate: str = ""

    @property
    def peak_to_peak_uv(self) -> float:
        """Where it is largest."""
        return float(np.ptp(self.average.waveform, axis=1).max()) if self.average.waveform.size else 0.0


def unit_page(
    seen: UnitSeen, geometry: Geometry, fs_hz: float, seconds: float, level: NDArray[np.float64] | None, heading: str
) -> str:
    """The picture as text of an SVG file.

    Parameters
    ----------
    seen : UnitSeen
    geometry : Geometry
        Of the average's channels.
    fs_hz : float
    seconds : float
        Of the recording.
    level : ndarray of float64, shape (points, 2), or None
        Time and level of the contraction, drawn behind.
    heading : str
    """
    unit = seen.unit
    map_top = TOP + TRAIN + BETWEEN
    height = map_top + ALONG * (geometry.grid_rows + 1) + 30.0
    quality = (
        f"SIL {unit.sil:.3f}, PNR {unit.pnr_db:.1f} dB, {unit.rate_hz:.1f} discharges/s, variation of intervals "
        f"{unit.cov_isi:.2f}, {len(seen.train)} discharges, {seen.peak_to_peak_uv:.0f} µV peak to peak"
    )
    soft = sized(LABEL_SIZE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {px(WIDTH)} {px(height)}" width="{px(WIDTH)}" '
        f'height="{px(height)}" role="img" font-family="{FONT}" font-size="{LABEL_SIZE:g}">',
        element("rect", width=WIDTH, height=height, fill="white"),
        text(LEFT - 50, 32, f"{heading}, unit {unit.id}" + (f": {seen.fate}" if seen.fate else ""), MEASURED,
             more=sized(TITLE_SIZE + 4)),
        text(LEFT - 50, 56, quality, MEASURED, more=soft),
        *_train(seen, fs_hz, seconds, level),
        *_map(seen.average.waveform, geometry, fs_hz, map_top),
        text(WIDTH - RIGHT, height - 10, NOT_MEDICAL, SOFT, "end", soft),
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _train(seen: UnitSeen, fs_hz: float, seconds: float, level: NDArray[np.float64] | None) -> list[str]:
    """A mark a discharge below, its rate since the last one above."""
    at_s = seen.train / fs_hz
    rate = 1.0 / np.maximum(np.diff(at_s), 1e-3)
    highest = float(np.clip(1.1 * np.percentile(rate, 98) if len(rate) else 20.0, 20.0, FASTEST_HZ))
    panel = Panel(LEFT, TOP, WIDTH - LEFT - RIGHT, TRAIN, 0.0, seconds, highest, 0.0)
    drawn = []
    if level is not None and len(level) > 1:
        top = max(float(level[:, 1].max()), 1e-9)
        line = "L".join(
            f"{px(panel.x(t))} {px(panel.y(highest * min(max(v / top, 0.0), 1.0)))}" for t, v in level if t <= seconds
        )
        shape = f"M{px(panel.left)} {px(panel.bottom)}L{line}V{px(panel.bottom)}z"
        drawn.append(element("path", d=shape, fill=PALE))
    drawn.append(panel.axes("Rate since the last discharge; grey: the contraction", "time (s)", "discharges/s"))
    dots = "".join(
        element("circle", cx=panel.x(t), cy=panel.y(r), r=2.0)
        for t, r in zip(at_s[1:], rate, strict=True)
        if r <= highest
    )
    marks = "".join(f"M{px(panel.x(t))} {px(panel.bottom)}v-9" for t in at_s)
    return [*drawn, f'<g fill="{MODEL}">{dots}</g>', element("path", d=marks or "M0 0", stroke=ENCODER, fill="none")]


def _map(waveform: NDArray[np.float32], geometry: Geometry, fs_hz: float, top: float) -> list[str]:
    """Each electrode's waveform at its place, rows along the fibres upwards."""
    part = _shown(waveform, fs_hz)
    shown = waveform[:, part]
    largest = max(float(np.ptp(shown, axis=1).max()), 1e-9)
    across = min(ACROSS, (WIDTH - LEFT - RIGHT) / geometry.grid_cols)
    scale = TALLEST * ALONG / largest  # px/uV
    step = 0.9 * across / max(1, shown.shape[1] - 1)
    lines = []
    for wave, row, col in zip(shown, geometry.row.tolist(), geometry.col.tolist(), strict=True):
        x, y = LEFT + across * (col + 0.05), top + ALONG * (geometry.grid_rows - row - 0.5)
        points = "L".join(f"{px(x + step * t)} {px(y - scale * value)}" for t, value in enumerate(wave.tolist()))
        lines.append(f"M{points}")
    milliseconds = 1e3 * shown.shape[1] / fs_hz
    words = (
        f"Waveform over the array, rows along the fibres upwards; {milliseconds:.0f} ms each, the largest "
        f"{largest:.0f} µV"
    )
    small = sized(LABEL_SIZE)
    return [
        text(LEFT, top - 34, words, MEASURED, more=sized(TITLE_SIZE)),
        *(
            text(LEFT - 10, top + ALONG * (geometry.grid_rows - row - 0.5) + 4, f"row {row}", FAINT, "end", small)
            for row in range(0, geometry.grid_rows, 2)
        ),
        element("path", d="".join(lines), fill="none", stroke=MEASURED, stroke_width=0.9),
    ]


def _shown(waveform: NDArray[np.float32], fs_hz: float) -> slice:
    """The samples that hold the energy, and some more."""
    energy = np.square(waveform, dtype=np.float64).sum(axis=0).cumsum()
    margin = round(MARGIN_S * fs_hz)
    first, last = np.searchsorted(energy, np.array([QUIET, 1.0 - QUIET]) * energy[-1])
    return slice(max(0, int(first) - margin), min(len(energy), int(last) + margin + 1))
