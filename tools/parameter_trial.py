"""Tries somebody's parameter model in a process of its own, before ONNX Runtime runs it in ours.

Of a network nobody can say beforehand how much memory it takes: one operator makes terabytes of a single number. The
other process may take so much memory and time; what ends it is refused in one sentence.

python -m myodrive.tools.parameter_trial, the array as one line of JSON and then the model on standard input
"""

from __future__ import annotations

import contextlib
import subprocess
import sys

import msgspec

from ..stream.decoder_file import Channels, DecoderInfo, FilterSettings
from ..stream.errors import MismatchError, ParameterModelError
from ..stream.parameter_file import ParameterFile, parameter_file_from_bytes
from ..stream.parameter_model import ParameterModel
from .processes import python_command, run_deaf

MEMORY = 4 << 30  # bytes of addresses, most of them libraries'
TIME_S = 60.0
LARGEST_ANSWER = 4096


class _Array(msgspec.Struct):
    path: str
    fs_hz: float
    channels: Channels
    filter: FilterSettings
    montage: str


def try_apart(file: ParameterFile, info: DecoderInfo) -> None:
    """Run the model once, elsewhere, on the array of a decoder; one that does not fit the array is not run at all.

    Raises
    ------
    ParameterModelError
        It cannot be run, crashes, never ends, or needs more memory than any parameter model.
    """
    array = _Array(file.path, info.fs_hz, info.channels, info.filter, info.montage)
    try:
        code, told = _tried(msgspec.json.encode(array) + b"\n" + file.raw)
    except subprocess.TimeoutExpired:
        raise ParameterModelError(
            f'the parameter model "{file.path}" was not done with one waveform in {TIME_S:g} s: choose another, or none'
        ) from None
    if code:
        raise ParameterModelError(
            f'the parameter model "{file.path}" crashes or needs too much memory when it is run: choose another'
        )
    refusal = told[:LARGEST_ANSWER].decode("utf-8", "replace")
    if refusal:
        raise ParameterModelError(refusal)


def _tried(given: bytes) -> tuple[int, bytes]:
    """How the other process ended, and what it said."""
    done = run_deaf(python_command(__name__), input=given, capture_output=True, timeout=TIME_S)
    return done.returncode, done.stdout


def main() -> int:
    """Run the model that comes in, with so much memory; print why it cannot be run, or nothing."""
    with contextlib.suppress(ImportError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    print(refusal_of(sys.stdin.buffer.read()), end="")
    return 0


def refusal_of(given: bytes) -> str:
    """Why the model cannot be run, empty where it can; `given` is what this process is given."""
    line, _, raw = given.partition(b"\n")
    array = msgspec.json.decode(line, type=_Array)
    try:
        file = parameter_file_from_bytes(raw, array.path)
        ParameterModel(file, array.fs_hz, array.channels.geometry(), array.filter, array.montage)
    except ParameterModelError as error:
        return str(error)
    except MismatchError:
        pass
    return ""


if __name__ == "__main__":
    sys.exit(main())
