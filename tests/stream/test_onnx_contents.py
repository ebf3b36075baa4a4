"""Networks from anybody: what reaches beyond the file or runs without end is refused before it is loaded."""

import pytest

from myodrive.stream.onnx_contents import Harmful, metadata_of_plain_graph
from myodrive.stream.protobuf import Damaged


@pytest.fixture
def model(parameter_graph):
    import onnx

    return onnx.load_from_string(parameter_graph.parameter_model_bytes())


def read(model):
    return metadata_of_plain_graph(model.SerializeToString())


def test_a_plain_network_gives_its_metadata(model):
    assert read(model) == {prop.key: prop.value for prop in model.metadata_props}


def test_data_in_another_file_is_refused(model):
    tensor = model.graph.initializer[-1]
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secrets"
    tensor.data_location = 1
    with pytest.raises(Harmful, match="another file"):
        read(model)


def test_data_in_another_file_is_refused_within_a_constant_too(model):
    from onnx import TensorProto, helper

    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "x"
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))
    with pytest.raises(Harmful, match="another file"):
        read(model)


def test_a_graph_within_the_graph_is_refused(model):
    from onnx import helper

    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["tiny"], ["x"], then_branch=inner, else_branch=inner))
    with pytest.raises(Harmful, match="graph within"):
        read(model)


def test_foreign_operators_are_refused(model):
    model.graph.node[0].domain = "com.example"
    with pytest.raises(Harmful, match=r"com\.example"):
        read(model)


def test_functions_are_refused(model):
    from onnx import helper

    model.functions.append(helper.make_function("own", "f", [], [], [], []))
    with pytest.raises(Harmful, match="functions"):
        read(model)


def test_metadata_twice_and_no_graph_are_damage(model):
    entry = model.metadata_props.add()
    entry.key, entry.value = model.metadata_props[0].key, "{}"
    with pytest.raises(Damaged, match="twice"):
        read(model)
    model.ClearField("graph")
    del model.metadata_props[:]
    with pytest.raises(Damaged, match="0 graphs"):
        read(model)
