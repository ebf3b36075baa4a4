"""From a trained encoder to the parameter model's file: one ONNX graph, its metadata, and a check that both agree."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..stream.errors import ParameterModelError
from .quiet import without_remarks_on_itself
from .template import IR_VERSION, OPSET, strip

if TYPE_CHECKING:
    import torch

    from ..models.encoder.network import Encoder

SCHEMA = 1
INPUTS = ("waveform", "noise_sd", "place", "present", "to_spectrum")
OUTPUTS = ("mean", "sd")
LARGEST_BYTES = 5_000_000  # of a model that ships
TOLERANCE = 1e-3  # of a standard deviation: float32 sums in two orders, through some 40 layers


def write_parameter_model(
    path: str | os.PathLike[str], encoder: Encoder, metadata: dict[str, Any], examples: tuple[torch.Tensor, ...]
) -> float:
    """Export, compare ONNX Runtime with PyTorch on `examples`, and write.

    Parameters
    ----------
    path : path
    encoder : Encoder
    metadata : dict
        What stands in ``myodrive.parameters``, besides the schema.
    examples : tuple of Tensor
        The graph's inputs, of real units; compared in one batch and one by one.

    Returns
    -------
    float
        The largest difference of any mean or standard deviation, in standard deviations.

    Raises
    ------
    ParameterModelError
        The two differ by more than `TOLERANCE`, or the file would be larger than `LARGEST_BYTES`.
    """
    raw = exported(encoder, metadata, examples)
    if len(raw) > LARGEST_BYTES:
        raise ParameterModelError(
            f"the exported model has {len(raw)} bytes, at most {LARGEST_BYTES} may ship: make it narrower"
        )
    difference = parity(raw, encoder, examples)
    if not difference <= TOLERANCE:
        raise ParameterModelError(
            f"ONNX Runtime and PyTorch differ by {difference:.2g} standard deviations, at most {TOLERANCE:g} is"
            " rounding: nothing was written"
        )
    path = Path(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(raw)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def exported(encoder: Encoder, metadata: dict[str, Any], examples: tuple[torch.Tensor, ...]) -> bytes:
    """The file's bytes: any batch, any number of channels, any window."""
    import torch

    batch, channels, samples = (torch.export.Dim(name, min=1) for name in ("batch", "channels", "samples"))
    fixed = torch.export.Dim.STATIC
    with without_remarks_on_itself():
        program = torch.onnx.export(
            encoder.eval(),
            tuple(example[:2] if i < 4 else example for i, example in enumerate(examples)),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=(
                {0: batch, 1: channels, 2: samples},
                {0: batch, 1: channels},
                {0: batch, 1: channels, 2: fixed},
                {0: batch, 1: channels},
                {0: samples, 1: fixed},
            ),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip(model)
    model.ir_version = IR_VERSION
    entry = model.metadata_props.add()
    entry.key, entry.value = "myodrive.parameters", json.dumps({"schema": SCHEMA, **metadata})
    raw: bytes = model.SerializeToString(deterministic=True)
    return raw


def parity(raw: bytes, encoder: Encoder, examples: tuple[torch.Tensor, ...]) -> float:
    """Largest difference between the graph and the module, in the module's standard deviations."""
    import torch

    from ..stream.onnx_runtime import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        mean, sd = (each.numpy() for each in encoder.eval()(*examples))
    inputs = [np.ascontiguousarray(example.numpy()) for example in examples]
    alone = [slice(i, i + 1) for i in range(len(mean))]
    worst = 0.0
    for part in (slice(0, len(mean)), *alone):
        feed = {name: each[part] if i < 4 else each for i, (name, each) in enumerate(zip(INPUTS, inputs, strict=True))}
        got_mean, got_sd = session.run(list(OUTPUTS), feed)
        worst = max(worst, float(np.abs((got_mean - mean[part]) / sd[part]).max()))
        worst = max(worst, float(np.abs(got_sd / sd[part] - 1.0).max()))
    return worst
