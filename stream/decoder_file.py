"""The decoder file: one ONNX graph with everything the live path must know, checked before it is trusted.

The graph maps a block of extended samples to the sources of every unit, ``sources = window @ filters``. What the
sampling rate, channels, filter, units and levels are stands in its metadata as JSON; matrices that are not part of
the graph (whitening, inverse covariance, unit means, separation vectors) ride along as further initializers.

A decoder whose units are judged with the other units taken out holds the `responses` of the sources to each unit's
discharge as well, and has a schema of its own: a reader that would ignore them must refuse it, not find false spikes.
It holds the units' `waveforms` since filters can be solved again while they run; older files lack them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import DecoderError
from .geometry import Geometry
from .onnx_file import OnnxFile, read_onnx
from .onnx_graph import Node

SCHEMA = 1
SCHEMA_WITH_CANCELLATION = 2
BLOCK = 8  # samples a graph call takes; anchored to the sample count, so any hop gives the same sources
PREFIX = "myodrive."
LARGEST_DECODER_BYTES = 256 * 2**20
LONGEST_RESPONSE = 4096  # samples; ten times that of the slowest unit at 10 kHz
LONGEST_WINDOW = 2048  # samples of look-ahead with cancellation: the work grows with it
GRAPH = (Node("MatMul", ("window", "filters"), ("sources",)),)
MONTAGES = ("monopolar", "single-differential")


class Channels(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """Which of the stream's channels are decoded, and where they sit.

    ``index`` are positions in the stream; ``stream_channels`` is how many the calibration's source had;
    ``labels`` are None unless the source brought its own.
    """

    index: list[int]
    stream_channels: int
    row: list[int]
    col: list[int]
    ied_mm: float
    grid_rows: int
    grid_cols: int
    labels: list[str] | None = None
    bad: list[int] = []

    def geometry(self) -> Geometry:
        return Geometry(np.array(self.row), np.array(self.col), self.ied_mm, self.grid_rows, self.grid_cols)


class FilterSettings(msgspec.Struct, frozen=True):
    """A causal filter as second-order sections, shape (sections, 6): b0 b1 b2 a0 a1 a2 with a0 = 1."""

    low_hz: float
    high_hz: float
    order: int
    notch_hz: list[float]
    sections: list[list[float]]


class WhiteningSettings(msgspec.Struct, frozen=True):
    """How the extended samples were whitened; ``regularisation`` in uV^2."""

    method: str
    rank: int
    regularisation: float


class Unit(msgspec.Struct, frozen=True):
    """One motor unit of a decoder; heights are on the scale of its source, where a mean spike is 1."""

    id: int
    sil: float
    pnr_db: float
    cov_isi: float
    threshold: float
    spike_height: float
    noise_height: float
    lag_s: float
    discharges: int
    rate_hz: float
    parameters: dict[str, Any] = {}


class CancellationSettings(msgspec.Struct, frozen=True):
    """How other units' discharges are taken out of a unit's source.

    ``before``: samples of a response before the discharge. ``stride``: samples from one decided window to the next.
    ``weight``: of each unit, the log-likelihood ratio that 1 of its source is worth.
    """

    before: int
    stride: int
    weight: list[float]


class DetectorSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a peak of a source counts as a discharge; ``lookahead`` and ``refractory`` in samples."""

    lookahead: int
    refractory: int
    cancellation: CancellationSettings | None = None


class CommandLevels(msgspec.Struct, frozen=True):
    """Where the command is 0 and where it is 1: summed rate in pulses/s and EMG amplitude in uV."""

    rest: float
    full: float
    envelope_rest: float
    envelope_full: float
    dead_band: float = 0.02


class DecoderInfo(msgspec.Struct, frozen=True):
    """Everything in the metadata of a decoder file."""

    schema: int
    fs_hz: float
    channels: Channels
    montage: str
    filter: FilterSettings
    extension: int
    whitening: WhiteningSettings
    detector: DetectorSettings
    units: list[Unit]
    command: CommandLevels
    created_by: dict[str, Any]
    source_sha256: str


@dataclass(frozen=True)
class Decoder:
    """A decoder read from a file and found whole.

    Attributes
    ----------
    info : DecoderInfo
    filters : ndarray of float32, shape (extension * channels, units)
    separation_vectors : ndarray of float32, shape (rank, units)
        The same filters behind the whitening stage: ``filters = whitening @ separation_vectors``.
    whitening : ndarray of float32, shape (extension * channels, rank)
    inverse_covariance : ndarray of float32, shape (extension * channels, extension * channels)
    unit_means : ndarray of float32, shape (extension * channels, units)
    model : OnnxFile
    sha256 : str
    path : str
    responses : ndarray of float32, shape (units, units, length), or None
        ``responses[k, j, u]`` is source k at sample ``t - before + u`` when unit j alone discharges at sample t.
    waveforms : ndarray of float32, shape (units, length - extension + 1, channels), uV, or None
        Of every unit, from `before` samples before its discharge: the filters answer them with the `responses`.
    """

    info: DecoderInfo
    filters: NDArray[np.float32]
    separation_vectors: NDArray[np.float32]
    whitening: NDArray[np.float32]
    inverse_covariance: NDArray[np.float32]
    unit_means: NDArray[np.float32]
    model: OnnxFile
    sha256: str
    path: str
    responses: NDArray[np.float32] | None = None
    waveforms: NDArray[np.float32] | None = None


