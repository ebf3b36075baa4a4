"""Networks that fill memory are refused in one sentence, in a process that cannot fill ours."""

import os

import msgspec
import numpy as np
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.errors import ParameterModelError
from myodrive.stream.parameter_file import parameter_file_from_bytes, read_parameter_file
from myodrive.tools import parameter_trial
from myodrive.tools.parameter_trial import try_apart
from myodrive.tools.parameters import SHIPPED, choose_model


@pytest.fixture
def info(decoder_path):
    return read_decoder(decoder_path).info


@pytest.fixture
def swollen(parameter_graph):
    """A parameter model that adds up eight thousand million numbers made of one, and adds them to what it says."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(parameter_graph.parameter_model_bytes())
    graph = model.graph
    last = next(node for node in graph.node if "mean" in node.output)
    last.output[list(last.output).index("mean")] = "small_mean"
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([2**33], np.int64), "many"))
    graph.node.append(onnx.helper.make_node("ConstantOfShape", ["many"], ["zeros"]))
    graph.node.append(onnx.helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0))
    graph.node.append(onnx.helper.make_node("Add", ["small_mean", "sum"], ["mean"]))
    return model.SerializeToString()


def test_the_shipped_model_and_another_array_pass(info):
    try_apart(read_parameter_file(SHIPPED), info)
    try_apart(read_parameter_file(SHIPPED), msgspec.structs.replace(info, montage="single-differential"))


def test_a_network_that_fills_memory_is_refused_before_it_runs_here(info, swollen, tmp_path, decoder_path):
    with pytest.raises(ParameterModelError) as caught:
        try_apart(parameter_file_from_bytes(swollen, "swollen.onnx"), info)
    assert str(caught.value).isprintable()
    assert "swollen.onnx" in str(caught.value)
    path = tmp_path / "swollen.onnx"
    path.write_bytes(swollen)
    with pytest.raises(ParameterModelError):
        choose_model(str(path), read_decoder(decoder_path))


def test_a_trial_that_never_ends_or_crashes_is_told(info, monkeypatch):
    file = read_parameter_file(SHIPPED)
    monkeypatch.setattr(parameter_trial, "TIME_S", 0.01)
    with pytest.raises(ParameterModelError, match="was not done"):
        try_apart(file, info)
    monkeypatch.setattr(parameter_trial, "TIME_S", 60.0)
    monkeypatch.setattr(parameter_trial, "__name__", "myodrive.tools.no_such_module")
    with pytest.raises(ParameterModelError, match="crashes"):
        try_apart(file, info)


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_ctrl_c_at_the_terminal_does_not_make_it_the_fault_of_the_model(beside_interrupts, decoder_path):
    lines = (
        "from myodrive.stream.decoder_file import read_decoder\n"
        "from myodrive.stream.parameter_file import read_parameter_file\n"
        "from myodrive.tools.parameter_trial import try_apart\n"
        "from myodrive.tools.parameters import SHIPPED\n"
        f"try_apart(read_parameter_file(SHIPPED), read_decoder({str(decoder_path)!r}).info)\n"
        "print('passed')"
    )
    assert beside_interrupts(lines) == "passed\n"
