"""Where the electrodes lie, how large they are, and between which of them a channel is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...stream.geometry import Geometry

# Gauss-Chebyshev (second kind), three nodes: abscissa as a share of the radius, weight.
_DISC_NODES = ((-math.sqrt(0.5), 0.25), (0.0, 0.5), (math.sqrt(0.5), 0.25))
# Gauss-Legendre, three nodes over [-1, 1], weights summing to 1.
_SQUARE_NODES = ((-math.sqrt(0.6), 5.0 / 18.0), (0.0, 8.0 / 18.0), (math.sqrt(0.6), 5.0 / 18.0))


@dataclass(frozen=True)
class Electrodes:
    """Electrodes on the skin and the channels made of them.

    Parameters
    ----------
    along_mm, across_mm : ndarray of float64, shape (channels,), mm
        Place of each channel's electrode; of the lower one of the two where `step_mm` is not 0. On a cylinder
        `across_mm` is the arc along the skin.
    size_mm : float
        Diameter of the disc, or side of the square, that a potential is averaged over; 0 is a point.
    shape : str
        "disc" or "square".
    step_mm : float
        0 is monopolar. Otherwise a channel is the potential `step_mm` further along the fibres less that here.
    """

    along_mm: np.ndarray
    across_mm: np.ndarray
    size_mm: float = 0.0
    shape: str = "disc"
    step_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in ("disc", "square"):
            raise ValueError(f'electrode shape "{self.shape}" is neither "disc" nor "square"')
        if np.shape(self.along_mm) != np.shape(self.across_mm):
            raise ValueError(f"{np.shape(self.along_mm)} places along but {np.shape(self.across_mm)} across the fibres")

    @classmethod
    def from_geometry(
        cls, geometry: Geometry, montage: str = "monopolar", size_mm: float = 0.0, shape: str = "disc"
    ) -> Electrodes:
        """The channels of a recording's grid.

        Parameters
        ----------
        geometry : Geometry
        montage : str
            "monopolar", or "single-differential": along the columns, each channel the next row's electrode less its
            own, so a channel of the last row has no partner inside the grid (leave it out or mask it).
        """
        if montage not in ("monopolar", "single-differential"):
            raise ValueError(f'montage "{montage}" is neither "monopolar" nor "single-differential"')
        step = geometry.ied_mm if montage == "single-differential" else 0.0
        return cls(geometry.along_mm(), geometry.across_mm(), size_mm, shape, step)

    def __len__(self) -> int:
        return len(self.along_mm)

    def averaging(self, wavenumber: Tensor) -> list[tuple[float, Tensor]]:
        """What averages a potential over an electrode: shifts across the fibres, each with its weight.

        Exact along z, three nodes across.

        Returns
        -------
        list of (float, Tensor of shape (wavenumbers,))
            Shift in mm and weight by wavenumber along z; the weights sum to 1 at wavenumber 0.
        """
        half = self.size_mm / 2.0
        if half == 0.0:
            return [(0.0, torch.ones_like(wavenumber))]
        if self.shape == "square":
            return [(half * node, weight * _sinc(wavenumber * half)) for node, weight in _SQUARE_NODES]
        return [
            (half * node, weight * _sinc(wavenumber * half * math.sqrt(1.0 - node**2))) for node, weight in _DISC_NODES
        ]


def _sinc(x: Tensor) -> Tensor:
    return torch.sinc(x / math.pi)
