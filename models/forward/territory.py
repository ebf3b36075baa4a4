"""Where in the muscle's cross-section a unit's fibres lie: a disc, flattened against the muscle's surface."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .fibres import SHALLOWEST_MM
from .mean_current import DEPTH, LATERAL, RADIUS

# A disc by seven points, exact to the fifth order (Radon 1948): share of the radius along x and y, and weight.
_HEXAGON = [math.sqrt(2.0 / 3.0) * np.exp(1j * math.pi * (i + 0.25) / 3.0) for i in range(6)]
DISC = np.array([(0.0, 0.0, 0.25), *((p.real, p.imag, 0.125) for p in _HEXAGON)])  # (places, 3)
CENTRE = np.array([(0.0, 0.0, 1.0)])  # of a territory of no size


class Territory:
    """Nodes over the territories of mean units.

    Parameters
    ----------
    nodes : ndarray, shape (nodes, 3)
        `DISC` or `CENTRE`.
    """

    def __init__(self, nodes: NDArray[np.float64] = DISC) -> None:
        self._nodes = torch.as_tensor(nodes, dtype=torch.float32)
        self.share = self._nodes[:, 2]  # (nodes,) of the mean over the territory

    def places(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Lateral place and depth of every node, shape (units, nodes), mm."""
        radius, depth = theta[:, RADIUS, None], theta[:, DEPTH, None]  # (units, 1)
        x, y = self._nodes[:, 0], self._nodes[:, 1]
        upward = torch.minimum(radius, (depth - SHALLOWEST_MM).clamp(min=0.0))  # as `fibres.place` flattens it
        return theta[:, LATERAL, None] + x * radius, depth + y * torch.where(y < 0.0, upward, radius)

    def slopes(self, theta: Tensor) -> dict[int, tuple[Tensor, Tensor]]:
        """Shares of a field's slopes, by lateral place and by depth, at the nodes in the slopes of its mean.

        Returns
        -------
        dict of int to two Tensors, shape (units, nodes)
            For the columns `LATERAL`, `DEPTH` and `RADIUS`.
        """
        radius, depth = theta[:, RADIUS, None], theta[:, DEPTH, None]
        x, y, _ = self._nodes.unbind(1)
        flat = (depth - SHALLOWEST_MM < radius) & (y < 0.0)  # (units, nodes)
        down = torch.where(flat, 1.0 + y, torch.ones_like(y))  # d depth of the node / d depth of the unit
        wide = torch.where(flat, torch.zeros_like(y), y)  # d depth of the node / d radius
        share = self.share.expand_as(flat)
        none = torch.zeros_like(share)
        return {LATERAL: (share, none), DEPTH: (none, share * down), RADIUS: (share * x, share * wide)}
