"""Signals beside the EMG, such as a force or an angle: channels of its own stream, or of other LSL streams.

A channel of the EMG's stream comes with the EMG, so its values belong to samples. Another stream has its own rate and
comes when it comes (`signal_stream.py`): its values have times, on the LSL clock of this machine, and are put on the
samples as markers are, so neither its delay nor a gap in the EMG moves them. The numbers are the stream's own.

They are handed on at the drive's rate with all that has come since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import OptionError

if TYPE_CHECKING:
    from .hop import Hop

MOST_SIGNALS = 4
LAST_CHANNEL = 65535
LONGEST_NAME = 200  # characters


class Wanted(NamedTuple):
    """A signal that was asked for: its name as it was written, and the channel of the stream."""

    name: str
    stream: str
    channel: int


class SignalState(NamedTuple):
    """How a signal is doing: `state` is "waiting", "on" or "lost", `reason` why its stream is not taken."""

    name: str
    state: str = "waiting"
    unit: str = ""
    fs_hz: float = 0.0
    reason: str = ""


class Taken(NamedTuple):
    """Values of signal `number`, and their places: samples where `counted`, else times, s on the LSL clock."""

    number: int
    counted: bool
    places: NDArray[np.float64]
    values: NDArray[np.float64]


class SignalSource(Protocol):
    """What the reporter needs of the signals."""

    states: tuple[SignalState, ...]
    missed: int

    def follow(self, hop: Hop) -> None:
        """Take what came with the EMG."""

    def due(self, now: float) -> bool:
        """Whether it is time to look and to take; asked once a turn."""

    def look(self) -> None:
        """Find out how they are doing."""

    def skip(self, now: float) -> None:
        """Drop what is old; while there is no EMG."""

    def take(self) -> Sequence[Taken]:
        """What has come since the last time."""


def wanted_channel(wanted: str, emg_stream: str) -> tuple[str, int]:
    """Name of the stream and channel that CHANNEL (of the EMG's stream), NAME or NAME:CHANNEL means."""
    if wanted.isdecimal():
        return emg_stream, int(wanted)
    name, colon, channel = wanted.rpartition(":")
    return (name, int(channel)) if colon and name and channel.isdecimal() else (wanted, 0)


def wanted_signals(texts: Sequence[str], emg_stream: str) -> tuple[Wanted, ...]:
    """The signals that are asked for.

    Raises
    ------
    OptionError
        They are too many, or one is none.
    """
    if len(texts) > MOST_SIGNALS:
        raise OptionError(f"{len(texts)} signals are too many: give --signal {MOST_SIGNALS} times at most")
    found: list[Wanted] = []
    for text in texts:
        name, channel = wanted_channel(text, emg_stream)
        if not name or channel > LAST_CHANNEL or len(text) > LONGEST_NAME:
            raise OptionError(
                f'"{text[:40]}" is no signal: give --signal a channel of the EMG stream, or NAME or NAME:CHANNEL'
            )
        if any((one.stream, one.channel) == (name, channel) for one in found):
            raise OptionError(f'"{text[:40]}" is the same signal as one before it: leave one --signal out')
        found.append(Wanted(text, name, channel))
    return tuple(found)


def placed(taken: Taken, sample: int, newest: float, period: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places on the EMG's sample axis, and times, of values taken when `sample`, of time `newest`, was the newest.

    Lost sample periods count, so a gap in the EMG moves nothing.
    """
    if taken.counted:
        return taken.places, newest + (taken.places - sample) * period
    return sample + (taken.places - newest) / period, taken.places


class NoSignals:
    """None were asked for."""

    states: tuple[SignalState, ...] = ()
    missed = 0

    def follow(self, hop: Hop) -> None:
        """Nothing."""

    def due(self, now: float) -> bool:
        """Never."""
        return False

    def look(self) -> None:
        """Nothing."""

    def skip(self, now: float) -> None:
        """Nothing."""

    def take(self) -> Sequence[Taken]:
        """None."""
        return ()
