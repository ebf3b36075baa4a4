"""The last rows of something, in arrays that never grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Ring:
    """Keeps the last `size` rows of named columns; every row has a number, which only grows.

    Parameters
    ----------
    size : int
    **columns : dtype, or (dtype, shape) of what one row holds
    """

    def __init__(self, size: int, **columns: Any) -> None:
        self.head = 0  # number of the next row
        self._size = size
        self._columns: dict[str, NDArray[Any]] = {}
        for name, form in columns.items():
            dtype, shape = form if isinstance(form, tuple) else (form, ())
            self._columns[name] = np.zeros((size, *shape), dtype)

    def push(self, **rows: Any) -> None:
        """Add rows; of more than `size` the last remain."""
        count = len(next(iter(rows.values())))
        places = np.arange(self.head + max(0, count - self._size), self.head + count) % self._size
        for name, values in rows.items():
            self._columns[name][places] = np.asarray(values)[count - len(places) :]
        self.head += count

    def since(self, number: int) -> dict[str, NDArray[Any]]:
        """Copies of the rows from `number` on that are still there, oldest first."""
        places = np.arange(max(number, self.head - self._size, 0), self.head) % self._size
        return {name: column[places] for name, column in self._columns.items()}
