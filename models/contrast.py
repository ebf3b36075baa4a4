"""Contrast functions: how far from Gaussian a source is, through the derivative the fixed point needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Contrast:
    """A contrast G with its first and second derivative.

    Parameters
    ----------
    value, slope, curvature : callable
        G, g = G' and g' of an array, element by element.
    """

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    curvature: Callable[[Array], Array]


SKEW = Contrast(value=lambda s: s**3 / 3, slope=lambda s: s * s, curvature=lambda s: 2 * s)

KURTOSIS = Contrast(value=lambda s: s**4 / 4, slope=lambda s: s**3, curvature=lambda s: 3 * s * s)

# Hyvarinen 1999; g' = 1 - tanh^2 (a well-known tool ships tanh here).
LOGCOSH = Contrast(
    value=lambda s: np.logaddexp(s, -s) - np.log(2.0),
    slope=np.tanh,
    curvature=lambda s: 1 - np.tanh(s) ** 2,
)

CONTRASTS = {"skew": SKEW, "kurtosis": KURTOSIS, "logcosh": LOGCOSH}
BLOCK = 8192  # samples a block: the block's sources stay in the cache between the two products


def fixed_point_step(
    whitened: NDArray[np.float32], vectors: NDArray[np.float32], contrast: Contrast
) -> NDArray[np.float32]:
    """One FastICA step of all vectors at once: ``w <- E[z g(w'z)] - E[g'(w'z)] w``, then unit length.

    Parameters
    ----------
    whitened : ndarray of float32, shape (samples, rank)
    vectors : ndarray of float32, shape (rank, vectors)
        Each of unit length.
    contrast : Contrast

    Returns
    -------
    ndarray of float32, shape (rank, vectors)
    """
    pull = np.zeros_like(vectors)
    stiffness = np.zeros(vectors.shape[1], np.float32)
    for start in range(0, len(whitened), BLOCK):
        block = whitened[start : start + BLOCK]
        sources = block @ vectors  # (block, vectors)
        stiffness += contrast.curvature(sources).sum(axis=0)
        pull += block.T @ contrast.slope(sources)
    return unit_length((pull - stiffness * vectors) / np.float32(len(whitened)))


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each column divided by its length; columns of zeros stay zero."""
    length = np.linalg.norm(vectors, axis=0)
    return vectors / np.where(length > 0, length, 1)
