"""The part of the ONNX file format a decoder uses, read and written without the `onnx` package.

An ONNX file is a protobuf message. This module walks its fields, takes out metadata, matrices and the shape of the
graph, and can write the file again with other matrices, metadata or declared sizes; what it does not change it copies
byte for byte. The file may come from anybody, so whatever a decoder does not need is refused rather than skipped:
external data, nested graphs, foreign operators, names that occur twice. Memory stays within a small multiple of the
file's size, and the walk has a fixed depth.

Field numbers are those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (IR version 10).
"""

from __future__ import annotations

import codecs
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import DecoderError
from .protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    MOST_FIELDS,
    Damaged,
    Field,
    Walk,
    message,
    number_of,
    shown,
)

ALLOWED_OPERATORS = frozenset(
    {"Add", "Cast", "Constant", "Gemm", "Identity", "MatMul", "Mul", "Reshape", "Slice", "Transpose"}
)
STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
MOST_NODES = 32  # a decoder has one; room for scaling and slicing
MOST_DIMENSIONS = 8

Array = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int64]
Shape = tuple[int | None, ...]


class ModelField:
    IR_VERSION, GRAPH, OPSET_IMPORT, METADATA, TRAINING, FUNCTIONS = 1, 7, 8, 14, 20, 25


class GraphField:
    NODE, INITIALIZER, INPUT, OUTPUT, VALUE_INFO, SPARSE_INITIALIZER = 1, 5, 11, 12, 13, 15


class NodeField:
    INPUT, OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7


class AttributeField:
    TENSOR, GRAPH, TENSORS, GRAPHS, REFERENCE, SPARSE, SPARSES = 5, 6, 10, 11, 21, 22, 23


class TensorField:
    DIMENSIONS, TYPE, SEGMENT, NAME, RAW, EXTERNAL, LOCATION = 1, 2, 3, 8, 9, 13, 14
    FLOATS, INT32S, STRINGS, INT64S, DOUBLES, UINT64S = 4, 5, 6, 7, 10, 11


class ValueField:
    NAME, TYPE = 1, 2
    TENSOR_TYPE, DENOTATION = 1, 6  # of TypeProto
    SHAPE = 2  # of TypeProto.Tensor
    DIMENSION = 1  # of TensorShapeProto
    SIZE = 1  # of TensorShapeProto.Dimension


_DTYPE_OF_TYPE: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    7: np.dtype(np.int64),
    11: np.dtype(np.float64),
}
_TYPE_OF_DTYPE = {dtype: number for number, dtype in _DTYPE_OF_TYPE.items()}
_TYPED_FIELD = {1: TensorField.FLOATS, 7: TensorField.INT64S, 11: TensorField.DOUBLES}


class Node(NamedTuple):
    """One operator of the graph, by the names of the values it joins."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


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
                parts += message(ModelField.GRAPH, _changed_graph(walk, item, initializers, io_shapes))
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


class _Once:
    """Refuses a single-valued field that comes twice: protobuf would merge or overwrite, another reader might not."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.seen: set[int] = set()

    def __call__(self, item: Field) -> None:
        if item.number in self.seen:
            raise Damaged(f"{self.what} says the same thing twice at byte {item.at}")
        self.seen.add(item.number)


def _read_model(walk: Walk) -> OnnxFile:
    graph: Field | None = None
    has_version = False
    opset: int | None = None
    metadata: dict[str, str] = {}
    once = _Once("the model")
    for item in walk.fields(0, len(walk.view)):
        match item.number:
            case ModelField.IR_VERSION:
                once(item)
                walk.integer(item)
                has_version = True
            case ModelField.GRAPH:
                once(item)
                walk.expect(item, BYTES)
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
    initializers, inputs, outputs, nodes = _read_graph(walk, graph)
    raw = walk.view.obj
    assert isinstance(raw, bytes)
    return OnnxFile(raw, walk.path, metadata, initializers, inputs, outputs, nodes, opset)


def _read_opset(walk: Walk, item: Field) -> tuple[str, int]:
    domain, version = "", 0
    once = _Once("an operator set")
    for part in walk.message(item):
        if part.number == 1:
            once(part)
            domain = walk.text(part)
        elif part.number == 2:
            once(part)
            version = walk.integer(part)
    return domain, version


def _read_pair(walk: Walk, item: Field) -> tuple[str, str]:
    pair = {1: "", 2: ""}
    once = _Once("a metadata entry")
    for part in walk.message(item):
        if part.number in pair:
            once(part)
            pair[part.number] = walk.text(part)
    return pair[1], pair[2]


