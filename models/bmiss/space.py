"""The parameters that a search goes through, and their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Space:
    """The parameters that are searched.

    Attributes
    ----------
    names : tuple of str
    low, high : ndarray of float64, shape (parameters,)
        Bounds in each parameter's own unit.
    """

    names: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or self.low.shape != (len(self.names),) != self.high.shape:
            raise ValueError(f"{self.names} with {self.low.shape} and {self.high.shape} bounds: one of each a name")
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise ValueError(f"{name} from {low:g} to {high:g}: the lower bound must be below the higher one")

    @classmethod
    def of(cls, ranges: Mapping[str, tuple[float, float]]) -> Space:
        """From bounds by name, in that order."""
        low, high = np.array(list(ranges.values()), np.float64).reshape(-1, 2).T
        return cls(tuple(ranges), low, high)

    def __len__(self) -> int:
        return len(self.names)

    def place(self, name: str) -> int | None:
        """Where a parameter stands among the names; None where it is not searched."""
        return self.names.index(name) if name in self.names else None

    def at(self, share: Tensor) -> Tensor:
        """Parameters (..., parameters) at shares of the way from the lower bounds to the higher ones."""
        low, high = self._bounds
        return low + (high - low) * share

    def share(self, theta: Tensor) -> Tensor:
        """The inverse of `at`."""
        low, high = self._bounds
        return (theta - low) / (high - low)

    def within(self, theta: Tensor) -> Tensor:
        """The nearest that lies within the bounds."""
        return torch.clamp(theta, *self._bounds)

    @cached_property
    def _bounds(self) -> tuple[Tensor, Tensor]:
        return torch.tensor(self.low, dtype=torch.float32), torch.tensor(self.high, dtype=torch.float32)


class InSpace:
    """Whatever has a space, with the space's names and bounds as its own."""

    space: Space

    @property
    def names(self) -> tuple[str, ...]:
        """Of the space."""
        return self.space.names

    @property
    def low(self) -> NDArray[np.float64]:
        """Lower bounds of the space."""
        return self.space.low

    @property
    def high(self) -> NDArray[np.float64]:
        """Higher bounds of the space."""
        return self.space.high
