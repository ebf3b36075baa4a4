"""Parameters of motor units from their waveforms at one array.

Starts from whoever knows any, or from a dictionary; least squares through the physics from each; then, from the best,
least squares that know what the chance of few fibres adds to noise. No muscle is the model's: what is uncertain beyond
noise was measured on simulated units, grows with what the physics leaves unexplained or noise could hide, and is part
of every standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...stream.geometry import Geometry
from ...stream.parameter_file import longest_column
from ..forward.electrodes import Electrodes
from ..forward.mean_unit import MeanUnit
from ..forward.territory import CENTRE
from .dictionary import Dictionary
from .fit import Fit, fit
from .parameters import NAMES, prior_draws
from .posterior import Left, Posterior
from .residue import Residue
from .scatter import Scatter
from .view import View, without_common_part

FEWEST_ROWS = 5  # neighbouring electrodes along the fibres
ENTRIES = 3000
STARTS = (4, 16)  # from the dictionary; the second number where the first leave a waveform unexplained
ASTRAY_DB = -12.0  # of the waveform's power: more left is a wrong valley, or another physics
BATCH = 10  # units worked on at once: what stays in a core's cache
VELOCITIES = (3, 5)  # nodes over a unit's scatter of velocity: few find the valley, many its floor
ITERATIONS = (6, 4)
SCATTER_ITERATIONS = 2  # with the scatter of fibres as it is where they begin
MOST_MISFIT = 4.0  # of noise that is not white: by how much it may be exceeded before the physics itself is in question
SCATTER_SHARE = 0.1  # of the amplitude, that scatter is before it is known
# What is left since no muscle is the model's: a least standard deviation, and one per share of the amplitude that noise
# and scatter do not explain. Set on 1300 simulated units (seeds 201 to 213: planar layers at 0, 10 and 20 dB, cylinder,
# half-space) so that 90 % intervals hold nine tenths of the first and most of the others.
LEAST_SD = {"innervation_zone_mm": 0.08, "conduction_velocity_m_s": 0.007}
MISFIT_SD = {"innervation_zone_mm": 2.0, "conduction_velocity_m_s": 0.45}
WORST_MISFIT_DB = -3.0  # of the waveform's power left unexplained beyond noise: then it is not this physics
ON_GRIDS_ONLY = ("depth_mm", "lateral_mm")  # on a linear array one cannot be told from the other
REPORTED = NAMES[:-1]  # all but the delay


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
        rows = longest_column(geometry)
        self.reason = None if rows >= FEWEST_ROWS else (
            f"{rows} neighbouring electrodes along the fibres, at least {FEWEST_ROWS} are needed"
        )  # fmt: skip
        if self.reason is not None:
            return
        electrodes = Electrodes.from_geometry(geometry, montage)
        self._models = [MeanUnit(electrodes, fs_hz, samples, sections, nodes) for nodes in VELOCITIES]
        self._one_fibre = MeanUnit(electrodes, fs_hz, samples, sections, 1, CENTRE)
        self._fs, self._seed = fs_hz, seed

    @cached_property
    def _dictionary(self) -> Dictionary:
        draws = prior_draws(ENTRIES, self.geometry, torch.Generator().manual_seed(self._seed))
        return Dictionary(self._models[0], draws, self._centred, self._fs)

    @cached_property
    def _centred(self) -> Tensor:
        return without_common_part(self.geometry)

    def invert(
        self,
        waveforms: NDArray[np.float32],
        noise: NDArray[np.float64],
        progress: Callable[[float], None] = lambda share: None,
        starts: NDArray[np.float64] | None = None,
        residues: Sequence[NDArray[np.float32] | None] | None = None,
    ) -> list[Inverted]:
        """Invert a batch of waveforms.

        Parameters
        ----------
        waveforms : ndarray of float32, shape (units, channels, samples), uV
        noise : ndarray of float64, shape (units, channels), uV^2
            Variance of a waveform's samples; not finite for channels that are bad.
        progress : callable, optional
        starts : ndarray of float64, shape (units, starts, `NAMES`), optional
            Guesses, such as an encoder's; not finite where there is none. Units without any, and those which no guess
            leads to a fit, start from the dictionary.
        residues : sequence of ndarray of float32, shape (windows, channels, samples), or None, optional
            By unit, windows of what its noise is like in all but size, as `UnitAverage.residue`; None for white noise.
            Units that share an array are best given one after the other.
        """
        if self.reason is not None:
            return [_nothing(self.reason)] * len(waveforms)
        found: list[Inverted] = []
        residues = [None] * len(waveforms) if residues is None else residues
        for _, alike in groupby(range(len(waveforms)), lambda unit: id(residues[unit])):
            units = list(alike)
            windows = residues[units[0]]
            residue = None if windows is None else Residue.of(torch.as_tensor(windows))
            for first in units[::BATCH]:
                part = slice(first, min(first + BATCH, units[-1] + 1))
                guesses = None if starts is None else starts[part]
                found += self._invert(waveforms[part], noise[part], guesses, residue)
                progress(part.stop / len(waveforms))
        return found

    def _invert(
        self,
        waveforms: NDArray[np.float32],
        noise: NDArray[np.float64],
        starts: NDArray[np.float64] | None,
        residue: Residue | None,
    ) -> list[Inverted]:
        usable = np.isfinite(noise) & (noise > 0) & np.isfinite(waveforms).all(axis=2)
        seen = torch.as_tensor(np.where(usable[..., None], waveforms, 0.0), dtype=torch.float32)
        variance = torch.as_tensor(np.where(usable, noise, np.inf), dtype=torch.float32)
        plain = View.of(self.geometry, seen, variance)
        view = plain if residue is None else View.of(self.geometry, seen, variance, residue=residue)
        loose = View.of(self.geometry, seen, variance, SCATTER_SHARE)
        found = [_nothing(f"{count} usable channels, at least {FEWEST_ROWS} are needed") for count in usable.sum(1)]
        astray = usable.sum(1) >= FEWEST_ROWS  # (units,)

        def search(which: NDArray[np.bool_], guesses: Tensor) -> None:
            some = torch.as_tensor(which)
            closer = self._closer(view.some(some), plain.some(some), loose.some(some), guesses)
            for unit, one in zip(np.flatnonzero(which), closer, strict=True):
                if not found[unit].misfit_db <= one.misfit_db:
                    found[unit] = one
                astray[unit] = found[unit].misfit_db > ASTRAY_DB

        if starts is not None:
            guesses, known = _guesses(starts)
            if (astray & known).any():
                search(astray & known, guesses[torch.as_tensor(astray & known)])
        for count in STARTS:
            if astray.any():
                some = torch.as_tensor(astray)
                search(astray.copy(), self._dictionary.starts(self._centred @ seen[some], loose.weight[some], count))
        return found

    def _closer(self, view: View, plain: View, loose: View, starts: Tensor) -> list[Inverted]:
        """From every start (units, starts, parameters) to the deepest valley, and there to its floor.

        Where the physics leaves much more than noise of this correlation, its own errors matter, which are not
        correlated so: there the `plain` view is taken.
        """
        ends = [fit(self._models[0], loose.seen, loose.matrix, start, ITERATIONS[0]) for start in starts.unbind(1)]
        best = torch.stack([end.cost for end in ends]).argmin(0), torch.arange(len(starts))
        theta = torch.stack([end.theta for end in ends])[best]  # (units, parameters)
        near = fit(self._models[1], loose.seen, loose.matrix, theta, ITERATIONS[1])
        found, holds = self._floor(view, near.theta, near.gain)
        again = ~holds
        if view.space is not None and again.any():
            others, _ = self._floor(plain.some(again), near.theta[again], near.gain[again])
            for unit, other in zip(again.nonzero()[:, 0].tolist(), others, strict=True):
                found[unit] = other
        return found

    def _floor(self, view: View, theta: Tensor, gain: Tensor) -> tuple[list[Inverted], Tensor]:
        """From parameters and gains nearby; and, by unit, whether noise explains most of what is left."""
        scatter = Scatter.of(self._one_fibre, theta, gain, view.matrix)
        scatter = Scatter(view.whiten(scatter.seen.transpose(1, 2)).transpose(1, 2), scatter.moved)

        def whiten(rows: Tensor) -> Tensor:
            return scatter.whiten(view.whiten(rows))

        left = Left.of(fit(self._models[1], view.seen, view.matrix, theta, 1, whiten), view)
        view, scatter = (one.with_louder_noise(left.louder) for one in (view, scatter))
        ended = fit(self._models[1], view.seen, view.matrix, theta, SCATTER_ITERATIONS, whiten)
        posterior = Posterior.of(self._models[1], ended, scatter, view, left)
        holds = (left.misfit <= MOST_MISFIT) & (ended.gain > 0.0)
        return [self._of_unit(i, ended, posterior) for i in range(len(theta))], holds

    def _of_unit(self, i: int, ended: Fit, posterior: Posterior) -> Inverted:
        unexplained = float(posterior.unexplained[i])
        misfit_db = 10.0 * float(np.log10(unexplained))
        if misfit_db > WORST_MISFIT_DB:
            return _nothing(f"the physics leaves {misfit_db:.0f} dB of the waveform unexplained", misfit_db)
        values: dict[str, float | None] = {}
        sds: dict[str, float | None] = {}
        linear = len(np.unique(self.geometry.col)) < 3
        beyond = float(posterior.beyond[i])  # share of the amplitude
        for place, name in enumerate(REPORTED):
            hidden = linear and name in ON_GRIDS_ONLY
            values[name] = None if hidden else float(posterior.mean[i, place])
            parts = (float(posterior.sd[i, place]), LEAST_SD.get(name, 0.0), MISFIT_SD.get(name, 0.0) * beyond)
            sds[name] = None if hidden else float(np.linalg.norm(parts))
        values["gain"], sds["gain"] = float(ended.gain[i]), None
        return Inverted(values, sds, None, misfit_db, posterior.modelled[i].numpy())


def _nothing(reason: str, misfit_db: float = float("nan")) -> Inverted:
    return Inverted(dict.fromkeys(REPORTED), dict.fromkeys(REPORTED), reason, misfit_db, None)


def _guesses(starts: NDArray[np.float64]) -> tuple[Tensor, NDArray[np.bool_]]:
    """Starts, those that are not finite replaced by the unit's first that is; and which units have any."""
    given = torch.as_tensor(starts, dtype=torch.float32)
    known = torch.isfinite(given).all(2)  # (units, starts)
    first = given[torch.arange(len(given)), known.int().argmax(1)]
    return torch.where(known[..., None], given, first[:, None]), known.any(1).numpy()
