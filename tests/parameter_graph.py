"""A parameter model of random weights, in the format of the real one: small, smooth, and of everything it is given."""

import msgspec
import numpy as np

NAMES = [
    "iz_mm", "cv_m_s", "depth_mm", "lateral_mm", "half_length_low_mm", "half_length_high_mm", "iz_spread_mm",
    "size_fibres", "ap_scale", "cv_sd_m_s", "radius_mm", "fat_mm", "anisotropy", "delay_ms",
]  # fmt: skip
RANGES = {
    "cv_m_s": [2.5, 5.5], "depth_mm": [3, 20], "half_length_low_mm": [45, 80], "half_length_high_mm": [45, 80],
    "iz_spread_mm": [2, 15], "size_fibres": [15, 1500], "fat_mm": [1, 6], "anisotropy": [4, 6.5],
}  # fmt: skip
METADATA = {
    "schema": 1, "names": NAMES, "reported": NAMES[:8], "grids_only": ["depth_mm", "lateral_mm"],
    "frequencies_hz": [25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0], "window_s": [0.025, 0.030],
    "filter": {"low_hz": 20.0, "high_hz": 500.0}, "montage": "monopolar",
    "trained": {
        "ied_mm": [3, 10], "rows": [5, 32], "channels": [5, 320], "snr_db": [-5, 30], "fs_hz_least": 1000,
        "ranges": RANGES,
    },
    "created_by": {"method": "random"},
}  # fmt: skip


def parameter_model_bytes(seed=0, metadata=None, shift=None, sd_shift=None, outputs=("mean", "sd"), nodes=()):
    """An ONNX file; `metadata` replaces entries of METADATA, `shift` and `sd_shift` move answers by name."""
    from onnx import TensorProto, helper, numpy_helper

    metadata = METADATA | (metadata or {})
    names, width = NAMES, 2 * len(METADATA["frequencies_hz"])
    rng = np.random.default_rng(seed)
    low, high = np.array([RANGES.get(name, [-6.0, 6.0]) for name in names], np.float32).T
    middle, half = (high + low) / 2, (high - low) / 2
    for name, by in (shift or {}).items():
        middle[names.index(name)] += by
    sd_middle = np.full(len(names), 0.05, np.float32)
    for name, by in (sd_shift or {}).items():
        sd_middle[names.index(name)] += by
    constants = {
        "last": np.array([-1]), "channel_axis": np.array([1]), "frequency_axis": np.array([2]),
        "tiny": np.array(1e-6, np.float32), "middle": middle, "half": 0.6 * half, "sd_middle": sd_middle, "all": half,
        "weights": rng.normal(0, 3, (width + 2, len(names))),
        "bias": rng.normal(0, 0.3, len(names)).astype(np.float32),
    }  # fmt: skip
    constants["weights"][-2:] = rng.normal(0, 0.05, (2, len(names)))
    steps = [
        ("MatMul", ["waveform", "to_spectrum"], "spectrum", {}),  # (batch, channels, 2 frequencies)
        ("Abs", ["spectrum"], "size", {}),
        ("Unsqueeze", ["present", "last"], "there", {}),
        ("Mul", ["size", "there"], "seen", {}),
        ("ReduceSum", ["seen", "channel_axis"], "total", {"keepdims": 0}),  # (batch, 2 frequencies)
        ("ReduceSum", ["total", "channel_axis"], "sum", {"keepdims": 1}),
        ("Add", ["sum", "tiny"], "sum_and", {}),
        ("Div", ["total", "sum_and"], "share", {}),
        ("ReduceSum", ["seen", "frequency_axis"], "strength", {"keepdims": 1}),  # (batch, channels, 1)
        ("Mul", ["place", "strength"], "pulled", {}),
        ("ReduceSum", ["pulled", "channel_axis"], "pull", {"keepdims": 0}),  # (batch, 2)
        ("Div", ["pull", "sum_and"], "centre", {}),
        ("Concat", ["share", "centre"], "features", {"axis": 1}),
        ("Gemm", ["features", "weights", "bias"], "raw", {}),
        ("Tanh", ["raw"], "squashed", {}),
        ("Mul", ["squashed", "half"], "spread", {}),
        ("Add", ["spread", "middle"], outputs[0], {}),
        ("ReduceSum", ["noise_sd", "channel_axis"], "noise", {"keepdims": 1}),
        ("Div", ["noise", "sum_and"], "ratio", {}),
        ("Tanh", ["ratio"], "doubt", {}),
        ("Add", ["doubt", "sd_middle"], "relative", {}),
        ("Mul", ["relative", "all"], outputs[1], {}),
        *nodes,
    ]
    made = [helper.make_node(kind, ins, [out], **settings) for kind, ins, out, settings in steps]
    inputs = {
        "waveform": ["batch", "channels", "samples"], "noise_sd": ["batch", "channels"],
        "place": ["batch", "channels", 2], "present": ["batch", "channels"], "to_spectrum": ["samples", width],
    }  # fmt: skip
    graph = helper.make_graph(
        made, "parameters",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", len(names)]) for name in outputs],
        [numpy_helper.from_array(np.asarray(v, np.int64 if v.dtype == int else np.float32), n)
         for n, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"myodrive.parameters": msgspec.json.encode(metadata).decode()})
    return model.SerializeToString()
