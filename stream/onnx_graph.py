"""Reads the graph of an ONNX file, and refuses what no decoder has."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .onnx_fields import (
    DTYPE_OF_TYPE,
    MOST_DIMENSIONS,
    STANDARD_DOMAINS,
    TYPED_FIELD,
    Array,
    AttributeField,
    GraphField,
    NodeField,
    Once,
    Shape,
    TensorField,
    ValueField,
)
from .protobuf import BYTES, FIXED32, FIXED64, Damaged, Field, Walk, shown

ALLOWED_OPERATORS = frozenset(
    {"Add", "Cast", "Constant", "Gemm", "Identity", "MatMul", "Mul", "Reshape", "Slice", "Transpose"}
)
MOST_NODES = 32  # a decoder has one; room for scaling and slicing


class Node(NamedTuple):
    """One operator of the graph, by the names of the values it joins."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_graph(
    walk: Walk, graph: Field
) -> tuple[dict[str, Array], dict[str, Shape | None], dict[str, Shape | None], tuple[Node, ...]]:
    """Matrices, declared sizes of inputs and of outputs, and operators.

    Raises
    ------
    Damaged, DecoderError
    """
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
    once = Once("an operator")
    for part in walk.message(item):
        match part.number:
            case NodeField.INPUT:
                inputs.append(walk.text(part))
            case NodeField.OUTPUT:
                outputs.append(walk.text(part))
            case NodeField.OPERATOR:
                operator = walk.text(once(part))
            case NodeField.DOMAIN:
                domain = walk.text(once(part))
            case NodeField.ATTRIBUTE:
                _check_attribute(walk, part)
    if domain not in STANDARD_DOMAINS or operator not in ALLOWED_OPERATORS:
        name = f"{domain}.{operator}" if domain else operator
        walk.refuse(f'uses the operator "{shown(name)}", which no decoder has')
    return Node(operator, tuple(inputs), tuple(outputs))


def _check_attribute(walk: Walk, item: Field) -> None:
    once = Once("a setting")
    for part in walk.message(item):
        match part.number:
            case AttributeField.TENSOR:
                _read_tensor(walk, once(part))
            case AttributeField.GRAPH | AttributeField.GRAPHS:
                walk.refuse("has a graph within its graph, a decoder has one plain graph")
            case AttributeField.TENSORS | AttributeField.REFERENCE | AttributeField.SPARSE | AttributeField.SPARSES:
                walk.refuse("has an operator with settings that no decoder has")


def _read_tensor(walk: Walk, item: Field) -> tuple[str, Array]:
    name, number = "", 0
    dimensions: list[int] = []
    pieces: list[Field] = []
    once = Once("a matrix")
    for part in walk.message(item):
        match part.number:
            case TensorField.DIMENSIONS:
                dimensions += walk.integers(part)
            case TensorField.TYPE:
                number = walk.integer(once(part))
            case TensorField.NAME:
                name = walk.text(once(part))
            case TensorField.RAW:
                walk.expect(once(part), BYTES)
                pieces.append(part)
            case TensorField.FLOATS | TensorField.DOUBLES | TensorField.INT64S:
                pieces.append(part)
            case TensorField.EXTERNAL | TensorField.LOCATION:
                if part.number == TensorField.EXTERNAL or walk.integer(part) != 0:
                    walk.refuse("keeps a matrix in another file, a decoder is one self-contained file")
            case TensorField.SEGMENT | TensorField.INT32S | TensorField.STRINGS | TensorField.UINT64S:
                walk.refuse(f'stores the matrix "{shown(name)}" in a way no decoder does')
    if number not in DTYPE_OF_TYPE:
        walk.refuse(f'has the matrix "{shown(name)}" of element type {number}, not float32, float64 or int64')
    dtype = DTYPE_OF_TYPE[number]
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
    if not all(piece.number in (TensorField.RAW, TYPED_FIELD[number]) for piece in pieces):
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
    once = Once("an input or output")
    for part in walk.message(item):
        if part.number == ValueField.NAME:
            name = walk.text(once(part))
        elif part.number == ValueField.TYPE:
            shape = _read_type(walk, once(part))
    return name, shape


def _read_type(walk: Walk, item: Field) -> Shape | None:
    shape: Shape | None = None
    once = Once("a type")
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
