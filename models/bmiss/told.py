"""How far a calibration has come, and whether whoever is told wants it to end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

Progress = Callable[[float, int], None]


class Told:
    """The progress, step by step, and whether it has asked to end the search.

    Attributes
    ----------
    ended : bool
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress or (lambda share, units: None)
        self._low, self._high, self._units = 0.0, 1.0, 0
        self.ended = False

    def begin(self, low: float, high: float, units: int) -> None:
        """A step that takes the progress from one share to another, with `units` units held."""
        self._low, self._high, self._units = low, high, units
        self(0.0)

    def __call__(self, share: float, units: int = 0) -> None:
        """Tell the share of this step that is done and the units that it has found on top."""
        with suppress(KeyboardInterrupt):
            self.or_raise(share, units)

    def or_raise(self, share: float, units: int = 0) -> None:
        """The same; a wish to end goes on to whoever is at work."""
        try:
            self._progress(self._low + (self._high - self._low) * share, self._units + units)
        except KeyboardInterrupt:
            self.ended = True
            raise