def _read_graph(
    walk: Walk, graph: Field
) -> tuple[dict[str, Array], dict[str, Shape | None], dict[str, Shape | None], tuple[Node, ...]]:
    initializers: dict[str, Array] = {}
    inputs: dict[str, Shape | None] = {}
    outputs: dict[str, Shape | None] = {}
    nodes: list[Node] = []
    for item in walk.message(graph):
        match item.number:
            case GraphField.NODE:
                if len(nodes) == MOST_NODES:
                    walk.refuse(f"has more than {MOST_NODES} operators, a decoder has one")
                nodes.append(_read_node(walk, item))
            case GraphField.INITIALIZER:
                name, array = _read_tensor(walk, item)
                if not name or name in initializers:
                    walk.refuse(f'has the matrix "{shown(name)}" twice or a matrix without a name')
                initializers[name] = array
            case GraphField.INPUT | GraphField.OUTPUT:
                values = inputs if item.number == GraphField.INPUT else outputs
                name, shape = _read_value(walk, item)
                if not name or name in values:
                    walk.refuse(f'has the input or output "{shown(name)}" twice or one without a name')
                values[name] = shape
            case GraphField.SPARSE_INITIALIZER:
                walk.refuse("has a sparse matrix, a decoder has full ones")
    given = [*initializers, *inputs, *(name for node in nodes for name in node.outputs if name)]
    if len(set(given)) != len(given):
        walk.refuse("gives one name to two values of its graph")
    return initializers, inputs, outputs, tuple(nodes)


def _read_node(walk: Walk, item: Field) -> Node:
    operator, domain = "", ""
    inputs: list[str] = []
    outputs: list[str] = []
    once = _Once("an operator")
    for part in walk.message(item):
        match part.number:
            case NodeField.INPUT:
                inputs.append(walk.text(part))
            case NodeField.OUTPUT:
                outputs.append(walk.text(part))
            case NodeField.OPERATOR:
                once(part)
                operator = walk.text(part)
            case NodeField.DOMAIN:
                once(part)
                domain = walk.text(part)
            case NodeField.ATTRIBUTE:
                _check_attribute(walk, part)
    if domain not in STANDARD_DOMAINS or operator not in ALLOWED_OPERATORS:
        name = f"{domain}.{operator}" if domain else operator
        walk.refuse(f'uses the operator "{shown(name)}", which no decoder has')
    return Node(operator, tuple(inputs), tuple(outputs))


def _check_attribute(walk: Walk, item: Field) -> None:
    once = _Once("a setting")
    for part in walk.message(item):
        match part.number:
            case AttributeField.TENSOR:
                once(part)
                _read_tensor(walk, part)
            case AttributeField.GRAPH | AttributeField.GRAPHS:
                walk.refuse("has a graph within its graph, a decoder has one plain graph")
            case AttributeField.TENSORS | AttributeField.REFERENCE | AttributeField.SPARSE | AttributeField.SPARSES:
                walk.refuse("has an operator with settings that no decoder has")


def _read_tensor(walk: Walk, item: Field) -> tuple[str, Array]:
    name, number = "", 0
    dimensions: list[int] = []
    pieces: list[Field] = []
    once = _Once("a matrix")
    for part in walk.message(item):
        match part.number:
            case TensorField.DIMENSIONS:
                dimensions += walk.integers(part)
            case TensorField.TYPE:
                once(part)
                number = walk.integer(part)
            case TensorField.NAME:
                once(part)
                name = walk.text(part)
            case TensorField.RAW:
                once(part)
                walk.expect(part, BYTES)
                pieces.append(part)
            case TensorField.FLOATS | TensorField.DOUBLES | TensorField.INT64S:
                pieces.append(part)
            case TensorField.EXTERNAL | TensorField.LOCATION:
                if part.number == TensorField.EXTERNAL or walk.integer(part) != 0:
                    walk.refuse("keeps a matrix in another file, a decoder is one self-contained file")
            case TensorField.SEGMENT | TensorField.INT32S | TensorField.STRINGS | TensorField.UINT64S:
                walk.refuse(f'stores the matrix "{shown(name)}" in a way no decoder does')
    if number not in _DTYPE_OF_TYPE:
        walk.refuse(f'has the matrix "{shown(name)}" of element type {number}, not float32, float64 or int64')
    dtype = _DTYPE_OF_TYPE[number]
    if len(dimensions) > MOST_DIMENSIONS or any(size < 0 for size in dimensions):
        walk.refuse(f'has the matrix "{shown(name)}" of impossible size')
    values = _values(walk, pieces, number, dtype)
    too_large = math.prod(max(size, 1) for size in dimensions) > 2**40  # 0 x 2**63 holds nothing, yet NumPy overflows
    if math.prod(dimensions) != len(values) or too_large:
        found = " x ".join(str(size) for size in dimensions)
        walk.refuse(f'declares the matrix "{shown(name)}" as {found or "one"} values and holds {len(values)}')
    return name, values.reshape(dimensions)


