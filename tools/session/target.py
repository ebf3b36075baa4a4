"""What a person is asked to follow, and how well it was followed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPES = ("trapezoid", "sine")
TICK_S = 0.05  # at which target and level are compared and kept
WITHIN = 0.05  # of the reference: on the target
LONGEST_LAG_S = 1.0
SWING, SWING_S = 0.3, 4.0  # of the sine on the hold: share of the level, s


@dataclass(frozen=True)
class Target:
    """Rest, ramp, hold, ramp, rest; level 1 is the reference contraction.

    Attributes
    ----------
    shape : {"trapezoid", "sine"}
        Of the hold; the sine swings around the level.
    level : float
    rest_s, ramp_s, hold_s : float
        Each rest, each ramp, and the hold, s.
    """

    shape: str = "trapezoid"
    level: float = 0.3
    rest_s: float = 3.0
    ramp_s: float = 5.0
    hold_s: float = 15.0

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return 2 * self.rest_s + 2 * self.ramp_s + self.hold_s

    @property
    def highest(self) -> float:
        """Its largest level."""
        return self.level * (1.0 + SWING * (self.shape == "sine"))

    def at(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its level at these times since the start."""
        nodes = np.cumsum([0.0, self.rest_s, self.ramp_s, self.hold_s, self.ramp_s, self.rest_s])
        level = np.interp(time_s, nodes, self.level * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0]))
        if self.shape == "sine":
            held = (time_s >= nodes[2]) & (time_s <= nodes[3])
            level = level + held * SWING * self.level * np.sin(2 * np.pi * (time_s - nodes[2]) / SWING_S)
        return level

    def word(self, time_s: float) -> str:
        """What to do now."""
        nodes = np.cumsum([self.rest_s, self.ramp_s, self.hold_s, self.ramp_s])
        return ("rest", "slowly harder", "hold", "slowly less", "rest")[int(np.searchsorted(nodes, time_s, "right"))]

    def as_json(self) -> dict[str, Any]:
        """Its settings."""
        return asdict(self)


@dataclass(frozen=True)
class Followed:
    """How well a target was followed, in shares of the reference.

    Attributes
    ----------
    rms_error, hold_error : float
        RMS of what the level was off, over all and while holding, once it is moved by the lag.
    within : float
        Share of the time that it was off by WITHIN at most, moved by the lag.
    lag_s : float
        By how much the level came after the target.
    """

    rms_error: float
    hold_error: float
    within: float
    lag_s: float

    def sentence(self) -> str:
        """The same for a person."""
        return (
            f"the target was followed to {100 * self.rms_error:.0f} % of the reference (RMS; while holding "
            f"{100 * self.hold_error:.0f} %), within {100 * WITHIN:.0f} % for {100 * self.within:.0f} % of the time, "
            f"{self.lag_s:.1f} s behind"
        )


def ticked(level: NDArray[np.float64], fs_hz: float) -> NDArray[np.float64]:
    """A level at `fs_hz` as means of ticks; what is left over at the end is dropped."""
    edges = np.round(np.arange(0.0, len(level) / fs_hz + 1e-9, TICK_S) * fs_hz).astype(np.int64)
    total = np.concatenate([[0.0], np.cumsum(level)])
    return np.diff(total[edges]) / np.maximum(1, np.diff(edges))


def followed(target: Target, level: NDArray[np.float64]) -> Followed:
    """Compare a level, ticked, with the target.

    The lag is the delay, up to `LONGEST_LAG_S`, at which the target fits best.
    """
    time_s = TICK_S * (np.arange(len(level)) + 0.5)
    lags = TICK_S * np.arange(round(LONGEST_LAG_S / TICK_S) + 1)
    errors = [level - target.at(time_s - lag) for lag in lags]
    best = int(np.argmin([np.square(error).sum() for error in errors]))
    error = errors[best]
    start = target.rest_s + target.ramp_s + lags[best]
    held = (time_s >= start) & (time_s <= start + target.hold_s)
    return Followed(
        rms_error=float(np.sqrt(np.square(error).mean())),
        hold_error=float(np.sqrt(np.square(error[held]).mean())) if held.any() else 0.0,
        within=float((np.abs(error) <= WITHIN).mean()),
        lag_s=float(lags[best]),
    )
