"""The part of the ONNX file format a decoder uses, read and written without the `onnx` package.

An ONNX file is a protobuf message. This module walks its fields, takes out metadata, matrices and the shape of the
graph, and can write the file again with other matrices, metadata or declared sizes; what it does not change it copies
byte for byte. The file may come from anybody, so whatever a decoder does not need is refused rather than skipped:
external data, nested graphs, foreign operators, names that occur twice. Memory stays within a small multiple of the
file's size, and the walk has a fixed depth. `onnx_fields` has the format's numbers, `onnx_graph` reads the graph,
`onnx_changes` writes it.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

from .errors import DecoderError
from .onnx_changes import changed_graph
from .onnx_fields import STANDARD_DOMAINS, Array, ModelField, Once, Shape
from .onnx_graph import Node, read_graph
from .protobuf import BYTES, MOST_FIELDS, Damaged, Field, Walk, message, shown


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX model found whole and harmless.

    Attributes
    ----------
    raw : bytes
        The file.
    path : str
        Where it came from, for messages.
    metadata : dict of str to str
        The model's ``metadata_props``.
    initializers : dict of str to ndarray of float32, float64 or int64
        The graph's matrices, C-contiguous copies.
    inputs, outputs : dict of str to tuple
        Declared sizes of what the graph takes and gives; None for a size, or for a shape, that is left open.
    nodes : tuple of Node
        The operators, in the file's order.
    opset : int
        Version of the standard operators.
    """

    raw: bytes = field(repr=False)
    path: str
    metadata: dict[str, str] = field(repr=False)
    initializers: dict[str, Array] = field(repr=False)
    inputs: dict[str, Shape | None]
    outputs: dict[str, Shape | None]
    nodes: tuple[Node, ...]
    opset: int

    def with_changes(
        self,
        initializers: dict[str, Array],
        metadata: dict[str, str] | None,
        io_shapes: dict[str, tuple[int, ...]],
    ) -> bytes:
        """The model with other matrices, metadata or declared sizes; everything else is copied as it stands.

        Parameters
        ----------
        initializers : dict of str to ndarray of float32, float64 or int64
            Replaces those of the same name and adds the others.
        metadata : dict of str to str, or None
            Replaces all of ``metadata_props``; None leaves them.
        io_shapes : dict of str to tuple of int
            New sizes of graph inputs and outputs, by name.

        Raises
        ------
        DecoderError
            `io_shapes` names what the graph does not have.
        """
        for name in io_shapes:
            if name not in self.inputs and name not in self.outputs:
                raise DecoderError(
                    f'"{self.path}" has a graph without "{shown(name)}", it is no decoder: choose another file'
                )
        walk = Walk(self.raw, self.path, 4 * MOST_FIELDS)  # checked before; a name is looked up in a second pass
        parts: list[bytes | memoryview] = []
        for item in walk.fields(0, len(self.raw)):
            if item.number == ModelField.GRAPH:
                parts += message(ModelField.GRAPH, changed_graph(walk, item, initializers, io_shapes))
            elif item.number != ModelField.METADATA or metadata is None:
                parts.append(walk.bytes_of(item))
        for key, value in (metadata or {}).items():
            parts += message(ModelField.METADATA, [*message(1, [key.encode()]), *message(2, [value.encode()])])
        return b"".join(parts)


def read_onnx(raw: bytes, path: str) -> OnnxFile:
    """Read an ONNX model.

    Parameters
    ----------
    raw : bytes
        The whole file.
    path : str
        Where it came from, for messages.

    Raises
    ------
    DecoderError
        The bytes are damaged, of another format, or hold something no decoder needs.
    """
    try:
        return _read_model(Walk(raw, path, MOST_FIELDS))
    except (Damaged, DecoderError) as error:
        kind = _other_format(raw)
        if kind:
            message = f'"{path}" is {kind}, not an ONNX file: choose another file'
        elif isinstance(error, Damaged):
            message = f'"{path}" is damaged or not an ONNX file ({error}): choose another file or calibrate again'
        else:
            message = str(error)
        raise DecoderError(message) from None


def _read_model(walk: Walk) -> OnnxFile:
    graph: Field | None = None
    has_version = False
    opset: int | None = None
    metadata: dict[str, str] = {}
    once = Once("the model")
    for item in walk.fields(0, len(walk.view)):
        match item.number:
            case ModelField.IR_VERSION:
                walk.integer(once(item))
                has_version = True
            case ModelField.GRAPH:
                walk.expect(once(item), BYTES)
                graph = item
            case ModelField.OPSET_IMPORT:
                domain, version = _read_opset(walk, item)
                if domain not in STANDARD_DOMAINS:
                    walk.refuse(f'uses operators of "{shown(domain)}", a decoder has standard ones only')
                if opset is not None:
                    walk.refuse("names two versions of the standard operators")
                opset = version
            case ModelField.METADATA:
                key, value = _read_pair(walk, item)
                if key in metadata:
                    walk.refuse(f'has the metadata "{shown(key)}" twice')
                metadata[key] = value
            case ModelField.TRAINING | ModelField.FUNCTIONS:
                walk.refuse("has training steps or functions of its own, a decoder has one plain graph")
    if graph is None or not has_version:
        raise Damaged("no graph in it" if has_version else "no format version in it")
    if opset is None:
        walk.refuse("does not say which operators it uses")
    initializers, inputs, outputs, nodes = read_graph(walk, graph)
    raw = walk.view.obj
    assert isinstance(raw, bytes)
    return OnnxFile(raw, walk.path, metadata, initializers, inputs, outputs, nodes, opset)


def _read_opset(walk: Walk, item: Field) -> tuple[str, int]:
    domain, version = "", 0
    once = Once("an operator set")
    for part in walk.message(item):
        if part.number == 1:
            domain = walk.text(once(part))
        elif part.number == 2:
            version = walk.integer(once(part))
    return domain, version


def _read_pair(walk: Walk, item: Field) -> tuple[str, str]:
    pair = {1: "", 2: ""}
    once = Once("a metadata entry")
    for part in walk.message(item):
        if part.number in pair:
            pair[part.number] = walk.text(once(part))
    return pair[1], pair[2]


def _other_format(raw: bytes) -> str | None:
    """What else the bytes look like, when they are no ONNX file."""
    if not raw:
        return "an empty file"
    for start, kind in (
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"PK\x03\x04", "a zip archive (a PyTorch checkpoint is one)"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x93NUMPY", "a NumPy array"),
    ):
        if raw.startswith(start):
            return kind
    try:
        head = codecs.getincrementaldecoder("utf-8")().decode(raw[:512])
    except UnicodeDecodeError:
        return None
    return "a text file" if all(c.isprintable() or c in "\t\r\n\ufeff" for c in head) else None
