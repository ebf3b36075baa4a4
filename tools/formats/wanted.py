"""What a caller may say about a file that does not say it itself."""

from __future__ import annotations

import msgspec


class Wanted(msgspec.Struct, frozen=True):
    """What is asked of a file.

    Attributes
    ----------
    allow_nan : bool
        Take samples that are not finite as they are: missing sample periods, a channel that was off.
    need_places : bool
        Refuse a file that does not say where its electrodes are; else they are put in one row, to be replaced.
    part : str or None
        Which stream (XDF), array (OTB, MUedit) or recording (BIDS) where a file holds several: name, or number from 0.
    channels : tuple of int or None
        Channels of that part, from 0; all EMG channels by default.
    grid : str or None
        Electrode grid by name or file, in place of what the file says.
    fs_hz : float or None
        Samples per second, for tables that do not say.
    unit : str or None
        Unit of the numbers, such as "mV", in place of what the file says.
    channels_first : bool or None
        Whether a table's rows are channels; by default they are in arrays and are not in text.
    force : str or None
        Name of the channel that holds the force.
    """

    allow_nan: bool = False
    need_places: bool = True
    part: str | None = None
    channels: tuple[int, ...] | None = None
    grid: str | None = None
    fs_hz: float | None = None
    unit: str | None = None
    channels_first: bool | None = None
    force: str | None = None
