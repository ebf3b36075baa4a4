"""Electrode grids by name, or from a file: which channel sits where.

OT Bioelettronica's maps are those of its connectors as its amplifiers number them, with the cable at the bottom
("orientation 180" in OTBioLab+ and openhdemg); turning a grid by half a turn flips the sign of positions and nothing
else. Where each map comes from stands in tools/formats/README.md. Other grids come from a file, see `read_grid`.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..stream.errors import OptionError
from ..stream.geometry import Geometry

LINEAR = re.compile(r"LIN(\d{1,3})-(\d{1,2}(?:\.\d+)?)", re.IGNORECASE)
FILE_FORM = 'lines "channel,row,col" under that heading, all counted from 0, and above them "# ied_mm = 8"'


def _serpentine_13x5(ied_mm: float) -> Geometry:
    """Down the first column from row 1 (row 0 has no electrode there), up the second, and so on."""
    columns = [range(1, 13), range(12, -1, -1), range(13), range(12, -1, -1), range(13)]
    places = [(row, col) for col, rows in enumerate(columns) for row in rows]
    row, col = np.array(places, dtype=np.int64).T
    return Geometry(row, col, ied_mm, 13, 5)


def _down_13x5(ied_mm: float) -> Geometry:
    """The flexible 13x5: down the last column from row 1, then down each column to its left."""
    channel = np.arange(1, 65)
    return Geometry(channel % 13, 4 - channel // 13, ied_mm, 13, 5)


def _up_8x8(ied_mm: float) -> Geometry:
    """Eight channels a column, each from the highest row to row 0."""
    channel = np.arange(64)
    return Geometry(7 - channel % 8, channel // 8, ied_mm, 8, 8)


def _up_from_the_right(cols: int) -> Callable[[float], Geometry]:
    """Eight channels a column from the highest row to row 0, the last column first."""
    channel = np.arange(8 * cols)
    return lambda ied_mm: Geometry(7 - channel % 8, cols - 1 - channel // 8, ied_mm, 8, cols)


def _down_8x4(ied_mm: float) -> Geometry:
    """Eight channels a column, each from row 0 to the highest row."""
    channel = np.arange(32)
    return Geometry(channel % 8, channel // 8, ied_mm, 8, 4)


def _table(columns: Sequence[Sequence[int | None]]) -> Callable[[float], Geometry]:
    """From the channels of each column, from row 0 on; None is a place without an electrode."""
    place = {ch: (row, col) for col, down in enumerate(columns) for row, ch in enumerate(down) if ch is not None}
    row, col = np.array([place[channel] for channel in range(len(place))], dtype=np.int64).T
    return lambda ied_mm: Geometry(row, col, ied_mm, len(columns[0]), len(columns))


_RHD2164 = _table(  # channels of an Intan RHD2164 behind the adapter to OT's 13x5 connector
    [
        [None, 36, 38, 40, 42, 44, 46, 48, 50, 61, 63, 58, 60],
        [32, 45, 47, 49, 51, 53, 55, 57, 59, 52, 54, 56, 62],
        [33, 34, 35, 37, 39, 41, 43, 31, 30, 29, 27, 25, 23],
        [2, 4, 1, 17, 15, 13, 11, 9, 7, 5, 3, 19, 21],
        [0, 6, 8, 10, 12, 28, 26, 24, 22, 20, 18, 16, 14],
    ]
)
_TEXTILE_8X4 = _table(
    [[*range(7, -1, -1)], [13, 14, 15, 12, 11, 10, 9, 8], [18, 17, 16, *range(19, 24)], [*range(24, 32)]]
)
_TEXTILE_8X8 = _table(
    [[*range(16 + 5 * c, 11 + 5 * c, -1), 8 + c, 4 + c, c] for c in range(4)]
    + [[*range(32 + 5 * c, 37 + 5 * c), 52 + c, 56 + c, 60 + c] for c in range(4)]
)


def _linear(electrodes: int, ied_mm: float) -> Geometry:
    """One column along the fibres, in order."""
    return Geometry(np.arange(electrodes), np.zeros(electrodes, dtype=np.int64), ied_mm, electrodes, 1)


NAMED: dict[str, tuple[Callable[[float], Geometry], float]] = {
    "GR04MM1305": (_serpentine_13x5, 4.0),
    "GR08MM1305": (_serpentine_13x5, 8.0),
    "GR08MM0808": (_up_8x8, 8.0),
    "GR10MM0808": (_up_8x8, 10.0),
    "GR10MM0804": (_up_from_the_right(4), 10.0),
    "HD04MM1305": (_down_13x5, 4.0),
    "HD08MM1305": (_down_13x5, 8.0),
    "HD10MM0808": (_up_from_the_right(8), 10.0),
    "HD05MM0804": (_down_8x4, 5.0),
    "HD10MM0804": (_down_8x4, 10.0),
    "RHD2164-GR04MM1305": (_RHD2164, 4.0),
    "RHD2164-GR08MM1305": (_RHD2164, 8.0),
    "TMSI-4-8-L": (_TEXTILE_8X4, 8.75),
    "TMSI-8-8-L": (_TEXTILE_8X8, 8.75),
}


def grid_names() -> tuple[str, ...]:
    """Names that `grid` knows, the linear arrays by their pattern."""
    return (*NAMED, "LIN<electrodes>-<mm>, for instance LIN16-05")


def grid_within(text: str) -> str | None:
    """The known name that a longer one holds, as amplifiers write them: "HD08MM1305 64 ch"; None where none is."""
    found = [name for name in NAMED if name in text.upper()]
    return max(found, key=len, default=None)


def name_of(geometry: Geometry) -> str | None:
    """The name of the grid whose map and spacing these are; None where none has them."""
    for name, (make, ied_mm) in NAMED.items():
        known = make(ied_mm)
        same = (known.grid_rows, known.grid_cols, ied_mm) == (geometry.grid_rows, geometry.grid_cols, geometry.ied_mm)
        if same and np.array_equal(known.row, geometry.row) and np.array_equal(known.col, geometry.col):
            return name
    return None


def grid(name_or_file: str | os.PathLike[str]) -> Geometry:
    """The places of a grid's channels.

    Parameters
    ----------
    name_or_file : str or path
        A name such as "GR08MM1305", "LIN16-05" (a linear array of 16 electrodes 5 mm apart), or a grid file.

    Returns
    -------
    Geometry
    """
    name = os.fspath(name_or_file)
    if name.upper() in NAMED:
        make, ied_mm = NAMED[name.upper()]
        return make(ied_mm)
    if match := LINEAR.fullmatch(name):
        electrodes, ied_mm = int(match[1]), float(match[2])
        if electrodes >= 1 and ied_mm > 0:
            return _linear(electrodes, ied_mm)
    if Path(name).is_file():
        return read_grid(name)
    raise OptionError(f'"{name}" is neither a known grid ({"; ".join(grid_names())}) nor a file: give one of these.')


def read_grid(path: str | os.PathLike[str]) -> Geometry:
    """Read a grid file: a table of places, with the spacing in a comment above it.

    ::

        # ied_mm = 8
        # rows = 13        (optional: the size of the whole grid, where corners are missing)
        # cols = 5
        channel,row,col
        0,1,0
        1,2,0

    Parameters
    ----------
    path : path
        Text; channels, rows and columns count from 0, rows run along the fibres.

    Returns
    -------
    Geometry
        Channels in the order of their numbers.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f'the grid file "{path}" cannot be read as text: give {FILE_FORM}.') from error
    settings = _settings(lines)
    table = list(csv.reader(line for line in lines if line.strip() and not line.lstrip().startswith("#")))
    if not table or [cell.strip().lower() for cell in table[0]] != ["channel", "row", "col"]:
        raise OptionError(f'the grid file "{path}" has no heading "channel,row,col": write {FILE_FORM}.')
    try:
        cells = np.array([[int(cell) for cell in line] for line in table[1:]], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise OptionError(f'the grid file "{path}" has a line that is not three whole numbers: correct it.') from error
    if cells.ndim != 2 or cells.shape[1] != 3 or cells.min() < 0:
        raise OptionError(f'the grid file "{path}" has lines that are not three numbers from 0: write {FILE_FORM}.')
    channel, row, col = cells[np.argsort(cells[:, 0], kind="stable")].T
    if not np.array_equal(channel, np.arange(len(channel))):
        raise OptionError(
            f'the grid file "{path}" lists channels that are not 0 to {len(channel) - 1}, each once: correct it.'
        )
    if len(set(zip(row.tolist(), col.tolist(), strict=True))) != len(channel):
        raise OptionError(f'the grid file "{path}" puts two channels on one electrode: correct it.')
    ied_mm = settings.get("ied_mm", 0.0)
    if not (np.isfinite(ied_mm) and ied_mm > 0):
        raise OptionError(f'the grid file "{path}" names no spacing: add a line "# ied_mm = 8" with yours.')
    rows = settings.get("rows", row.max() + 1)
    cols = settings.get("cols", col.max() + 1)
    if rows <= row.max() or cols <= col.max():
        raise OptionError(
            f'the grid file "{path}" says {rows:g} x {cols:g} and has a channel at row {row.max()}, '
            f"column {col.max()} (from 0): correct one of them."
        )
    return Geometry(row, col, float(ied_mm), int(rows), int(cols))


def _settings(lines: list[str]) -> dict[str, float]:
    found = {}
    for line in lines:
        if match := re.match(r"\s*#\s*(ied_mm|rows|cols)\s*[=:]\s*([0-9.eE+-]+)", line):
            try:
                found[match[1]] = float(match[2])
            except ValueError:
                continue
    return found
