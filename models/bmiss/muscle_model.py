"""What every table of a person's muscle has in common: its channels are those of a recording."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import MyodriveError
from ...stream.geometry import Geometry


class MuscleModelError(MyodriveError):
    """A table of a person's muscle cannot be read or used: mend it, or choose another."""


class Channels(Protocol):
    """What is said of a table's channels."""

    @property
    def row(self) -> NDArray[np.int64]:
        """Of each channel on the electrode grid, shape (channels,)."""
        ...

    @property
    def col(self) -> NDArray[np.int64]:
        """Likewise."""
        ...

    @property
    def ied_mm(self) -> float | None:
        """Distance of the electrodes, where it is known."""
        ...

    @property
    def montage(self) -> str:
        """Monopolar, or single-differential along the columns."""
        ...


def channels_of(table: Channels, geometry: Geometry, montage: str) -> NDArray[np.int64]:
    """Which of a table's channels are those of a recording, in its order.

    Raises
    ------
    MuscleModelError
        The recording has channels where the table has none, or is of another grid or montage.
    """
    if montage != table.montage:
        raise MuscleModelError(
            f"the muscle model's channels are {table.montage} and the recording's {montage}: compute it for these."
        )
    if table.ied_mm is not None and abs(table.ied_mm - geometry.ied_mm) > 0.01 * geometry.ied_mm:
        raise MuscleModelError(
            f"the muscle model's electrodes lie {table.ied_mm:g} mm apart and the recording's {geometry.ied_mm:g} mm: "
            "compute it for these."
        )
    places = {place: i for i, place in enumerate(zip(table.row.tolist(), table.col.tolist(), strict=True))}
    wanted = list(zip(geometry.row.tolist(), geometry.col.tolist(), strict=True))
    missing = [place for place in wanted if place not in places]
    if missing:
        row, col = missing[0]
        raise MuscleModelError(
            f"the muscle model has {len(places)} channels, but none at {len(missing)} of the recording's {len(wanted)} "
            f"places (the first is row {row}, column {col}): compute it for the recording's grid."
        )
    return np.array([places[place] for place in wanted], np.int64)


def check_places(row: NDArray[np.int64], col: NDArray[np.int64]) -> None:
    """Refuse two channels on one electrode.

    Raises
    ------
    MuscleModelError
    """
    if len(set(zip(row.tolist(), col.tolist(), strict=True))) != len(row):
        raise MuscleModelError("two channels lie on one electrode: correct row and col.")
