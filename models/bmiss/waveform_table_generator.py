"""A generator between tabulated waveforms.

Each unit comes from its nearest neighbours in the table by a weighted plane through them (local linear regression,
with Shepard's weights, so that a tabulated unit comes out as it is). That asks nothing of how the parameters were
chosen, and is only as good as they are close together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.spatial
import torch
from numpy.typing import NDArray
from torch import Tensor

from .generator import FiringWindow
from .space import InSpace, Space
from .waveform_table import NEIGHBOURS, WaveformTable

NEAR = 1e-3  # of the farthest neighbour's distance: a unit so near to a tabulated one is that one
RIDGE = 1e-6  # neighbours that lie in a plane leave a slope open: it is taken to be 0


class WaveformTableGenerator(InSpace):
    """A `generator.Generator` by interpolation.

    Parameters
    ----------
    table : WaveformTable
        Of the recording's channels, see `WaveformTable.at`.
    window : FiringWindow
    sections : sequence, shape (sections, 6)
        The decoder's causal filter.
    """

    def __init__(
        self,
        table: WaveformTable,
        window: FiringWindow,
        sections: Sequence[Sequence[float]] | NDArray[np.float64],
    ) -> None:
        seen = table.seen(window.fs_hz, window.samples, window.fires_at, sections)
        low, high = table.parameters.min(0), table.parameters.max(0)
        self.space, self.channels = Space(table.names, low, high), table.channels
        self.samples, self.fires_at = window.samples, window.fires_at
        self._shares = (table.parameters - low) / (high - low)  # (tabulated, parameters)
        self._tree = scipy.spatial.KDTree(self._shares)
        self._waveforms = torch.as_tensor(seen).flatten(1)

    def waveforms(self, theta: Tensor) -> Tensor:
        """See `generator.Generator`."""
        return self._planes(theta, 1)[:, 0]

    def with_slopes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """See `generator.Generator`; the slopes are those of the planes."""
        planes = self._planes(theta, 1 + len(self.space))
        width = torch.tensor(self.high - self.low, dtype=torch.float32)[:, None, None]
        return planes[:, 0], planes[:, 1:] / width

    def _planes(self, theta: Tensor, coefficients: int) -> Tensor:
        """Heights, then slopes by share, of the planes about units, (units, coefficients, channels, samples)."""
        share = self.space.share(theta.float()).double().numpy()
        distance, near = self._tree.query(share, NEIGHBOURS * (len(self.space) + 1) + 1)
        farthest = distance[:, -1:].clip(min=1e-9)
        distance, near = distance[:, :-1], near[:, :-1]  # the farthest has no weight, so none enters with a step
        weight = ((farthest - distance) / (farthest * distance + NEAR * farthest**2)) ** 2  # (units, neighbours)
        weight /= weight.sum(1, keepdims=True)
        offset = self._shares[near] - share[:, None]
        rows = np.concatenate([np.ones_like(offset[..., :1]), offset], axis=2)  # (units, neighbours, 1 + parameters)
        weighted = np.swapaxes(rows * weight[..., None], 1, 2)
        square = weighted @ rows
        ridge = RIDGE * np.trace(square[:, 1:, 1:], axis1=1, axis2=2)[:, None]
        square[:, range(1, rows.shape[2]), range(1, rows.shape[2])] += ridge
        share_of = np.linalg.solve(square, weighted)[:, :coefficients]  # (units, coefficients, neighbours)
        found = torch.empty(len(theta), coefficients, self.channels * self.samples)
        for i, (shares, rows_of) in enumerate(zip(share_of, near, strict=True)):
            found[i] = torch.as_tensor(shares, dtype=torch.float32) @ self._waveforms[torch.as_tensor(rows_of)]
        return found.unflatten(2, (self.channels, self.samples))
