"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..stream.errors import RecordingError


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it takes `path`'s name when the block ends without error.

    Until then, and after a failure, whatever was at `path` is untouched, and no half-written file is left.

    Parameters
    ----------
    path : path
        Where the finished file goes.

    Yields
    ------
    Path
        Where to write it.
    """
    path = Path(path)
    if path.is_dir():
        raise RecordingError(f'"{path}" is a folder and cannot be written as a file: give a file name.')
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # h5py reports a full disk at closing as RuntimeError
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingError(
            f'"{path}" cannot be written ({reason}): check the folder, its permissions and the free space.'
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the folder's files, where the system lets one ask for it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_synced(path: Path, content: bytes) -> None:
    """Write a small file whole, on disk when this returns; another of that name is replaced at the end."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
