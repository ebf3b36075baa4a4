"""A recorded session of any size for measurements and tests: the whole live loop over EMG that is made up."""

from __future__ import annotations

from pathlib import Path

from .recorded_pipeline import PacedSource, record_session, signal_of
from .session_file import DECODER, Session
from .synthetic_decoder import synthetic_decoder

FS_HZ, HOP = 2048.0, 64


def synthetic_session(folder: Path, channels: int, units: int, seconds: float, seed: int) -> Session:
    """Record a session of `seconds`, which takes as long, in a new folder.

    Parameters
    ----------
    folder : Path
    channels, units : int
        Of a synthetic decoder, drawn from `seed`.
    seconds : float
    seed : int
    """
    given = folder.with_name(f"{folder.name}-{DECODER}")
    decoder = synthetic_decoder(given, channels, units, FS_HZ, seed)
    given.unlink()
    record_session(decoder, str(folder), PacedSource(signal_of(channels), FS_HZ, HOP), seconds)
    return Session(folder)
