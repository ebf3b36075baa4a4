"""How well innervation zone and conduction velocity are found, beside classical estimators and a constant guess."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.bandpass import design_filter
from ..models.classical.conduction_velocity import estimate_conduction_velocity
from ..models.classical.innervation_zone import find_innervation_zone
from ..models.forward.cylinder import Cylinder
from ..models.forward.electrodes import Electrodes
from ..models.forward.fibres import place, random_deviates
from ..models.forward.planar_layers import PlanarLayers
from ..models.forward.waveform import WaveformModel, Window
from ..models.inversion.fit import use_available_cores
from ..models.inversion.inverter import Inverter
from ..models.inversion.observer import Observer, model_samples
from ..models.inversion.parameters import draw_conductor, draw_units, noise_sd
from ..stream.average import window_samples
from ..stream.geometry import Geometry
from .grids import grid

FS_HZ = 2048.0
FIBRES = 30  # drawn for each test unit; those of the inversion are others, and fewer
UNITS_A_CONDUCTOR = 20
NINETY = 1.645  # standard deviations on either side of a 90 % interval
ARRAYS = ("16x1", "8x8", "13x5")


def array(name: str) -> Geometry:
    """The arrays of the table: 16x1 at 5 mm, 8x8 at 8 mm, 13x5 at 8 mm with a corner missing."""
    if name == "13x5":
        return grid("GR08MM1305")
    rows, columns, ied_mm = {"16x1": (16, 1, 5.0), "8x8": (8, 8, 8.0)}[name]
    row, col = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    return Geometry(row, col, ied_mm, rows, columns)


def drawn_set(
    geometry: Geometry, units: int, snr_db: float, seed: int, conductor: str = "planar"
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Waveforms (units, channels, samples) uV with noise, its variance (units, channels), true IZ mm and CV m/s."""
    generator = torch.Generator().manual_seed(seed)
    before, after = window_samples(FS_HZ)
    waveforms, zones, speeds = [], [], []
    electrodes = Electrodes.from_geometry(geometry, "monopolar")
    sections = np.asarray(design_filter(FS_HZ).sections)
    for first in range(0, units, UNITS_A_CONDUCTOR):
        count = min(UNITS_A_CONDUCTOR, units - first)
        drawn = draw_conductor(generator)
        body = Cylinder(fat_mm=drawn.fat_mm) if conductor == "cylinder" else PlanarLayers(
            fat_mm=drawn.fat_mm, anisotropy=drawn.anisotropy
        )  # fmt: skip
        model = WaveformModel(body, electrodes, Window(fs_hz=FS_HZ, samples=model_samples(FS_HZ)), reach_mm=60.0)
        parameters, delay = draw_units(count, geometry, generator)
        fibres = place(parameters, random_deviates(count, FIBRES, generator))
        with torch.no_grad():
            waveforms.append(Observer(model, sections, before + after, 1).filtered(model.of_fibres(fibres), delay))
        zones.append(fibres.mean_innervation_mm())
        speeds.append(fibres.mean_velocity_m_s())
    clean = torch.cat(waveforms)
    sd = noise_sd(clean, snr_db, FS_HZ)
    noisy = clean + sd[:, None, None] * torch.randn(clean.shape, generator=generator)
    variance = np.repeat(sd.square().numpy()[:, None].astype(np.float64), len(geometry), axis=1)
    return noisy.numpy(), variance, torch.cat(zones).double().numpy(), torch.cat(speeds).double().numpy()


def row(
    name: str,
    snr_db: float,
    units: int,
    seed: int,
    conductor: str = "planar",
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """One row of the table."""
    geometry = array(name)
    waveforms, noise, zones, speeds = drawn_set(geometry, units, snr_db, seed, conductor)
    sections = design_filter(FS_HZ).sections
    inverter = Inverter(geometry, sections, FS_HZ, waveforms.shape[2])
    began = time.perf_counter()
    found = inverter.invert(waveforms, noise, progress)
    milliseconds = 1e3 * (time.perf_counter() - began) / units
    zone = _column([one.values["innervation_zone_mm"] for one in found])
    speed = _column([one.values["conduction_velocity_m_s"] for one in found])
    zone_sd = _column([one.sds["innervation_zone_mm"] for one in found])
    speed_sd = _column([one.sds["conduction_velocity_m_s"] for one in found])
    classical = [_classical(waveform, geometry) for waveform in waveforms]
    classical_zone, classical_speed = (_column([one[i] for one in classical]) for i in (0, 1))
    return {
        "array": name, "snr_db": snr_db, "input": "muap", "conductor": conductor,
        "split": "matched" if conductor == "planar" else "left_out", "n": units, "seed": seed,
        "answered": int(np.isfinite(zone).sum()),
        "iz_mae_mm": _mae(zone, zones), "cv_mae_m_s": _mae(speed, speeds),
        "iz_median_mm": _median(zone, zones), "cv_median_m_s": _median(speed, speeds),
        "iz_cover90": _cover(zone, zone_sd, zones), "cv_cover90": _cover(speed, speed_sd, speeds),
        "classical_iz_mae_mm": _mae(classical_zone, zones),
        "classical_iz_answered": int(np.isfinite(classical_zone).sum()),
        "classical_cv_mae_m_s": _mae(classical_speed, speeds),
        "classical_cv_answered": int(np.isfinite(classical_speed).sum()),
        "constant_iz_mae_mm": float(np.abs(zones - np.median(zones)).mean()),
        "constant_cv_mae_m_s": float(np.abs(speeds - np.median(speeds)).mean()),
        "ms_a_unit": milliseconds,
    }  # fmt: skip


def _classical(waveform: NDArray[np.float32], geometry: Geometry) -> tuple[float | None, float | None]:
    zone = find_innervation_zone(waveform, FS_HZ, geometry)
    return zone.iz_mm, estimate_conduction_velocity(waveform, FS_HZ, geometry, zone=zone).cv_m_s


def _column(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _mae(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float | None:
    error = np.abs(found - truth)
    return float(np.nanmean(error)) if np.isfinite(error).any() else None


def _median(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float | None:
    error = np.abs(found - truth)
    return float(np.nanmedian(error)) if np.isfinite(error).any() else None


def _cover(found: NDArray[np.float64], sd: NDArray[np.float64], truth: NDArray[np.float64]) -> float | None:
    inside = np.abs(found - truth)[np.isfinite(found)] <= NINETY * sd[np.isfinite(found)]
    return float(inside.mean()) if len(inside) else None


def params(
    units: int, seed: int, progress: Callable[[float, str], None] = lambda share, note: None
) -> dict[str, object]:
    """The table: three arrays at 0, 10 and 20 dB, and a conductor that was left out of everything."""
    use_available_cores()
    wanted = [(name, snr_db, "planar") for name in ARRAYS for snr_db in (0.0, 10.0, 20.0)]
    wanted.append(("13x5", 20.0, "cylinder"))
    rows = []
    for number, (name, snr_db, conductor) in enumerate(wanted):

        def so_far(share: float, number: int = number, name: str = name, snr_db: float = snr_db) -> None:
            progress((number + share) / len(wanted), f"{name}, {snr_db:g} dB")

        rows.append(row(name, snr_db, units, seed + number, conductor, so_far))
    return {"rows": rows}
