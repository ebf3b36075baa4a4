"""The committed graph is what PyTorch exports today, and tells nothing of the machine it was made on."""

import re

import numpy as np
import pytest

from myodrive.export.template import TEMPLATE
from myodrive.stream.decoder_file import BLOCK
from myodrive.stream.onnx_file import read_onnx
from myodrive.stream.onnx_graph import Node


@pytest.fixture(scope="module")
def fresh():
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnx")
    from myodrive.export.template import export_template

    return export_template()


def test_the_committed_template_is_one_product():
    template = read_onnx(TEMPLATE.read_bytes(), TEMPLATE.name)
    assert template.nodes == (Node("MatMul", ("window", "filters"), ("sources",)),)
    assert list(template.inputs) == ["window"]
    assert list(template.outputs) == ["sources"]
    assert list(template.initializers) == ["filters"]
    assert template.inputs["window"][0] == template.outputs["sources"][0] == BLOCK
    assert template.metadata == {}


def test_exporting_again_gives_the_committed_template(fresh):
    committed = read_onnx(TEMPLATE.read_bytes(), TEMPLATE.name)
    again = read_onnx(fresh.SerializeToString(), "fresh")
    assert (again.nodes, again.inputs, again.outputs) == (committed.nodes, committed.inputs, committed.outputs)
    assert (again.opset, again.metadata) == (committed.opset, committed.metadata)
    assert again.initializers.keys() == committed.initializers.keys()
    assert all(np.array_equal(again.initializers[name], array) for name, array in committed.initializers.items())


def test_a_fresh_export_passes_the_checker(fresh):
    import onnx

    onnx.checker.check_model(fresh, full_check=True)


def test_no_template_carries_a_path_or_a_trace(fresh):
    for raw in (TEMPLATE.read_bytes(), fresh.SerializeToString()):
        text = raw.decode("latin-1")
        assert not re.search(r"[/\\]\w|\.py\b|\w:\\", text)
        assert "pkg.torch" not in text
        assert "File" not in text
        assert len(raw) < 1000
