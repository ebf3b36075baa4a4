"""Units that cover all that a table of accuracies draws from, each parameter for itself: no muscle looks like it.

A muscle's units share an innervation zone and conduct alike; estimators scored on one would be scored on a corner of
what they are used for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..forward.electrodes import Electrodes
from ..forward.fibres import UnitParameters
from .muscle import MuscleSettings, as_parameters
from .pool import Pool


@dataclass(frozen=True)
class SpreadMuscle(MuscleSettings):
    """Ranges of a muscle whose units are drawn uniformly and independently of each other and of their size.

    What lies above the fibres, scatters and territories are as in `MuscleSettings`; `top_mm` and `bottom_mm` bound the
    centres of territories, `cv_limits_m_s` velocities, and `half_length_mm` counts from the unit's own innervation
    zone, which lies anywhere along the array but `iz_margin_mm` from its ends. The other settings of velocities and
    innervation zones are not used.
    """

    top_mm: float = 3.0
    bottom_mm: float = 20.0
    beside_mm: float = 5.0
    radius_mm: tuple[float, float] = (2.0, 6.0)
    tendon_spread_mm: tuple[float, float] = (2.0, 10.0)
    half_length_mm: tuple[float, float] = (45.0, 80.0)
    ap_scale: tuple[float, float] = (0.85, 1.15)
    iz_margin_mm: float = 8.0

    def draw(self, pool: Pool, electrodes: Electrodes, rng: np.random.Generator) -> UnitParameters:
        """The units of a pool, from the first recruited to the last."""
        units = len(pool)
        along, side = electrodes.along_mm, float(np.abs(electrodes.across_mm).max()) + self.beside_mm
        above = self.fat_mm + self.skin_mm - self.make_conductor().cover_mm
        return as_parameters(
            {
                "innervation_zone_mm": rng.uniform(
                    along.min() + self.iz_margin_mm, along.max() - self.iz_margin_mm, units
                ),
                "conduction_velocity_m_s": rng.uniform(*self.cv_limits_m_s, units),
                "depth_mm": above + rng.uniform(self.top_mm, self.bottom_mm, units),
                "lateral_mm": rng.uniform(-side, side, units),
                "half_length_low_mm": rng.uniform(*self.half_length_mm, units),
                "half_length_high_mm": rng.uniform(*self.half_length_mm, units),
                "iz_spread_mm": rng.uniform(*self.iz_spread_mm, units),
                "tendon_spread_mm": rng.uniform(*self.tendon_spread_mm, units),
                "radius_mm": self.territory_mm(pool),
                "cv_sd_m_s": rng.uniform(*self.within_cv_sd_m_s, units),
                "fibres": pool.fibres.astype(np.float64),
                "ap_scale": rng.uniform(*self.ap_scale, units),
            }
        )