def metadata_of(info: DecoderInfo) -> dict[str, str]:
    """`info` as the key-value pairs of ``metadata_props``, every value JSON."""
    fields = msgspec.to_builtins(info)
    return {PREFIX + key: msgspec.json.encode(value).decode() for key, value in fields.items()}


def read_decoder(path: str | Path) -> Decoder:
    """Read a decoder file.

    Raises
    ------
    DecoderError
        The file is missing, damaged, of another program or of another schema, or its parts do not agree.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise DecoderError(f'no decoder at "{path}": give the file that `myodrive calibrate` wrote')
        if path.stat().st_size > LARGEST_DECODER_BYTES:
            raise DecoderError(f'"{path}" has {path.stat().st_size >> 20} MiB, more than any decoder: choose another')
        raw = path.read_bytes()
    except OSError as error:
        raise DecoderError(f'"{path}" cannot be read ({error.strerror}): check its permissions') from error
    return decoder_from_bytes(raw, str(path))


def decoder_from_bytes(raw: bytes, path: str = "decoder") -> Decoder:
    """The decoder in `raw`; raises DecoderError as `read_decoder` does."""
    model = read_onnx(raw, path)
    info = _info_of(model, path)
    k = info.extension * len(info.channels.index)
    m = len(info.units)
    rank = info.whitening.rank
    if model.nodes != GRAPH or model.inputs != {"window": (BLOCK, k)} or model.outputs != {"sources": (BLOCK, m)}:
        raise DecoderError(f'"{path}" has another graph than a decoder of this version: calibrate again')
    expected: dict[str, tuple[int, ...]] = {
        "filters": (k, m),
        "separation_vectors": (rank, m),
        "whitening": (k, rank),
        "inverse_covariance": (k, k),
        "unit_means": (k, m),
    }
    if info.detector.cancellation is not None:
        length = _response_length(model, info.detector.cancellation, path)
        expected["responses"] = (m, m, length)
        if "waveforms" in model.initializers:
            expected["waveforms"] = (m, length - info.extension + 1, len(info.channels.index))
    elif "responses" in model.initializers:
        raise DecoderError(f'"{path}" has responses and does not say how to use them: calibrate again')
    matrices: dict[str, NDArray[np.float32]] = {}
    for name, shape in expected.items():
        if name not in model.initializers:
            raise DecoderError(f'"{path}" lacks the matrix {name}: calibrate again')
        matrix = model.initializers[name]
        if matrix.dtype != np.float32 or matrix.shape != shape:
            found = f"{matrix.dtype} {list(matrix.shape)}"
            raise DecoderError(f'"{path}" has {name} as {found}, not float32 {list(shape)}: calibrate again')
        if not np.isfinite(matrix).all():
            raise DecoderError(f'"{path}" has values in {name} that are not numbers: calibrate again')
        matrices[name] = cast(NDArray[np.float32], matrix)
    if info.detector.cancellation is not None:
        own = matrices["responses"][np.arange(m), np.arange(m), info.detector.cancellation.before]
        if not (own > 0).all():
            raise DecoderError(f'"{path}" has a unit whose discharge does not raise its own source: calibrate again')
    return Decoder(info=info, model=model, sha256=hashlib.sha256(raw).hexdigest(), path=path, **matrices)


def _response_length(model: OnnxFile, cancellation: CancellationSettings, path: str) -> int:
    """Samples of the responses in the file; what else is wrong with them shows when they are held to their shape."""
    responses = model.initializers.get("responses")
    length = responses.shape[-1] if responses is not None and responses.ndim else 1
    if responses is not None and not 0 <= cancellation.before < length <= LONGEST_RESPONSE:
        raise DecoderError(
            f'"{path}" has responses of {length} samples with the discharge at {cancellation.before}: calibrate again'
        )
    return length


def _info_of(model: OnnxFile, path: str) -> DecoderInfo:
    metadata = model.metadata
    if PREFIX + "schema" not in metadata:
        raise DecoderError(f'"{path}" is an ONNX file of another program: give one that `myodrive calibrate` wrote')
    if metadata[PREFIX + "schema"] not in (str(SCHEMA), str(SCHEMA_WITH_CANCELLATION)):
        raise DecoderError(
            f'"{path}" has decoder schema {_shown(metadata[PREFIX + "schema"])}, this version reads {SCHEMA} and '
            f"{SCHEMA_WITH_CANCELLATION}: calibrate again with this version"
        )
    fields = {}
    for key, value in metadata.items():
        if key.startswith(PREFIX):
            try:
                fields[key.removeprefix(PREFIX)] = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError) as error:
                raise DecoderError(
                    f'"{path}" has {_shown(key)} that is not JSON ({_shown(error)}): calibrate again'
                ) from error
    try:
        info = msgspec.convert(fields, DecoderInfo)
    except msgspec.ValidationError as error:
        raise DecoderError(f'"{path}" has metadata that does not fit ({_shown(error)}): calibrate again') from error
    fault = _fault(info)
    if fault:
        raise DecoderError(f'"{path}" has {fault}: calibrate again')
    return info


def _shown(what: object) -> str:
    """Text out of a file as it may stand in a message: short, and without control characters."""
    return ascii(str(what))[1:-1][:120]


def _fault(info: DecoderInfo) -> str | None:
    """What is wrong with metadata that has the right types, or None."""
    channels = info.channels
    n = len(channels.index)
    places = [*channels.row, *channels.col]
    largest = max(channels.grid_rows, channels.grid_cols)
    sections = info.filter.sections
    checks = [
        (not 1 <= n <= 4096, f"{n} channels"),
        (len(channels.row) != n or len(channels.col) != n, "rows and columns for another number of channels"),
        (not 1 <= min(channels.grid_rows, channels.grid_cols) <= largest <= 4096, "a grid of an impossible size"),
        (not all(0 <= place < largest for place in places), "a channel off its grid"),
        (not 0.1 <= channels.ied_mm <= 1000.0, f"electrodes {channels.ied_mm} mm apart"),
        (info.montage not in MONTAGES, "a montage that is not known"),
        (channels.labels is not None and len(channels.labels) != n, "labels for another number of channels"),
        (len(set(channels.index)) != n, "a channel selected twice"),
        (n > 0 and not 0 <= min(channels.index, default=0), "a negative channel number"),
        (max(channels.index, default=0) >= channels.stream_channels, "a channel beyond those of its stream"),
        (not channels.stream_channels <= 65_536, f"a stream of {channels.stream_channels} channels"),
        (not 1 <= info.extension <= 256, f"an extension factor of {info.extension}"),
        (not 1.0 <= info.fs_hz <= 1e6, f"a rate of {info.fs_hz} Hz"),
        (not 1 <= len(info.units) <= 4096, f"{len(info.units)} units"),
        ([unit.id for unit in info.units] != list(range(len(info.units))), "unit numbers that do not count from 0"),
        (not 1 <= len(sections) <= 64, f"{len(sections)} filter sections"),
        (any(len(s) != 6 or s[3] != 1.0 or not np.isfinite(s).all() for s in sections), "a malformed filter"),
        (any(not _stable(s) for s in sections if len(s) == 6), "an unstable filter"),
        (not 1 <= info.whitening.rank <= n * info.extension, f"a whitening of rank {info.whitening.rank}"),
        (any(not 0 < unit.threshold < unit.spike_height for unit in info.units), "a threshold above its spikes"),
        (not 0 <= info.detector.lookahead <= 10_000, f"a look-ahead of {info.detector.lookahead} samples"),
        (not 0 <= info.detector.refractory <= 100_000, f"a refractory time of {info.detector.refractory} samples"),
        (info.schema != _schema_of(info.detector), "a schema that does not fit its detector"),
        *_cancellation_checks(info),
        (not info.command.full > info.command.rest, "a full level that is not above the rest level"),
        (not info.command.envelope_full > info.command.envelope_rest, "a full level that is not above the rest level"),
        (not 0 <= info.command.dead_band < 1, f"a dead band of {info.command.dead_band}"),
    ]
    return next((found for wrong, found in checks if wrong), None)


def _schema_of(detector: DetectorSettings) -> int:
    return SCHEMA if detector.cancellation is None else SCHEMA_WITH_CANCELLATION


def _cancellation_checks(info: DecoderInfo) -> list[tuple[bool, str]]:
    cancellation, detector = info.detector.cancellation, info.detector
    if cancellation is None:
        return []
    shortest = min(detector.lookahead, detector.refractory)
    return [
        (detector.lookahead > LONGEST_WINDOW, f"a look-ahead of {detector.lookahead} samples"),
        (not 1 <= cancellation.stride <= shortest, f"windows {cancellation.stride} samples apart"),
        (len(cancellation.weight) != len(info.units), "weights for another number of units"),
        (not all(0 < weight < 1e30 for weight in cancellation.weight), "a weight that is out of range"),
    ]


def _stable(section: list[float]) -> bool:
    """Whether both poles of a second-order section lie inside the unit circle."""
    a1, a2 = section[4], section[5]
    return abs(a2) < 1.0 and abs(a1) < 1.0 + a2
