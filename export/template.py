"""Export the decoder's graph from PyTorch, once: ``python -m myodrive.export.template``.

The graph is committed as ``decoder_template.onnx``. Calibrating then fills in filters, sizes and metadata with
`myodrive.stream.onnx_file` and needs neither PyTorch nor the ``onnx`` package. Run this again after a change to
`myodrive.models.decoder`; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..stream.decoder_file import BLOCK
from .quiet import without_remarks_on_itself

if TYPE_CHECKING:
    import onnx

TEMPLATE = Path(__file__).with_name("decoder_template.onnx")
OPSET = 18  # the lowest torch's exporter writes; MatMul has not changed since 13
IR_VERSION = 8  # of opset 18; ONNX Runtime reads it since 1.14
PLACEHOLDER_WIDTH, PLACEHOLDER_UNITS = 16, 3  # sizes that every decoder overwrites


def export_template() -> onnx.ModelProto:
    """The graph of `LinearDecoder` as exported by PyTorch, with nothing in it that tells of this machine.

    Returns
    -------
    onnx.ModelProto
        Input ``window`` (BLOCK, width), output ``sources`` (BLOCK, units), initializer ``filters`` (width, units);
        the sizes are placeholders.
    """
    import torch

    from ..models.decoder import LinearDecoder

    decoder = LinearDecoder(torch.zeros(PLACEHOLDER_WIDTH, PLACEHOLDER_UNITS)).eval()
    with without_remarks_on_itself():
        program = torch.onnx.export(
            decoder,
            (torch.zeros(BLOCK, PLACEHOLDER_WIDTH),),
            input_names=["window"],
            output_names=["sources"],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,  # True, the default, would put the filters into a second file
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip(model)
    model.ir_version = IR_VERSION
    return model


def strip(model: onnx.ModelProto) -> None:
    """Remove what PyTorch notes beside the graph: stack traces with local paths, the exported program, doc strings."""
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del noted.metadata_props[:]
        noted.doc_string = ""
    del graph.value_info[:]  # sizes of the placeholder


def main() -> None:
    """Export and write `TEMPLATE`."""
    TEMPLATE.write_bytes(export_template().SerializeToString(deterministic=True))
    print(f"wrote {TEMPLATE.name}, {TEMPLATE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
