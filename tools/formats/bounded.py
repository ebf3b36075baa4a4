"""Containers that may come from anybody: opened in memory, with a bound on all that they unpack to.

Nothing is written to disk, so a name in an archive cannot lead anywhere; XML that declares entities is refused.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import msgspec

from ...stream.errors import RecordingError
from ..recording import LARGEST_BYTES, LARGEST_UNPACKED, SMALLEST_BOMB, shown

MOST_MEMBERS = 10_000
LARGEST_TEXT = 64 << 20  # bytes of XML, JSON or a table beside the signal
PIECE = 1 << 20


def refuse_bomb(path: Path, stored: int, unpacked: int, what: str) -> None:
    """Refuse what unpacks to more than any signal does.

    Raises
    ------
    RecordingError
    """
    if unpacked > min(LARGEST_BYTES, max(SMALLEST_BOMB, LARGEST_UNPACKED * stored)):
        raise RecordingError(
            f'"{path}" holds {stored / 1e6:.3f} MB of {what} that unpack to {unpacked / 1e6:.0f} MB and more: '
            "it is damaged or made to fill memory, choose another file."
        )


def gunzipped(path: Path) -> bytes:
    """Everything in a gzip file.

    Raises
    ------
    RecordingError
        It is cut off, damaged, or unpacks to more than any recording does.
    """
    stored, pieces, size = path.stat().st_size, [], 0
    try:
        with gzip.open(path, "rb") as file:
            while piece := file.read(PIECE):
                pieces.append(piece)
                size += len(piece)
                refuse_bomb(path, stored, size, "compressed data")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, error) from error
    return b"".join(pieces)


def damaged(path: Path, why: object) -> RecordingError:
    """The sentence for a file that is not what its format says."""
    return RecordingError(f'"{path}" is cut off or damaged ({shown(why)}): choose another file.')


class Archive:
    """The regular files of a tar archive, by name.

    Parameters
    ----------
    path : Path
        Of the archive, not compressed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, tarfile.TarInfo] = {}
        size = path.stat().st_size
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - `close` does
            for member in self._tar:
                if len(self._members) >= MOST_MEMBERS:
                    raise RecordingError(f'"{path}" holds more than {MOST_MEMBERS} files: choose another file.')
                if not member.isreg():
                    continue
                if member.issparse() or member.offset_data + member.size > size:
                    raise RecordingError(
                        f'"{path}" is cut off or damaged ("{shown(member.name)}" is not whole in it): '
                        "choose another file."
                    )
                self._members[member.name.removeprefix("./")] = member
        except (tarfile.TarError, ValueError, RecursionError, OverflowError, OSError) as error:
            raise damaged(path, error) from error

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self, ending: str) -> list[str]:
        """Files whose names end so, in order."""
        return sorted(name for name in self._members if name.lower().endswith(ending))

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._members[name].size

    def read(self, name: str, most: int = LARGEST_BYTES) -> bytes:
        """The bytes of a file.

        Raises
        ------
        RecordingError
            The archive does not have it, or more than `most` bytes of it.
        """
        member = self._members.get(name)
        if member is None:
            raise RecordingError(f'"{self.path}" lacks "{shown(name)}", which it names: export it again.')
        if member.size > most:
            raise RecordingError(
                f'"{self.path}" holds {member.size / 1e6:.0f} MB of "{shown(name)}", more than is read: '
                "choose another file."
            )
        try:
            file = self._tar.extractfile(member)
            return b"" if file is None else file.read()
        except (tarfile.TarError, OSError) as error:
            raise damaged(self.path, error) from error

    def xml(self, name: str) -> Element:
        """A file's root element."""
        return xml_root(self.read(name, LARGEST_TEXT), self.path, name)

    def close(self) -> None:
        """Close the archive."""
        self._tar.close()


class _Declares(Exception):
    """The XML has a document type."""


def xml_root(text: bytes, path: Path, name: str) -> Element:
    """The root element of XML that declares no document type, so neither entities nor other files.

    Raises
    ------
    RecordingError
    """
    parser, builder = expat.ParserCreate(), TreeBuilder()

    def refuse(*_: object) -> None:
        raise _Declares

    parser.StartElementHandler = lambda tag, attributes: builder.start(tag, attributes)
    parser.EndElementHandler = lambda tag: builder.end(tag)
    parser.CharacterDataHandler = lambda data: builder.data(data)
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
        return builder.close()
    except _Declares:
        raise RecordingError(
            f'"{path}" has a document type in its XML "{shown(name)}", which may name entities and other files: '
            "choose another file."
        ) from None
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        raise RecordingError(
            f'"{path}" has XML "{shown(name)}" that cannot be read ({shown(error)}), it is damaged: '
            "choose another file."
        ) from error


def text_of(path: Path) -> str:
    """A small text file beside a signal.

    Raises
    ------
    RecordingError
    """
    if path.stat().st_size > LARGEST_TEXT:
        raise RecordingError(f'"{path}" is larger than any table or description: choose another file.')
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f'"{path}" cannot be read as text: correct or remove it.') from error


def json_of(text: str | bytes, path: Path) -> dict[str, object]:
    """One JSON object.

    Raises
    ------
    RecordingError
    """
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RecordingError(f'"{path}" is not the JSON object it should be ({shown(error)}): correct it.') from error
