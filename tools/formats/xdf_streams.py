"""The streams of an XDF file: their headers, whole or refused, and their samples as pyxdf aligns them."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element

import numpy as np
import pylsl
from numpy.typing import NDArray

from ...stream.errors import MyodriveError
from ..recording import LARGEST_BYTES
from .bounded import LARGEST_TEXT, damaged, xml_root

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, FOOTER = 1, 2, 3, 4, 5, 6
OF_A_STREAM = (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, FOOTER)
FORMATS = {
    "int8": pylsl.cf_int8, "int16": pylsl.cf_int16, "int32": pylsl.cf_int32, "int64": pylsl.cf_int64,
    "float32": pylsl.cf_float32, "double64": pylsl.cf_double64,
}  # fmt: skip


@dataclass
class XdfStream:
    """One stream's header and how much of it there is.

    Parameters
    ----------
    number : int
    header : Element
    chunks : int
        Of samples.
    """

    number: int
    header: Element
    chunks: int = 0

    def value(self, name: str) -> str:
        """Text of an element of the header; "" where there is none."""
        return (self.header.findtext(name) or "").strip()

    @property
    def name(self) -> str:
        """As the header says."""
        return self.value("name")

    @property
    def regular(self) -> bool:
        """Whether it holds numbers at a fixed rate."""
        try:
            return self.value("channel_format") in FORMATS and float(self.value("nominal_srate")) > 0
        except ValueError:
            return False

    @property
    def marks(self) -> bool:
        """Whether it holds markers: text or numbers of that type, at any time."""
        said = self.value("channel_format") == "string" or self.value("type").lower() == "markers"
        return bool(self.chunks) and said and self.value("nominal_srate").strip("0.") == ""


class _Node:
    """An element as pylsl shows one, so that a recorded description is read by what reads a live one."""

    def __init__(self, element: Element | None, following: list[Element] | None = None) -> None:
        self._element = element
        self._following = following or []

    def empty(self) -> bool:
        return self._element is None

    def child(self, name: str) -> _Node:
        found = [] if self._element is None else self._element.findall(name)
        return _Node(found[0], found[1:]) if found else _Node(None)

    def next_sibling(self, name: str | None = None) -> _Node:
        return _Node(self._following[0], self._following[1:]) if self._following else _Node(None)

    def child_value(self, name: str) -> str:
        return "" if self._element is None else (self._element.findtext(name) or "")


class StreamHeader:
    """A stream header as pylsl shows one."""

    def __init__(self, stream: XdfStream, path: Path) -> None:
        self._stream = stream
        try:
            self._channels, self._rate = int(stream.value("channel_count")), float(stream.value("nominal_srate"))
        except ValueError as error:
            raise damaged(path, error) from error

    def name(self) -> str:
        return self._stream.name

    def channel_format(self) -> int:
        return FORMATS.get(self._stream.value("channel_format"), pylsl.cf_string)

    def nominal_srate(self) -> float:
        return self._rate

    def channel_count(self) -> int:
        return self._channels

    def source_id(self) -> str:
        return self._stream.value("source_id")

    def uid(self) -> str:
        return self._stream.value("uid")

    def hostname(self) -> str:
        return self._stream.value("hostname")

    def desc(self) -> _Node:
        return _Node(self._stream.header.find("desc"))


def opened(path: Path, held: bytes | None) -> BinaryIO:
    """The file, or what it unpacked to: pyxdf would tell by the name whether to unpack."""
    return open(path, "rb") if held is None else io.BytesIO(held)


def streams_of(file: BinaryIO, path: Path) -> list[XdfStream]:
    """The streams of a file, which must be whole: pyxdf would take what it can of a damaged one.

    Raises
    ------
    RecordingError
    """
    streams: dict[int, XdfStream] = {}
    if file.read(4) != MAGIC:
        raise damaged(path, "it does not begin as XDF does")
    while (chunk := _next_chunk(file, path)) is not None:
        tag, size = chunk
        if tag not in OF_A_STREAM:
            if not FILE_HEADER <= tag <= FOOTER:
                raise damaged(path, f"a chunk of kind {tag}")
            _skip(file, size, path)
            continue
        number = int.from_bytes(_exactly(file, 4, path), "little")
        if tag == STREAM_HEADER:
            if size > LARGEST_TEXT or number in streams:
                raise damaged(path, f"the header of stream {number}")
            streams[number] = XdfStream(number, xml_root(_exactly(file, size - 4, path), path, f"stream {number}"))
        else:
            if number not in streams:
                raise damaged(path, f"a chunk of stream {number}, which has no header")
            streams[number].chunks += tag == SAMPLES
            _skip(file, size - 4, path)
    return list(streams.values())


def _next_chunk(file: BinaryIO, path: Path) -> tuple[int, int] | None:
    """Kind and size of what follows; None at the end."""
    width = file.read(1)
    if not width:
        return None
    if width[0] not in (1, 4, 8):
        raise damaged(path, "a chunk of no known size")
    size = int.from_bytes(_exactly(file, width[0], path), "little")
    if size < 2:
        raise damaged(path, "an empty chunk")
    return int.from_bytes(_exactly(file, 2, path), "little"), size - 2


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    found = file.read(size) if 0 <= size <= LARGEST_BYTES else b""
    if len(found) != size:
        raise damaged(path, "its last chunk is not whole")
    return found


def _skip(file: BinaryIO, size: int, path: Path) -> None:
    """Pass over a chunk, of which the last byte must be there."""
    if size < 0:
        raise damaged(path, "a chunk shorter than its head")
    if size:
        file.seek(min(size - 1, 1 << 62), 1)
        _exactly(file, 1, path)


def load(file: BinaryIO, stream: XdfStream, path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Samples, of shape (samples, channels) unless they are text, and their stamps on the recorder's clock, s.

    Raises
    ------
    RecordingError
        pyxdf complains.
    """
    import pyxdf

    complaints: list[str] = []
    listener = logging.Handler(logging.ERROR)
    listener.emit = lambda record: complaints.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("pyxdf")
    log.addHandler(listener)
    log.propagate = False
    try:
        # dejittering would close gaps shorter than a second without a word
        streams, _ = pyxdf.load_xdf(file, select_streams=[stream.number], dejitter_timestamps=False)
    except MyodriveError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # whatever pyxdf stumbles over, as any type
        raise damaged(path, error) from error
    finally:
        log.removeHandler(listener)
    if complaints or len(streams) != 1:
        raise damaged(path, complaints[0] if complaints else "its stream is not there")
    series = streams[0]["time_series"]  # a list where it is text
    kind = object if isinstance(series, list) else None
    return np.asarray(series, kind), np.asarray(streams[0]["time_stamps"], np.float64)
