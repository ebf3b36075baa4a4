"""A recorded session as a recording: what was decoded, in the columns of the stream's channels, and a force.

The first signal beside the EMG that came is the force, or the one that is asked for. A recording has no gaps, so a
session that lost samples, or lacks some, is refused: `myodrive replay` takes it as it is.
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
from .recording import LARGEST_BYTES, SHORTEST_S, Recording, in_a_row, shown
from .replay_signals import ToldSignals
from .session_file import Session, Turn
from .session_info import SessionInfo

HELD_S = 1.0  # a force that paused for longer is not known in between


class ForceTaken:
    """Gathers the signals beside the EMG, turn by turn, one of which is the force.

    Parameters
    ----------
    info : SessionInfo
    wanted : str or None
        Name of the signal that is the force; the first one that came otherwise.
    path : Path
        Of the session.

    Attributes
    ----------
    unit : str
    notes : tuple of str
        What to say of the choice.

    Raises
    ------
    RecordingError
        There is no such signal.
    """

    def __init__(self, info: SessionInfo, wanted: str | None, path: Path) -> None:
        if wanted is not None and wanted not in info.signals:
            has = f"it has {', '.join(map(shown, info.signals))}" if info.signals else "it has none"
            raise RecordingError(f'"{path}" has no signal "{shown(wanted)}" beside the EMG, {has}: correct --force.')
        self._info = info
        self._wanted = wanted
        self._path = path
        self._told = ToldSignals(info.signals)
        self._places: list[list[NDArray[np.float64]]] = [[] for _ in info.signals]
        self._values: list[list[NDArray[np.float64]]] = [[] for _ in info.signals]
        self._described = [("", 0.0) for _ in info.signals]  # unit, rate
        self.unit = ""
        self.notes: tuple[str, ...] = ()

    def follow(self, entry: Turn | dict[str, Any]) -> None:
        """Take what an entry of the session says of it."""
        if isinstance(entry, dict):
            self._told.take_event(entry)
            return
        tick = entry.tick
        for taken in self._told.take():
            number, state = taken.number, self._told.states[taken.number]
            places, _ = placed(taken, tick.samples_in + tick.samples_lost - 1, tick.newest, tick.period)
            self._places[number].append(places)
            self._values[number].append(taken.values)
            self._described[number] = state.unit, state.fs_hz

    def at(self, samples: int) -> NDArray[np.float32] | None:
        """The force at each sample, in the stream's numbers; None where no signal came.

        Raises
        ------
        RecordingError
            The signal that is asked for never came.
        """
        info, wanted = self._info, self._wanted
        came = [number for number, values in enumerate(self._values) if values]
        if wanted is not None:
            came = [number for number in came if info.signals[number] == wanted]
            if not came:
                raise RecordingError(f'signal "{shown(wanted)}" of "{self._path}" never came: correct --force.')
        if not came:
            self.notes = ("no signal beside the EMG came, so there is no force",) if info.signals else ()
            return None
        number = came[0]
        if wanted is None and number:
            missed = ", ".join(map(shown, info.signals[:number]))
            self.notes = (f"{missed} never came: the force is {shown(info.signals[number])}",)
        self.unit, rate = self._described[number]
        own = wanted_channel(info.signals[number], info.stream)[0] == info.stream
        places, values = np.concatenate(self._places[number]), np.concatenate(self._values[number])
        order = np.argsort(places, kind="stable")
        slower = not own and rate < SAME_RATE * info.fs_hz
        longest = info.fs_hz * max(HELD_S, 3.0 / rate if rate > 0 else 0.0)
        return on_axis(np.arange(samples, dtype=np.float64), places[order], values[order], slower, longest)


def recording_of(path: Path, need_places: bool, force_name: str | None = None) -> Recording:
    """The samples of the session in the folder `path`; channels that were not decoded are zero.

    Parameters
    ----------
    path : Path
    need_places : bool
        Refuse a session of which not all channels were decoded.
    force_name : str, optional
        Name of the signal that is the force, as `--signal` named it.

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
    force = ForceTaken(info, force_name, path)
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
    at_samples = force.at(taken)
    return Recording(
        emg=emg,
        fs_hz=info.fs_hz,
        geometry=decoder.info.channels.geometry() if whole else in_a_row(channels),
        source=f"session {info.session} of stream {info.stream}",
        force=at_samples,
        force_unit=force.unit,
        notes=force.notes,
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
