"""What chance leaves in a waveform: a unit has few fibres, and their mean is not the mean of very many.

The waveform of N fibres drawn at random is that of the mean unit plus a random departure, of covariance the single
fibre's over N. It is 10 to 20 % of the waveform for 30 fibres, more than the noise at 20 dB, and not white: fits that
know it give less weight to what it disturbs. It also moves the mean innervation point and velocity of the fibres that
were drawn away from those of the distribution, by amounts which the waveform tells in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..forward.fibres import UnitParameters, place, quadrature_deviates
from ..forward.mean_current import CV, CV_SD, DEPTH, HIGH, IZ, LATERAL, LOW, RADIUS, SPREAD, TENDON_SPREAD_MM
from ..forward.mean_unit import MeanUnit

DRAWN = 80  # that the covariance is taken from
FIBRES = 30.0  # a unit is taken to have: motor units have more, but a few near the electrodes make most of a waveform

# A wider scatter would explain any residual: a fit that wants it has another cause.
MOST_SPREAD_MM, MOST_CV_SD_M_S = 15.0, 0.2


@dataclass(frozen=True)
class Scatter:
    """Directions in which units of few fibres depart from the mean unit, each by a standard normal amount.

    Attributes
    ----------
    seen : Tensor, shape (units, data, directions)
        Of what is seen of the waveform, in units of the noise.
    moved : Tensor, shape (units, 2, directions)
        Of the mean innervation point, mm, and of the mean velocity, m/s.
    """

    seen: Tensor
    moved: Tensor

    @classmethod
    def of(cls, model: MeanUnit, theta: Tensor, gain: Tensor, view: Tensor) -> Scatter:
        """The scatter about mean units.

        Parameters
        ----------
        model : MeanUnit
            Of one velocity and one place.
        theta : Tensor, shape (units, parameters)
        gain : Tensor, shape (units,)
        view : Tensor, shape (units, seen, channels)
        """
        fibres = _fibres(theta)  # (units, drawn, parameters)
        seen = torch.stack([
            model(one, look.expand(DRAWN, -1, -1)).flatten(1) * size
            for one, look, size in zip(fibres, view, gain, strict=True)
        ])  # (units, drawn, data)  # fmt: skip
        share = (DRAWN * FIBRES) ** -0.5
        moved = fibres[..., [IZ, CV]] - fibres[..., [IZ, CV]].mean(1, keepdim=True)
        return cls(((seen - seen.mean(1, keepdim=True)) * share).transpose(1, 2), (moved * share).transpose(1, 2))

    def with_louder_noise(self, times: Tensor) -> Scatter:
        """The same in units of noise of `times` (units,) the variance."""
        return Scatter(self.seen * times.rsqrt()[:, None, None], self.moved)

    def whiten(self, data: Tensor) -> Tensor:
        """Make noise and scatter together white: (1 + S S')^-1/2 of rows (units, rows, data)."""
        value, vector = self._modes
        shrink = (1.0 - (1.0 + value).rsqrt()) / value.clamp(min=1e-9)  # (units, directions)
        across = (data @ self.seen) @ vector  # (units, rows, directions)
        return data - (across * shrink[:, None]) @ vector.transpose(1, 2) @ self.seen.transpose(1, 2)

    def amounts(self) -> Tensor:
        """What a raw residual says of the amount along each direction: a matrix (units, directions, data)."""
        return self._among_noise(self.seen.transpose(1, 2))

    def left_of_moved(self) -> Tensor:
        """Covariance of `moved` that the waveform leaves open, shape (units, 2, 2)."""
        return self.moved @ self._among_noise(self.moved.transpose(1, 2))

    def _among_noise(self, rows: Tensor) -> Tensor:
        """(1 + S'S)^-1 on (units, directions, any)."""
        value, vector = self._modes
        return (vector / (1.0 + value)[:, None]) @ (vector.transpose(1, 2) @ rows)

    @cached_property
    def _modes(self) -> tuple[Tensor, Tensor]:
        value, vector = torch.linalg.eigh(self.seen.transpose(1, 2) @ self.seen)
        return value.clamp(min=0.0), vector


def _fibres(theta: Tensor) -> Tensor:
    """Units of one fibre each, drawn from mean units, shape (units, drawn, parameters)."""
    drawn = place(
        UnitParameters.of(
            innervation_zone_mm=theta[:, IZ],
            conduction_velocity_m_s=theta[:, CV],
            depth_mm=theta[:, DEPTH],
            lateral_mm=theta[:, LATERAL],
            half_length_low_mm=theta[:, LOW],
            half_length_high_mm=theta[:, HIGH],
            iz_spread_mm=theta[:, SPREAD].clamp(max=MOST_SPREAD_MM),
            cv_sd_m_s=theta[:, CV_SD].clamp(max=MOST_CV_SD_M_S),
            radius_mm=theta[:, RADIUS],
            tendon_spread_mm=TENDON_SPREAD_MM,
        ),
        quadrature_deviates(DRAWN),
    )
    fibres = theta[:, None].repeat(1, DRAWN, 1)
    fibres[..., IZ], fibres[..., CV] = drawn.innervation_mm, drawn.velocity_m_s
    fibres[..., LATERAL], fibres[..., DEPTH] = drawn.lateral_mm, drawn.depth_mm
    fibres[..., LOW] = drawn.innervation_mm - drawn.low_end_mm
    fibres[..., HIGH] = drawn.high_end_mm - drawn.innervation_mm
    fibres[..., [SPREAD, CV_SD, RADIUS]] = 0.0
    return fibres
