"""Points of a generator's space to begin from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc


def latin_hypercube(low: NDArray[np.float64], high: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """Points spread evenly over a box, shape (count, parameters)."""
    return low + (high - low) * qmc.LatinHypercube(len(low), seed=seed).random(count)
