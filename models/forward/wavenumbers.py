"""Which wavenumbers a transform sums over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LONG_WAVES = 10.0  # steps over which the grid widens
RESOLVED_DECAY = 6.0  # K0(6) = 1.2e-3


def graded(step: float, smallest_step: float, highest: float) -> tuple[np.ndarray, np.ndarray]:
    """Midpoint rule over wavenumbers from 0 to `highest`, its steps widening from `smallest_step` to `step`.

    Sums over a grid of step dk repeat everything 2 pi / dk away (with alternating sign). Short waves stay near their
    source, so their repeats may be near; long ones reach far, and are few.

    Returns
    -------
    wavenumber, width : ndarray, shape (wavenumbers,), rad/mm
    """
    index = np.arange(math.ceil(highest / step + LONG_WAVES)) + 0.5
    # odd in the index and smooth: the midpoint rule stays exact for a smooth, even integrand
    wavenumber = step * index - (step - smallest_step) * LONG_WAVES * np.tanh(index / LONG_WAVES)
    width = step - (step - smallest_step) / np.cosh(index / LONG_WAVES) ** 2
    keep = wavenumber < highest
    return wavenumber[keep], width[keep]


@dataclass(frozen=True)
class Wavenumbers:
    """Wavenumbers along the fibres.

    Parameters
    ----------
    shallowest_mm : float
        Least depth below the muscle's surface that is resolved: potentials of shallower fibres come out smoothed
        along z.
    period_mm, far_period_mm : float
        Distance of the repeats of short and of long waves along z: more than an electrode is ever away from a fibre's
        end; and far enough for the potential of a fibre's end to be gone.
    """

    shallowest_mm: float = 2.0
    period_mm: float = 240.0
    far_period_mm: float = 2000.0

    def grid(self, anisotropy: float, cover_mm: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Wavenumbers and the width that each stands for, rad/mm, both of shape (wavenumbers,).

        Parameters
        ----------
        anisotropy : float
            Of the muscle: a potential falls as e^(-sqrt(anisotropy) k depth) in it,
        cover_mm : float
            and as e^(-k cover) in what lies above.
        """
        highest = RESOLVED_DECAY / (math.sqrt(anisotropy) * self.shallowest_mm + cover_mm)
        return graded(2.0 * math.pi / self.period_mm, 2.0 * math.pi / self.far_period_mm, highest)
