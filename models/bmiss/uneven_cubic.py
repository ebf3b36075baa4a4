"""Cubic interpolation over nodes at any distances, as weights of four nodes, with their slopes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class UnevenCubic:
    """Hermite's cubic, its slope at a node that of the parabola through the node and its neighbours.

    On even nodes it is Catmull-Rom's. Outside, the nearest node's value holds.

    Parameters
    ----------
    nodes : ndarray of float64, shape (nodes,)
        Rising; at least 4.
    """

    def __init__(self, nodes: NDArray[np.float64]) -> None:
        count = len(nodes)
        slope = _slopes(nodes)  # (nodes, nodes)
        first = np.clip(np.arange(count - 1) - 1, 0, count - 4)  # (intervals,) of four taps
        powers = np.empty((count - 1, 4, 4))  # (intervals, powers of the share of the interval, taps)
        for i, begin in enumerate(first):
            taps = slice(begin, begin + 4)
            width = nodes[i + 1] - nodes[i]
            here, there = np.eye(count)[i, taps], np.eye(count)[i + 1, taps]
            rise, rise_there = width * slope[i, taps], width * slope[i + 1, taps]
            powers[i] = (
                here, rise, 3.0 * (there - here) - 2.0 * rise - rise_there, 2.0 * (here - there) + rise + rise_there
            )  # fmt: skip
        self._nodes = torch.as_tensor(nodes, dtype=torch.float32)
        self._first, self._powers = torch.as_tensor(first), torch.as_tensor(powers, dtype=torch.float32)

    def __call__(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """First of the four nodes (...), their weights and the slopes of these (..., 4), at places (...)."""
        low, high = self._nodes[0], self._nodes[-1]
        inside = (at > low) & (at < high)
        at = at.clamp(low, high)
        interval = (torch.searchsorted(self._nodes, at.contiguous(), right=True) - 1).clamp(0, len(self._nodes) - 2)
        width = self._nodes[interval + 1] - self._nodes[interval]
        share = (at - self._nodes[interval]) / width
        one = torch.ones_like(share)
        power = torch.stack([one, share, share**2, share**3], dim=-1)  # (..., 4)
        rising = torch.stack([0.0 * one, one, 2.0 * share, 3.0 * share**2], dim=-1) * (inside / width)[..., None]
        table = self._powers[interval]  # (..., powers, taps)
        return (
            self._first[interval],
            (power[..., None, :] @ table)[..., 0, :],
            (rising[..., None, :] @ table)[..., 0, :],
        )


def _slopes(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """From values at the nodes to slopes there, by parabolas, shape (nodes, nodes)."""
    count = len(nodes)
    matrix = np.zeros((count, count))
    for i in range(count):
        taps = np.clip(i - 1, 0, count - 3) + np.arange(3)
        for tap in taps:
            others = nodes[taps[taps != tap]]
            size = np.prod(nodes[tap] - others)
            matrix[i, tap] = (2.0 * nodes[i] - others.sum()) / size
    return matrix