def _values(walk: Walk, pieces: list[Field], number: int, dtype: np.dtype[Any]) -> Array:
    """The values of a tensor, a fresh and aligned vector in the machine's byte order."""
    if not all(piece.number in (TensorField.RAW, _TYPED_FIELD[number]) for piece in pieces):
        walk.refuse("stores a matrix under another type than it declares")
    if any(piece.number != pieces[0].number for piece in pieces):
        walk.refuse("stores one matrix in two ways")
    if pieces and pieces[0].number == TensorField.INT64S:
        return np.array([value for piece in pieces for value in walk.integers(piece)], np.int64)
    fixed = FIXED64 if dtype.itemsize == 8 else FIXED32
    for piece in pieces:
        if piece.wire not in (BYTES, fixed):
            raise Damaged(f"the field at byte {piece.at} is of another kind than ONNX says")
        if (piece.stop - piece.start) % dtype.itemsize:
            raise Damaged(f"{piece.stop - piece.start} bytes at byte {piece.start} for values of {dtype.itemsize}")
    joined = b"".join(walk.view[piece.start : piece.stop] for piece in pieces)
    return np.frombuffer(joined, dtype.newbyteorder("<")).astype(dtype)


def _read_value(walk: Walk, item: Field) -> tuple[str, Shape | None]:
    """Name and declared shape of a graph's input or output; both must be tensors."""
    name, shape = "", None
    once = _Once("an input or output")
    for part in walk.message(item):
        if part.number == ValueField.NAME:
            once(part)
            name = walk.text(part)
        elif part.number == ValueField.TYPE:
            once(part)
            shape = _read_type(walk, part)
    return name, shape


def _read_type(walk: Walk, item: Field) -> Shape | None:
    shape: Shape | None = None
    once = _Once("a type")
    for kind in walk.message(item):
        if kind.number != ValueField.TENSOR_TYPE:
            if kind.number != ValueField.DENOTATION:
                walk.refuse("takes or gives something other than a matrix")
            continue
        once(kind)
        for part in walk.message(kind):
            if part.number == ValueField.SHAPE:
                once(Field(-1, part.wire, 0, part.at, part.start, part.stop))
                dimensions = [
                    _read_size(walk, size) for size in walk.message(part) if size.number == ValueField.DIMENSION
                ]
                if len(dimensions) > MOST_DIMENSIONS or any(size is not None and size < 0 for size in dimensions):
                    walk.refuse("declares an input or output of impossible size")
                shape = tuple(dimensions)
    return shape


def _read_size(walk: Walk, item: Field) -> int | None:
    size = None
    for part in walk.message(item):
        if part.number == ValueField.SIZE:
            size = walk.integer(part)
        elif part.number == 2:  # a symbol: the last of the two counts, as in protobuf's oneof
            size = None
    return size


def _changed_graph(
    walk: Walk, graph: Field, initializers: dict[str, Array], io_shapes: dict[str, tuple[int, ...]]
) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = []
    left = dict(initializers)
    for item in walk.message(graph):
        match item.number:
            case GraphField.INITIALIZER:
                name = _name_of(walk, item, TensorField.NAME)
                if name in left:
                    parts += _tensor(name, left.pop(name))
                else:
                    parts.append(walk.bytes_of(item))
            case GraphField.INPUT | GraphField.OUTPUT:
                name = _name_of(walk, item, ValueField.NAME)
                if name in io_shapes:
                    parts += message(item.number, _changed_value(walk, item, io_shapes[name]))
                else:
                    parts.append(walk.bytes_of(item))
            case GraphField.VALUE_INFO if initializers or io_shapes:
                pass  # what was inferred about values in between no longer holds; the runtime infers it anew
            case _:
                parts.append(walk.bytes_of(item))
    for name, array in left.items():
        parts += _tensor(name, array)
    return parts


def _name_of(walk: Walk, item: Field, number: int) -> str:
    return next((walk.text(part) for part in walk.message(item) if part.number == number), "")


def _changed_value(walk: Walk, value: Field, shape: tuple[int, ...]) -> list[bytes | memoryview]:
    """The ValueInfo with another shape; its element type and all else stay."""
    parts: list[bytes | memoryview] = []
    for part in walk.message(value):
        if part.number != ValueField.TYPE:
            parts.append(walk.bytes_of(part))
            continue
        kinds: list[bytes | memoryview] = []
        for kind in walk.message(part):
            if kind.number != ValueField.TENSOR_TYPE:
                kinds.append(walk.bytes_of(kind))
                continue
            kept = [walk.bytes_of(item) for item in walk.message(kind) if item.number != ValueField.SHAPE]
            sizes = [
                piece for size in shape for piece in message(ValueField.DIMENSION, [number_of(ValueField.SIZE, size)])
            ]
            kinds += message(ValueField.TENSOR_TYPE, [*kept, *message(ValueField.SHAPE, sizes)])
        parts += message(ValueField.TYPE, kinds)
    return parts


def _tensor(name: str, array: Array) -> list[bytes | memoryview]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    header = [number_of(TensorField.DIMENSIONS, size) for size in array.shape]
    header.append(number_of(TensorField.TYPE, _TYPE_OF_DTYPE[np.dtype(array.dtype.type)]))
    return message(
        GraphField.INITIALIZER,
        [*header, *message(TensorField.NAME, [name.encode()]), *message(TensorField.RAW, [little.tobytes()])],
    )


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
