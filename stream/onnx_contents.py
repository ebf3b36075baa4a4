"""Looks through an ONNX file for what a plain network does not have, without the `onnx` package.

`onnx_file` reads a decoder to the last byte, for its matrices are used and changed. Of a network that only ONNX
Runtime reads it is enough to know that it is one plain graph of standard operators with all its data inside.
"""

from __future__ import annotations

from .onnx_fields import STANDARD_DOMAINS, AttributeField, GraphField, ModelField, NodeField, TensorField
from .protobuf import Damaged, Field, Walk, shown

MOST_PARTS = 200_000  # fields of the whole file; a transformer has some ten thousand


class Harmful(Exception):
    """The file holds what a plain network does not need; the message says what."""


def metadata_of_plain_graph(raw: bytes) -> dict[str, str]:
    """The ``metadata_props`` of the ONNX model in `raw`.

    Raises
    ------
    Damaged
        The bytes break the format.
    Harmful
        It has data in other files, graphs within its graph, functions, training steps or foreign operators.
    """
    walk = Walk(raw, "", MOST_PARTS)
    metadata: dict[str, str] = {}
    graphs = 0
    for item in walk.fields(0, len(walk.view)):
        match item.number:
            case ModelField.GRAPH:
                graphs += 1
                _check_graph(walk, item)
            case ModelField.METADATA:
                key, value = _pair(walk, item)
                if key in metadata:
                    raise Damaged(f"the metadata {shown(key)} twice")
                metadata[key] = value
            case ModelField.TRAINING | ModelField.FUNCTIONS:
                raise Harmful("has training steps or functions of its own")
    if graphs != 1:
        raise Damaged(f"{graphs} graphs in it")
    return metadata


def _pair(walk: Walk, item: Field) -> tuple[str, str]:
    texts = {part.number: walk.text(part) for part in walk.message(item)}
    return texts.get(1, ""), texts.get(2, "")


def _check_graph(walk: Walk, graph: Field) -> None:
    for item in walk.message(graph):
        if item.number == GraphField.NODE:
            _check_node(walk, item)
        elif item.number == GraphField.INITIALIZER:
            _check_tensor(walk, item)
        elif item.number == GraphField.SPARSE_INITIALIZER:
            raise Harmful("has a sparse matrix")


def _check_node(walk: Walk, node: Field) -> None:
    for part in walk.message(node):
        if part.number == NodeField.DOMAIN and (domain := walk.text(part)) not in STANDARD_DOMAINS:
            raise Harmful(f'uses operators of "{shown(domain)}"')
        if part.number == NodeField.ATTRIBUTE:
            for setting in walk.message(part):
                match setting.number:
                    case AttributeField.TENSOR | AttributeField.TENSORS:
                        _check_tensor(walk, setting)
                    case AttributeField.GRAPH | AttributeField.GRAPHS:
                        raise Harmful("has a graph within its graph")
                    case AttributeField.REFERENCE | AttributeField.SPARSE | AttributeField.SPARSES:
                        raise Harmful("has an operator with unusual settings")


def _check_tensor(walk: Walk, tensor: Field) -> None:
    for part in walk.message(tensor):
        if part.number == TensorField.EXTERNAL or (part.number == TensorField.LOCATION and walk.integer(part) != 0):
            raise Harmful("keeps a matrix in another file")
