"""Writes the graph of an ONNX file again with other matrices or declared sizes; the rest is copied byte for byte."""

from __future__ import annotations

import numpy as np

from .onnx_fields import TYPE_OF_DTYPE, Array, GraphField, TensorField, ValueField
from .protobuf import Field, Walk, message, number_of


def changed_graph(
    walk: Walk, graph: Field, initializers: dict[str, Array], io_shapes: dict[str, tuple[int, ...]]
) -> list[bytes | memoryview]:
    """The content of `graph` with `initializers` in place of those of the same name, or added, and with new sizes."""
    parts: list[bytes | memoryview] = []
    left = dict(initializers)
    for item in walk.message(graph):
        match item.number:
            case GraphField.INITIALIZER:
                name = _name_of(walk, item, TensorField.NAME)
                if name in left:
                    parts += tensor_parts(name, left.pop(name))
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
        parts += tensor_parts(name, array)
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


def tensor_parts(name: str, array: Array) -> list[bytes | memoryview]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    header = [number_of(TensorField.DIMENSIONS, size) for size in array.shape]
    header.append(number_of(TensorField.TYPE, TYPE_OF_DTYPE[np.dtype(array.dtype.type)]))
    return message(
        GraphField.INITIALIZER,
        [*header, *message(TensorField.NAME, [name.encode()]), *message(TensorField.RAW, [little.tobytes()])],
    )
