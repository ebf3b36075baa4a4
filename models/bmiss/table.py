"""Anybody's muscle: lead fields on a grid of places, from imaging and finite elements as well as from our conductors.

Nothing is asked of the geometry: fibres run along z, and every place in the cross-section has the potential that it
makes at every channel along z. By reciprocity (Helmholtz 1853) that is one solution a channel: a unit current fed in at
its electrode and taken out at the reference gives the potential along every fibre at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...stream.geometry import Geometry
from .muscle_model import MuscleModelError, channels_of, check_places

FEWEST = 4  # places along each axis of the cross-section, for the cubic between them
COARSEST_MM = 4.0  # along the fibres: half of the shortest wave that reaches the skin from where units are found
UNEVEN = 1e-3  # of a step along the fibres
SHORTEST_MM = 40.0  # along the fibres: less holds no unit


@dataclass(frozen=True, eq=False)
class LeadFields:
    """Potential at every channel of a unit current at every place.

    Places count from the centre of the electrode array: across the fibres, and along them towards higher rows. Depth
    counts from the muscle's surface.

    Parameters
    ----------
    lateral_mm, depth_mm : ndarray of float64, shape (laterals,) and (depths,)
        Places in the cross-section, rising.
    along_mm : ndarray of float64, shape (points,)
        Along the fibres, rising in even steps.
    potential : ndarray of float32, shape (laterals, depths, channels, points), V/A
        A constant along z changes nothing: the current of a fibre sums to 0.
    row, col : ndarray of int64, shape (channels,)
        Place of each channel on the electrode grid.
    ied_mm : float, optional
        Distance of its electrodes.
    montage : str
        What the channels are: "monopolar", or "single-differential" along the columns.

    Raises
    ------
    MuscleModelError
        They are no such table.
    """

    lateral_mm: NDArray[np.float64]
    depth_mm: NDArray[np.float64]
    along_mm: NDArray[np.float64]
    potential: NDArray[np.float32]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    ied_mm: float | None = None
    montage: str = "monopolar"

    def __post_init__(self) -> None:
        for name, least in (("lateral_mm", FEWEST), ("depth_mm", FEWEST), ("along_mm", 2)):
            axis = getattr(self, name)
            if axis.ndim != 1 or len(axis) < least:
                raise MuscleModelError(
                    f"{name} has the shape {list(axis.shape)}, expected a list of at least {least} places: "
                    "compute the lead fields at more places."
                )
            if not np.isfinite(axis).all() or not (np.diff(axis) > 0.0).all():
                raise MuscleModelError(f"{name} does not rise from place to place: sort it, and the potential with it.")
        if self.depth_mm[0] < 0.0:
            raise MuscleModelError(
                f"depth_mm begins at {self.depth_mm[0]:g} mm, outside the muscle: count it from the muscle's surface."
            )
        steps = np.diff(self.along_mm)
        step = self.step_mm
        if (np.abs(steps - step) > UNEVEN * step).any():
            raise MuscleModelError("along_mm rises in uneven steps: compute the lead fields at even ones.")
        if step > COARSEST_MM * (1.0 + UNEVEN):
            raise MuscleModelError(
                f"along_mm has a step of {step:g} mm, at most {COARSEST_MM:g} mm shows the waves that reach the skin: "
                "compute the lead fields at finer steps."
            )
        reach = self.along_mm[-1] - self.along_mm[0]
        if reach < SHORTEST_MM:
            raise MuscleModelError(
                f"along_mm spans {reach:g} mm, at least {SHORTEST_MM:g} mm is needed: extend it along the fibres."
            )
        channels = len(self.row) if self.row.ndim == 1 else -1
        expected = (len(self.lateral_mm), len(self.depth_mm), channels, len(self.along_mm))
        if self.row.shape != self.col.shape or self.potential.shape != expected:
            raise MuscleModelError(
                f"potential has the shape {list(self.potential.shape)}, expected {list(expected)} of lateral_mm, "
                f"depth_mm, row and col ({list(self.col.shape)}), and along_mm: write it so."
            )
        check_places(self.row, self.col)
        bad = ~np.isfinite(self.potential)
        if bad.any():
            raise MuscleModelError(
                f"potential has {int(bad.sum())} values that are not finite (NaN or inf): fill places outside the "
                "muscle with their nearest inside."
            )
        silent = np.flatnonzero(np.ptp(self.potential, axis=3).max(axis=(0, 1)) == 0.0)
        if len(silent):
            raise MuscleModelError(
                f"potential is the same all along the fibres at channel(s) {', '.join(map(str, silent[:8]))}: no "
                "current of a fibre would be seen there, compute these again or leave them out."
            )

    @property
    def step_mm(self) -> float:
        """Along the fibres."""
        return float((self.along_mm[-1] - self.along_mm[0]) / (len(self.along_mm) - 1))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.row)

    def at(self, geometry: Geometry, montage: str = "monopolar") -> LeadFields:
        """The same for the channels of a recording, in their order.

        Raises
        ------
        MuscleModelError
            The recording has channels where the table has none, or is of another grid or montage.
        """
        chosen = channels_of(self, geometry, montage)
        return replace(
            self,
            potential=self.potential[:, :, chosen],
            row=geometry.row.copy(),
            col=geometry.col.copy(),
            ied_mm=geometry.ied_mm,
        )
