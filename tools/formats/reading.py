"""One function for every file that holds a recording: told by its content, then read by the module for it.

What is read here may come from anybody; `recording_reader.read_apart` does it in a process of its own.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from ...stream.errors import MyodriveError, OptionError, RecordingError
from ..hdf5_reading import read_recording
from ..recording import InStream, Recording, shown
from .wanted import Wanted

HDF5 = b"\x89HDF\r\n\x1a\n"
HEAD = 1 << 16  # a table of 256 channels has lines of thousands of characters
KNOWN = ".h5, XDF, OTB+, OTB4, MUedit .mat, openhdemg .json, BIDS-EMG, EDF, BDF, .npz, or a table of numbers"
OF_ONE_PART = ("", "session", "openhdemg", "BDF", "EDF", "table")
Reader = Callable[[Path, Wanted], Recording]


def read_any(path: str | os.PathLike[str], wanted: Wanted | None = None) -> Recording:
    """Read a recording of any known format.

    Parameters
    ----------
    path : path
        A file, or the folder of a session or of a BIDS data set.
    wanted : Wanted, optional
        What the file does not say itself.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        The file is missing, of no known format, damaged, or holds what cannot be used.
    """
    path, wanted = Path(path), wanted or Wanted()
    try:
        reader = _reader(path, wanted)
        return _ours(path, wanted) if reader is None else reader(path, wanted)
    except OptionError as error:
        raise RecordingError(str(error)) from error
    except MyodriveError:
        raise
    except MemoryError as error:
        raise RecordingError(f'"{path}" unpacks to more than fits in memory: choose another file.') from error
    except PermissionError as error:
        raise RecordingError(f'"{path}" may not be read by this user: choose another file.') from error
    except Exception as error:  # whatever a library stumbles over in a damaged file, as any type
        raise RecordingError(f'"{path}" is damaged ({shown(error)}): choose another file.') from error


def kind_of(path: Path) -> str:
    """What a file is by its content: the name of its format, "" where it is none that is known."""
    if path.is_dir():
        from ..session_file import is_session

        return "session" if is_session(path) else "BIDS folder"
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if head.startswith(HDF5) or head[512:520] == HDF5:
        return _kind_of_hdf5(path)
    if head.startswith(b"MATLAB 5.0 MAT-file"):
        return "MATLAB 5"
    if head.startswith(b"XDF:"):
        return "XDF"
    if head.startswith(b"\x1f\x8b"):
        return _kind_of_gzip(path)
    if head.startswith(b"\xffBIOSEMI"):
        return "BDF"
    if head.startswith(b"0       ") and head[184:192].strip().isdigit():
        return "EDF"
    if head.startswith((b"PK\x03\x04", b"\x93NUMPY")):
        return "NumPy"
    if _is_tar(head):
        return "OTB"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "openhdemg"
    return "table" if not _called_ours(path) and _is_table(head) else ""  # else it is told to be no HDF5


def _called_ours(path: Path) -> bool:
    return path.suffix.lower() in (".h5", ".hdf5")


def _is_hdf5(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(HDF5)) == HDF5


def _kind_of_hdf5(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "MATLAB 7.3" if "signal" in file and "emg" not in file else ""
    except Exception:  # the reader of recordings says what is wrong with it
        return ""


def _kind_of_gzip(path: Path) -> str:
    try:
        with gzip.open(path, "rb") as file:
            head = file.read(HEAD)
    except (EOFError, OSError, zlib.error) as error:
        raise RecordingError(f'"{path}" is cut off or damaged ({shown(error)}): choose another file.') from error
    if head.startswith(b"XDF:"):
        return "XDF"
    if head.lstrip().startswith(b"{"):
        return "openhdemg"
    raise RecordingError(f'"{path}" is compressed: unpack it with gunzip first.')


def _is_tar(head: bytes) -> bool:
    """Whether the first block is the header of a file in a tar archive, by its sum."""
    block = head[:512]
    if len(block) < 512:
        return False
    try:
        told = int(block[148:156].rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        return False
    return told > 0 and told == sum(block[:148]) + 8 * 32 + sum(block[156:])


def _is_table(head: bytes) -> bool:
    """Whether a file begins with text of which a line holds numbers."""
    try:
        lines = head.decode("utf-8-sig", "strict" if len(head) < HEAD else "ignore").splitlines()
    except UnicodeDecodeError:
        return False
    if not all(character.isprintable() or character in "\t" for line in lines for character in line):
        return False
    return any(_holds_numbers(line) for line in lines)


def _holds_numbers(line: str) -> bool:
    cells = line.replace(";", " ").replace(",", " ").split()
    try:
        return len([float(cell) for cell in cells]) > 0
    except ValueError:
        return False


def _reader(path: Path, wanted: Wanted) -> Reader | None:
    """What reads the file; None for recordings of ours, and for what is no file at all."""
    if "\0" in str(path) or not path.exists():
        return None
    kind = kind_of(path)
    if not kind and not _called_ours(path) and not _is_hdf5(path):
        raise RecordingError(f'"{path}" is of no format that is known here: give {KNOWN}.')
    if wanted.part is not None and kind in OF_ONE_PART:
        raise RecordingError(f'"{path}" holds one recording, so there is no "{wanted.part}": leave --part out.')
    if kind in ("", "session"):
        return None
    if kind == "XDF":
        from .xdf import read_xdf as reader
    elif kind == "OTB":
        from .otb import read_otb as reader
    elif kind in ("MATLAB 5", "MATLAB 7.3"):
        from .muedit import read_muedit as reader
    elif kind == "openhdemg":
        from .openhdemg import read_openhdemg as reader
    elif kind in ("BIDS folder", "BDF", "EDF"):
        from .bids_reading import read_bids as reader
    else:
        from .table import read_table as reader
    return reader


def _ours(path: Path, wanted: Wanted) -> Recording:
    """A recording of ours, or the sentence that says why it is none."""
    if wanted.force is not None and path.is_file():
        raise RecordingError(f'"{path}" holds one force at most, which has no name: leave --force out.')
    found = read_recording(path, wanted.allow_nan, wanted.need_places and wanted.grid is None, wanted.force)
    if wanted.grid is None and wanted.channels is None:
        return found
    from .held import recording_held

    in_stream = found.in_stream
    if wanted.channels is not None and in_stream is not None:
        wanted, in_stream = _named_as_in_stream(wanted, in_stream, path)
    return recording_held(
        path, wanted, found.emg, found.fs_hz, found.geometry if found.places_known else None,
        labels=found.labels, units=found.units, force=found.force, force_unit=found.force_unit,
        muscle=found.muscle, source=found.source, license=found.license, montage=found.montage,
        unit_attributes=found.unit_attributes, in_stream=in_stream, marks=found.marks,
        notes=found.notes,
    )  # fmt: skip


def _named_as_in_stream(wanted: Wanted, of: InStream, path: Path) -> tuple[Wanted, InStream]:
    """The channels asked for, which count as the stream does, as places in the file; and where these stood."""
    names = wanted.channels or ()
    unknown = sorted(set(names) - set(of.index))
    if unknown:
        raise RecordingError(
            f'"{path}" holds {len(of.index)} channels of a stream of {of.channels}, and channel {unknown[0]} of it is '
            "not among them: correct --channels."
        )
    places = tuple(of.index.index(name) for name in names)
    return msgspec.structs.replace(wanted, channels=places), InStream(names, of.channels)
