"""Numbers and names of the ONNX file format that a decoder uses.

Field numbers are those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (IR version 10).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .protobuf import Damaged, Field

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
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


DTYPE_OF_TYPE: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    7: np.dtype(np.int64),
    11: np.dtype(np.float64),
}
TYPE_OF_DTYPE = {dtype: number for number, dtype in DTYPE_OF_TYPE.items()}
TYPED_FIELD = {1: TensorField.FLOATS, 7: TensorField.INT64S, 11: TensorField.DOUBLES}


class Once:
    """Hands on a single-valued field that comes once: protobuf would merge or overwrite, another reader might not."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.seen: set[int] = set()

    def __call__(self, item: Field) -> Field:
        if item.number in self.seen:
            raise Damaged(f"{self.what} says the same thing twice at byte {item.at}")
        self.seen.add(item.number)
        return item
