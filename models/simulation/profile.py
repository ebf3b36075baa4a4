"""The force asked of the muscle over time, % of maximum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PROFILES = ("constant", "trapezoid", "sine")


@dataclass(frozen=True)
class Profile:
    """A force over time.

    Parameters
    ----------
    shape : str
        "constant"; "trapezoid": rest, ramp, plateau, ramp, rest; "sine": from 0 up to the level and back.
    level : float
        Highest force, % of maximum.
    rest_s, ramp_s : float or None
        Of the trapezoid, s; by default 2 s and 5 s, less in a short recording.
    frequency_hz : float
        Of the sine.
    """

    shape: str = "trapezoid"
    level: float = 30.0
    rest_s: float | None = None
    ramp_s: float | None = None
    frequency_hz: float = 0.2

    def __post_init__(self) -> None:
        if self.shape not in PROFILES:
            raise ValueError(f'the profile "{self.shape}" is none of {", ".join(PROFILES)}')

    def times(self, seconds: float) -> tuple[float, float]:
        """Length of the trapezoid's rest and of its ramp, s.

        Raises
        ------
        ValueError
            They leave no plateau.
        """
        rest = min(2.0, 0.1 * seconds) if self.rest_s is None else self.rest_s
        ramp = min(5.0, 0.2 * seconds) if self.ramp_s is None else self.ramp_s
        if 2.0 * (rest + ramp) >= seconds:
            raise ValueError(
                f"rests of {rest:g} s and ramps of {ramp:g} s leave no plateau in {seconds:g} s: shorten them"
            )
        return rest, ramp

    def force(self, samples: int, fs_hz: float) -> NDArray[np.float64]:
        """Force at every sample, % of maximum, shape (samples,)."""
        time = np.arange(samples) / fs_hz
        seconds = samples / fs_hz
        if self.shape == "constant":
            return np.full(samples, float(self.level))
        if self.shape == "sine":
            return self.level * (1.0 - np.cos(2.0 * np.pi * self.frequency_hz * time)) / 2.0
        rest, ramp = self.times(seconds)
        corners = [rest, rest + ramp, seconds - rest - ramp, seconds - rest]
        return np.interp(time, corners, [0.0, self.level, self.level, 0.0])
