"""Reads damaged copies of a file or a session, as the commands do; a process of its own, for it may die of it.

python -m myodrive.tools.hostile_files KIND FILE FIRST LAST

Prints the number of the copy in hand, what became of it, and at the end the memory in use.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..stream.decoder_file import read_decoder
from ..stream.errors import MyodriveError
from ..stream.parameter_file import read_parameter_file
from .damage import damaged_copy
from .hdf5_reading import read_recording
from .replay import replay
from .replay_compare import compare
from .session_file import Session


def check_session(folder: Path) -> None:
    """All that `myodrive replay --check` does.

    Raises
    ------
    RecordingError, DecoderError, ParameterModelError, OptionError, ProviderError
    AssertionError
        What it found cannot be told on a line.
    """
    session = Session(folder)
    session.look_through()
    compared = compare(session, replay(session, keep=True))
    assert compared.difference.isprintable()
    assert len(compared.difference) < LONGEST_REFUSAL


READERS: dict[str, Callable[[Path], object]] = {
    "decoder": read_decoder,
    "parameters": read_parameter_file,
    "recording": read_recording,
    "session": check_session,
}
MEMORY = 4 << 30  # bytes; where the system can bound it
LONGEST_REFUSAL = 1000
SETTLED = 200  # files after which memory is taken as settled


def main(arguments: list[str]) -> int:
    """Read copies FIRST to LAST - 1."""
    kind, path, first, last = arguments[0], Path(arguments[1]), int(arguments[2]), int(arguments[3])
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    settled = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for seed in range(first, last):
            damaged_copy(path, copy, np.random.default_rng(seed))
            print(seed, end=" ", flush=True)
            print(outcome(READERS[kind], copy), flush=True)
            if seed == first + min(SETTLED, (last - first) // 2):
                settled = resident_bytes(os.getpid())
    print("memory", settled, resident_bytes(os.getpid()), flush=True)
    return 0


def outcome(read: Callable[[Path], object], path: Path) -> str:
    """What becomes of a file: "read", "refused" in one sentence, or what went wrong."""
    try:
        read(path)
    except MyodriveError as error:
        sentence = str(error)
        return "refused" if len(sentence) < LONGEST_REFUSAL and sentence.isprintable() else "refused at length"
    except Exception as error:
        return f"escaped {type(error).__name__}"
    return "read"


def resident_bytes(process: int) -> int:
    """Memory that a process holds, 0 where the system does not say."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
