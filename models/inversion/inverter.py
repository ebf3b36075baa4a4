"""Parameters of motor units from their waveforms at one array.

Dictionary, then least squares through the physics from its best entries with few fibres, then from the best of those
with more. What every row of a column sees at once is left out. No muscle is the model's: what is uncertain beyond noise
was measured on simulated units of other conductors and fibres than the inversion's own, grows with what the physics
leaves unexplained, and is part of every standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from ..forward.electrodes import Electrodes
from ..forward.planar_layers import PlanarLayers
from ..forward.waveform import WaveformModel, Window
from .dictionary import Dictionary
from .fit import Fit, fit
from .observer import Observer, model_samples, without_common_part
from .parameters import DELAY, NAMES, prior_draws

FEWEST_ROWS = 5  # neighbouring electrodes along the fibres
FAT_MM, ANISOTROPY = 3.0, 5.0  # of the conductor that is inverted
ENTRIES = 3000
STARTS = 4
FIBRES = (10, 24, 60)  # that stand for a unit in the three stages: few find the valley, many its floor
ITERATIONS = (7, 7, 4)
NOISE_TIMES = 1.3  # on the fit's own uncertainty
# What is left since no muscle is the model's, measured on simulated units (seeds 201 to 205) of planar layers with
# other fat, anisotropy and fibres, and of a cylinder: a least standard deviation, and one per share of amplitude
# unexplained.
LEAST_SD = {"innervation_zone_mm": 0.18, "conduction_velocity_m_s": 0.024}
MISFIT_SD = {"innervation_zone_mm": 8.0, "conduction_velocity_m_s": 0.8}
WORST_MISFIT_DB = -3.0  # of the waveform's power left unexplained beyond noise: then it is not this physics
ON_GRIDS_ONLY = ("depth_mm", "lateral_mm")  # on a linear array one cannot be told from the other
REPORTED = NAMES[:DELAY]


@dataclass(frozen=True)
class Inverted:
    """Parameters of one unit; None where there is no number, with `reason`.

    Attributes
    ----------
    values, sds : dict of str to float or None
    reason : str or None
    misfit_db : float
        Power that the physics leaves unexplained beyond noise, relative to the waveform's.
    modelled : ndarray of float32, shape (channels, samples), uV, or None
        The decoder's reconstruction.
    """

    values: dict[str, float | None]
    sds: dict[str, float | None]
    reason: str | None
    misfit_db: float
    modelled: NDArray[np.float32] | None


class Inverter:
    """Inverts waveforms at one array; making it costs a few seconds, for the dictionary.

    Parameters
    ----------
    geometry : Geometry
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    fs_hz : float
    samples : int
        Of a waveform's window.
    montage : str
    seed : int
        Of the dictionary's draws.
    """

    def __init__(
        self,
        geometry: Geometry,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
        fs_hz: float,
        samples: int,
        montage: str = "monopolar",
        seed: int = 0,
    ) -> None:
        self.geometry = geometry
        self.reason = None if _rows(geometry) >= FEWEST_ROWS else (
            f"{_rows(geometry)} neighbouring electrodes along the fibres, at least {FEWEST_ROWS} are needed"
        )  # fmt: skip
        if self.reason is not None:
            return
        conductor = PlanarLayers(fat_mm=FAT_MM, anisotropy=ANISOTROPY)
        electrodes = Electrodes.from_geometry(geometry, montage)
        model = WaveformModel(conductor, electrodes, Window(fs_hz=fs_hz, samples=model_samples(fs_hz)), reach_mm=60.0)
        filter_sections = np.asarray(sections, np.float64)
        self._view = without_common_part(geometry)
        self._stages = [Observer(model, filter_sections, samples, fibres, self._view) for fibres in FIBRES]
        draws = prior_draws(ENTRIES, geometry, torch.Generator().manual_seed(seed))
        self._dictionary = Dictionary(self._stages[0], draws)

    def invert(
        self,
        waveforms: NDArray[np.float32],
        noise: NDArray[np.float64],
        progress: Callable[[float], None] = lambda share: None,
        batch: int = 20,
    ) -> list[Inverted]:
        """Invert a batch of waveforms.

        Parameters
        ----------
        waveforms : ndarray of float32, shape (units, channels, samples), uV
        noise : ndarray of float64, shape (units, channels), uV^2
            Variance of a waveform's samples; not finite for channels that are bad.
        progress : callable, optional
        batch : int
            Units worked on at once.
        """
        if self.reason is not None:
            return [_nothing(self.reason)] * len(waveforms)
        found: list[Inverted] = []
        for first in range(0, len(waveforms), batch):
            part = slice(first, first + batch)
            found += self._invert(waveforms[part], noise[part])
            progress(min(1.0, (first + batch) / len(waveforms)))
        return found

    def _invert(self, waveforms: NDArray[np.float32], noise: NDArray[np.float64]) -> list[Inverted]:
        usable = np.isfinite(noise) & (noise > 0) & np.isfinite(waveforms).all(axis=2)
        weight = torch.as_tensor(
            np.where(usable, 1.0 / np.sqrt(np.where(usable, noise, 1.0)), 0.0), dtype=torch.float32
        )
        measured = self._view @ torch.as_tensor(np.nan_to_num(waveforms), dtype=torch.float32)
        starts = torch.cat([self._dictionary.starts(w, s, STARTS) for w, s in zip(measured, weight, strict=True)])
        many = measured.repeat_interleave(STARTS, 0), weight.repeat_interleave(STARTS, 0)
        first = fit(self._stages[0], *many, starts, ITERATIONS[0])
        best = first.cost.reshape(-1, STARTS).argmin(1)
        theta = first.theta.reshape(len(measured), STARTS, -1)[torch.arange(len(measured)), best]
        closer = fit(self._stages[1], measured, weight, theta, ITERATIONS[1])
        final = fit(self._stages[2], measured, weight, closer.theta, ITERATIONS[2])
        modelled = self._stages[2](final.theta) * final.gain[:, None, None]
        return [self._of_unit(i, final, measured, weight, modelled) for i in range(len(measured))]

    def _of_unit(
        self, i: int, final: Fit, measured: torch.Tensor, weight: torch.Tensor, modelled: torch.Tensor
    ) -> Inverted:
        good = weight[i] > 0
        if int(good.sum()) < FEWEST_ROWS:
            return _nothing(f"{int(good.sum())} usable channels, at least {FEWEST_ROWS} are needed")
        power = float((measured[i] * weight[i, :, None])[good].square().mean())
        unexplained = max(float(final.misfit[i]) - 1.0, 1e-6) / max(power, 1e-12)
        misfit_db = 10.0 * float(np.log10(unexplained))
        if misfit_db > WORST_MISFIT_DB:
            return _nothing(f"the physics leaves {misfit_db:.0f} dB of the waveform unexplained", misfit_db)
        variance = final.covariance[i].diagonal() * max(1.0, float(final.misfit[i])) * NOISE_TIMES**2
        values: dict[str, float | None] = {}
        sds: dict[str, float | None] = {}
        linear = len(np.unique(self.geometry.col)) < 3
        for place, name in enumerate(REPORTED):
            hidden = linear and name in ON_GRIDS_ONLY
            values[name] = None if hidden else float(final.theta[i, place])
            model = np.hypot(LEAST_SD.get(name, 0.0), MISFIT_SD.get(name, 0.0) * np.sqrt(unexplained))
            sds[name] = None if hidden else float(np.hypot(np.sqrt(float(variance[place])), model))
        values["gain"], sds["gain"] = float(final.gain[i]), None
        return Inverted(values, sds, None, misfit_db, modelled[i].numpy())


def _nothing(reason: str, misfit_db: float = float("nan")) -> Inverted:
    return Inverted(dict.fromkeys(REPORTED), dict.fromkeys(REPORTED), reason, misfit_db, None)


def _rows(geometry: Geometry) -> int:
    """Most electrodes in one column that follow each other."""
    most = 0
    for column in np.unique(geometry.col):
        rows = np.sort(geometry.row[geometry.col == column])
        breaks = np.flatnonzero(np.diff(rows) != 1)
        edges = np.r_[-1, breaks, len(rows) - 1]
        most = max(most, int(np.diff(edges).max()))
    return most
