"""Which parameter model runs: the one asked for, the shipped one, or none and why."""

import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.errors import ParameterModelError
from myodrive.tools import parameters
from myodrive.tools.parameters import choose_model


@pytest.fixture
def decoder(decoder_path):
    return read_decoder(decoder_path)


@pytest.fixture
def model_path(tmp_path, parameter_graph):
    """Function that writes a parameter model of random weights."""

    def write(name="own.onnx", **graph):
        path = tmp_path / name
        path.write_bytes(parameter_graph.parameter_model_bytes(**graph))
        return path

    return write


def test_none_is_none(decoder):
    chosen = choose_model("none", decoder)
    assert chosen.model is None
    assert chosen.line == "no parameters: none was asked for"
    assert chosen.why_none == "no parameter model runs: none was asked for"


def test_a_file_is_taken_and_named(decoder, model_path):
    chosen = choose_model(str(model_path()), decoder)
    assert chosen.model is not None
    assert chosen.line.startswith("parameters by own.onnx (")
    assert chosen.why_none == ""


def test_the_shipped_one_is_taken_where_it_is_there(decoder, model_path, monkeypatch, tmp_path):
    monkeypatch.setattr(parameters, "SHIPPED", tmp_path / "absent.onnx")
    assert choose_model(None, decoder).line == "no parameters: no parameter model comes with this version"
    monkeypatch.setattr(parameters, "SHIPPED", model_path("parameters.onnx"))
    chosen = choose_model(None, decoder)
    assert chosen.model is not None
    assert "the shipped model" in chosen.line


def test_an_array_that_does_not_fit_is_no_error(decoder, model_path, parameter_graph):
    trained = parameter_graph.METADATA["trained"] | {"rows": [20, 32]}
    chosen = choose_model(str(model_path(metadata={"trained": trained})), decoder)
    assert chosen.model is None
    assert chosen.line == "no parameters: 8 neighbouring electrodes in a column, the model needs 20"


def test_what_cannot_be_read_is_an_error_where_it_was_asked_for(decoder, tmp_path, monkeypatch):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"text")
    with pytest.raises(ParameterModelError, match="no ONNX file"):
        choose_model(str(broken), decoder)
    monkeypatch.setattr(parameters, "SHIPPED", broken)
    chosen = choose_model(None, decoder)
    assert chosen.model is None
    assert "no ONNX file" in chosen.line
    assert str(tmp_path) not in chosen.why_none  # which goes to whoever subscribes
