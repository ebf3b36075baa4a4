"""Travelling waves with known conduction velocity and innervation zone, analytic, for the classical estimators."""

import numpy as np

from myodrive.stream.geometry import Geometry

FS_HZ = 2048.0
BEFORE_MS, WINDOW_MS = 12.0, 50.0


def grid(rows: int, columns: int, ied_mm: float, missing: tuple[int, ...] = ()) -> Geometry:
    """A whole grid in row-major order, less the channels at the `missing` places."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    kept = np.setdiff1d(np.arange(rows * columns), missing)
    return Geometry(row[kept], column[kept], ied_mm, rows, columns)


GRIDS = {
    "16x1 5 mm": grid(16, 1, 5.0),
    "8x8 8 mm": grid(8, 8, 8.0),
    "13x5 8 mm": grid(13, 5, 8.0, missing=(0,)),
}


def pulse(ms: np.ndarray) -> np.ndarray:
    """A triphasic potential about 6 ms long."""
    scaled = ms / 1.2
    return (1.0 - scaled**2 - 0.25 * scaled) * np.exp(-(scaled**2) / 2)


def travelling(
    geometry: Geometry,
    zone_mm: float,
    cv_m_s: float,
    *,
    fs_hz: float = FS_HZ,
    delay_ms: float = 0.0,
    standing: float = 0.0,
    spread_mm: float = 0.0,
) -> np.ndarray:
    """A waveform (channels, time), uV, that runs both ways from `zone_mm`, fading across the columns.

    `standing` is the height, relative to the wave's, of a potential at all channels at once; `spread_mm` the full
    width over which eight innervation points lie.
    """
    ms = np.arange(0.0, WINDOW_MS, 1000.0 / fs_hz) - BEFORE_MS - delay_ms
    zones = zone_mm + spread_mm * (np.arange(8) - 3.5) / 8
    away = np.abs(geometry.along_mm()[:, None] - zones)  # (channels, points)
    wave = pulse(ms - away[..., None] / cv_m_s).mean(axis=1)
    strength = 100.0 * np.exp(-np.abs(geometry.across_mm() - 6.0) / 25.0)[:, None]
    return strength * (wave + standing * pulse((ms - 18.0) / 1.5))


def with_noise(waveform: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """White noise on top: its variance is the mean square over all channels in 40 ms, less `snr_db`."""
    power = np.square(waveform).sum() / len(waveform) / (0.04 * FS_HZ)
    return waveform + rng.normal(0.0, np.sqrt(power * 10 ** (-snr_db / 10)), waveform.shape)
