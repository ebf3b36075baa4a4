"""The folder of a session and its `session.json`, which says what ran."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from ..stream.beside import LONGEST_NAME, MOST_SIGNALS
from ..stream.errors import RecordingError
from ..stream.hop import LONGEST_HOP
from .whole_file import write_synced

VERSION = 1
INFO = "session.json"
LARGEST_INFO = 1 << 20
GUIDED = "myodrive guided session"  # `kind` of the file of that name in the folder of a guided session
RECORDED = "calibration.h5"  # in such a folder
MOST_NAMED = 3


class SessionInfo(msgspec.Struct, kw_only=True):
    """What `session.json` holds: enough to run the session again.

    ``channels`` are the stream's channels that were decoded, in order; ``clock`` is [LSL clock, UTC] in s at the start.
    """

    version: int
    session: str
    stream: str
    fs_hz: float
    channels: list[int]
    decoder_sha256: str
    hop: int
    provider: str
    whitening: str
    gain: float | None
    drive_rate_hz: float
    smoothing_s: float
    fallback: str
    parameters_sha256: str | None
    why_no_parameters: str
    clock: tuple[float, float]
    created_by: dict[str, str]
    options: dict[str, Any] = {}
    source: dict[str, Any] | None = None
    blank: list[tuple[str, float]] = []
    signals: list[str] = []


class _Kind(msgspec.Struct):
    kind: Any = None


def _guided(folder: Path) -> RecordingError:
    """What is said of the folder of a guided session: which recordings are in it."""
    live = [path for path in folder.glob("live-*/" + INFO) if path.parent.name.isprintable()]
    there = [path for path in (folder / RECORDED, *sorted(live)) if path.is_file()]
    if not there:
        return RecordingError(
            f'"{folder}" is a guided session in which nothing is recorded yet: do `myodrive session record -o {folder}`'
        )
    named = [str(path.parent if path.name == INFO else path) for path in there[:MOST_NAMED]]
    return RecordingError(f'"{folder}" is a guided session: name one recording in it, {" or ".join(named)}')


def read_info(folder: Path) -> SessionInfo:
    """What ran in the session in `folder`.

    Raises
    ------
    RecordingError
        The folder holds no session, or one that no recorder of ours wrote.
    """
    if not folder.is_dir():
        raise RecordingError(f'no session at "{folder}": give the folder that `myodrive run --record` wrote')
    path = folder / INFO
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise RecordingError(f'"{path}" is no file: choose another session')
    try:
        if path.stat().st_size > LARGEST_INFO:
            raise RecordingError(f'"{path}" is larger than any of ours: choose another session')
        text = path.read_bytes()
        if msgspec.json.decode(text, type=_Kind).kind == GUIDED:
            raise _guided(folder)
        info = msgspec.json.decode(text, type=SessionInfo)
    except FileNotFoundError as error:
        raise RecordingError(f'"{folder}" is no recorded session, it has no {INFO}: choose another folder') from error
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordingError(f'"{path}" cannot be read ({str(error)[:80]}): choose another session') from error
    if info.version != VERSION:
        raise RecordingError(f'"{folder}" is a session of version {info.version}, this program reads {VERSION}: update')
    sound = (
        0 < info.fs_hz < 1e6 and 1 <= info.hop <= LONGEST_HOP and 1 <= len(info.channels) <= 65536
        and min(info.channels) >= 0 and max(info.channels) < 65536 and 1 <= info.drive_rate_hz <= 1000
        and 0.001 <= info.smoothing_s <= 5 and info.fallback in ("none", "envelope")
        and info.provider in ("cpu", "cuda") and info.whitening in ("folded", "staged")
        and len(info.blank) <= 100 and all(len(label) <= 200 and 0 < s <= 10 for label, s in info.blank)
        and len(info.signals) <= MOST_SIGNALS and all(len(name) <= LONGEST_NAME for name in info.signals)
    )  # fmt: skip
    if not sound:
        raise RecordingError(f'"{path}" holds settings that no session has: choose another session')
    return info


def write_info(folder: Path, info: SessionInfo) -> None:
    """Write `session.json`, whole or not at all."""
    text = json.dumps(msgspec.to_builtins(info), indent=1)
    write_synced(folder / INFO, text.encode())


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder of a new session, empty.

    Raises
    ------
    RecordingError
        Something is there already, or it cannot be made.
    """
    folder = Path(path)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RecordingError(f'"{folder}" holds something already: give --record a new folder')
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f'"{folder}" cannot be made ({error.strerror}): give --record a folder that can be written'
        ) from error
    return folder
