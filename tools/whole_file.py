"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..stream.errors import RecordingError


@contextmanager
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
