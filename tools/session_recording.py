"""A recorded session as a recording: what was decoded, in the columns of the stream's channels, and a force.

The first signal that was taken beside the EMG is the force. A recording has no gaps, so a session that lost samples, or
lacks some, is refused: `myodrive replay` takes it as it is.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream.beside import placed, wanted_channel
from ..stream.errors import MessageError, RecordingError
from ..stream.messages import Event, decode, kind_of
from .events import Mark
from .force import SAME_RATE, on_axis
from .recording import LARGEST_BYTES, SHORTEST_S, Recording, in_a_row
from .replay_signals import ToldSignals
from .session_file import Session, Turn
from .session_info import SessionInfo

HELD_S = 1.0  # a force that paused for longer is not known in between


class ForceTaken:
    """Gathers the first signal beside the EMG, turn by turn.

    Parameters
    ----------
    info : SessionInfo
    """

    def __init__(self, info: SessionInfo) -> None:
        self._fs = info.fs_hz
        self._told = ToldSignals(info.signals)
        self._own = bool(info.signals) and wanted_channel(info.signals[0], info.stream)[0] == info.stream
        self._places: list[NDArray[np.float64]] = []
        self._values: list[NDArray[np.float64]] = []
        self._rate = 0.0
        self.unit = ""

    def follow(self, entry: Turn | dict[str, Any]) -> None:
        """Take what an entry of the session says of it."""
        if isinstance(entry, dict):
            self._told.take_event(entry)
            return
        tick = entry.tick
        for taken in self._told.take():
            if taken.number == 0:
                self._places.append(placed(taken, tick.samples_in + tick.samples_lost - 1, tick.newest, tick.period)[0])
                self._values.append(taken.values)
                self.unit = self._told.states[0].unit
                self._rate = self._told.states[0].fs_hz

    def at(self, samples: int) -> NDArray[np.float32] | None:
        """The force at each sample, in the stream's numbers; None where there was no signal."""
        if not self._values:
            return None
        places, values = np.concatenate(self._places), np.concatenate(self._values)
        order = np.argsort(places, kind="stable")
        slower = not self._own and self._rate < SAME_RATE * self._fs
        longest = self._fs * max(HELD_S, 3.0 / self._rate if self._rate > 0 else 0.0)
        return on_axis(np.arange(samples, dtype=np.float64), places[order], values[order], slower, longest)


def recording_of(path: Path, need_places: bool) -> Recording:
    """The samples of the session in the folder `path`; channels that were not decoded are zero.

    Raises
    ------
    RecordingError
        There is no session, or it cannot be used as a recording.
    """
    session = Session(path)
    info = session.info
    decoder = session.decoder()
    found = session.look_through()
    channels = max(info.channels) + 1
    if found.samples * channels * 4 > LARGEST_BYTES:
        raise RecordingError(f'"{path}" holds more than the {LARGEST_BYTES >> 30} GiB read at once: use `replay`.')
    if found.samples < SHORTEST_S * info.fs_hz:
        raise RecordingError(
            f'"{path}" lasts {found.seconds:.2f} s, at least {SHORTEST_S:g} s is needed: choose a longer session.'
        )
    emg = np.zeros((found.samples, channels), np.float32)
    taken = 0
    force = ForceTaken(info)
    for entry in session.turns():
        force.follow(entry)
        if not isinstance(entry, Turn) or not entry.tick.samples:
            continue
        if entry.tick.first_sample != taken:
            raise RecordingError(
                f'"{path}" has a gap at sample {taken}, {taken / info.fs_hz:.2f} s: '
                "choose a session without one, or use `myodrive replay`."
            )
        emg[taken : taken + entry.tick.samples, info.channels] = entry.signal
        taken += entry.tick.samples
    whole = info.channels == list(range(channels))
    if need_places and not whole:
        raise RecordingError(
            f'"{path}" holds {len(info.channels)} channels of a stream that has more: '
            "choose them with --channels and name their grid with --grid."
        )
    return Recording(
        emg=emg,
        fs_hz=info.fs_hz,
        geometry=decoder.info.channels.geometry() if whole else in_a_row(channels),
        source=f"session {info.session} of stream {info.stream}",
        force=force.at(taken),
        force_unit=force.unit,
        montage=decoder.info.montage,
        path=path,
        places_known=whole,
        marks=_marks(session, found.samples),
    )


def _marks(session: Session, samples: int) -> tuple[Mark, ...]:
    """Markers of the session that came in time for its samples; a message that cannot be understood is none."""
    found = []
    for topic, body in session.messages():
        if kind_of(topic) != "event":
            continue
        with contextlib.suppress(MessageError):
            message = decode([topic, body])
            if isinstance(message, Event) and message.event_sample < samples:
                found.append(Mark(message.event_sample, message.label))
    return tuple(found)
