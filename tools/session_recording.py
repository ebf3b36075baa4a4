"""A recorded session as a recording: what was decoded, in the columns of the stream's channels.

A recording has no gaps, so a session that lost samples, or lacks some, is refused: `myodrive replay` takes it as it is.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from ..stream.errors import MessageError, RecordingError
from ..stream.messages import Event, decode, kind_of
from .events import Mark
from .recording import LARGEST_BYTES, SHORTEST_S, Recording, in_a_row
from .session_file import Session, Turn


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
    for entry in session.turns():
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
