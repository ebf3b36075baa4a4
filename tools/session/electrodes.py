"""The chosen channels of the chosen stream, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import OptionError
from ...stream.geometry import Geometry
from ...stream.source_info import SourceInfo, gain_to_microvolts, names_no_unit
from ..calibration_source import describe_stream, differs, elsewhere, geometry_of
from ..grids import grid
from .folder import Chosen


@dataclass(frozen=True)
class Electrodes:
    """What a session measures with.

    Attributes
    ----------
    source : SourceInfo
    index : ndarray of int64, shape (channels,)
        Places in the stream.
    geometry : Geometry
        Of these channels.
    gain : float or None
    counter : int or None
    """

    source: SourceInfo
    index: NDArray[np.int64]
    geometry: Geometry
    gain: float | None
    counter: int | None

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The stream's own labels of these channels."""
        return None if self.source.labels is None else tuple(self.source.labels[c] for c in self.index)

    def kept(self, bad: list[int]) -> NDArray[np.int64]:
        """Which of these channels are not among `bad`, places in the stream."""
        return np.flatnonzero(~np.isin(self.index, bad))


def electrodes_of(chosen: Chosen, say: Callable[[str], None]) -> Electrodes:
    """Look the stream up and put its channels on the grid.

    Raises
    ------
    StreamError
        The stream is not on, or its numbers are no voltages.
    OptionError
        A channel is not in the stream, or nobody says where the electrodes are.
    """
    source = describe_stream(chosen.stream, say)
    index = np.array(chosen.channels if chosen.channels is not None else _usual(source, chosen), np.int64)
    if len(index) == 0 or index.max() >= source.channels:
        raise OptionError(
            f'stream "{source.name}" has {source.channels} channels, counted from 0, and --channels names others: '
            "correct it"
        )
    gain_to_microvolts(source, index, chosen.gain)
    if chosen.gain is None and names_no_unit(source, index):
        say(f'stream "{source.name}" names no unit: its numbers are taken as uV; give --gain if they are not')
    if chosen.grid is None:
        return Electrodes(source, index, geometry_of(source, index), chosen.gain, chosen.counter)
    geometry = grid(chosen.grid)
    if len(geometry) != len(index):
        raise OptionError(
            f"{chosen.grid} has {len(geometry)} electrodes, {len(index)} channels are selected: choose them with "
            "--channels"
        )
    if differs(geometry, source, index):
        say(elsewhere(chosen.grid, geometry, source, index))
    return Electrodes(source, index, geometry, chosen.gain, chosen.counter)


def _usual(source: SourceInfo, chosen: Chosen) -> list[int]:
    """Channels that have a place; where none has, all but those that count samples or tell the force."""
    if source.positions is not None and chosen.grid is None:
        placed = np.isfinite(source.positions[:, [0, 2]]).all(axis=1)
        return np.flatnonzero(placed).tolist()
    others = {chosen.counter}
    if chosen.force is not None and chosen.force.isdecimal():
        others.add(int(chosen.force))
    return [c for c in range(source.channels) if c not in others]
