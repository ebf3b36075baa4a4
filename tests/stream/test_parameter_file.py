"""The parameter model's file: what is no such file is refused in a sentence, and what does not fit an array is told."""

import contextlib
import copy
import re

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.decoder_file import FilterSettings
from myodrive.stream.errors import ParameterModelError
from myodrive.stream.geometry import Geometry
from myodrive.stream.parameter_file import (
    KEY,
    fullest_column,
    longest_column,
    misfit,
    parameter_file_from_bytes,
    read_parameter_file,
)

BAND_PASS = FilterSettings(20.0, 500.0, 2, [], [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])


def grid(rows, columns, ied_mm=8.0):
    row, col = np.divmod(np.arange(rows * columns), columns)
    return Geometry(row, col, ied_mm, rows, columns)


@pytest.fixture(scope="module")
def raw(parameter_graph):
    return parameter_graph.parameter_model_bytes()


@pytest.fixture(scope="module")
def info(raw):
    return parameter_file_from_bytes(raw).info


def test_a_whole_file_is_read(raw, tmp_path, parameter_graph):
    path = tmp_path / "parameters.onnx"
    path.write_bytes(raw)
    file = read_parameter_file(path)
    assert file.raw == raw
    assert file.info == msgspec.convert(parameter_graph.METADATA, type(file.info))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ParameterModelError, match=r"no parameter model at .*missing\.onnx"):
        read_parameter_file(tmp_path / "missing.onnx")


@pytest.mark.parametrize("bytes_", [b"", b"PK\x03\x04 a checkpoint", b"\x00" * 100, b"text\n", b"\x89HDF\r\n\x1a\n"])
def test_other_files_are_refused(bytes_):
    with pytest.raises(ParameterModelError, match="damaged or no ONNX file"):
        parameter_file_from_bytes(bytes_)


def test_a_decoder_is_no_parameter_model(planted, decoder_bytes):
    with pytest.raises(ParameterModelError, match="no parameter model"):
        parameter_file_from_bytes(decoder_bytes(planted.info, planted.matrices))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_raise_one_error_alone(raw, data):
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for one in (bytes(damaged), bytes(damaged[:cut])):
        with contextlib.suppress(ParameterModelError):
            parameter_file_from_bytes(one)


def trained(**changes):
    return lambda metadata: metadata["trained"].update(changes)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema": 2}, "schema 2"),
        ({"schema": None}, "schema None"),
        ({"names": []}, "malformed parameter names"),
        ({"names": ["IZ mm"]}, "malformed parameter names"),
        ({"names": ["cv_m_s", "cv_m_s"]}, "taken"),
        ({"names": ["cv_m_s", "cv_m_s_sd"]}, "taken"),
        ({"names": ["unit"]}, "taken"),
        ({"names": ["more"]}, "taken"),
        ({"reported": []}, "nothing to report"),
        ({"reported": ["cv_m_s", "cv_m_s"]}, "twice"),
        ({"reported": ["speed"]}, "does not name"),
        ({"grids_only": ["speed"]}, "does not name"),
        ({"frequencies_hz": []}, "0 frequencies"),
        ({"frequencies_hz": [50.0, 20.0]}, "do not ascend"),
        ({"frequencies_hz": [0.0, 20.0]}, "impossible frequencies"),
        ({"window_s": [0.0, 0.03]}, "window"),
        ({"window_s": [0.03]}, "does not fit"),
        ({"filter": {"low_hz": 500, "high_hz": 20}}, "pass-band"),
        ({"filter": {}}, "does not fit"),
        (trained(ied_mm=[10, 3]), "spacing"),
        (trained(rows=[0, 3]), "rows"),
        (trained(channels=[5, 1]), "channels"),
        (trained(snr_db=[30, -5]), "noise"),
        (trained(fs_hz_least=0), "rate"),
        (trained(ranges={"cv_m_s": [5, 5]}), "empty range"),
        (trained(ranges={"speed": [1, 5]}), "does not name"),
        (trained(ied_mm="wide"), "does not fit"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(parameter_graph, change, word):
    metadata = copy.deepcopy(parameter_graph.METADATA)
    if callable(change):
        change(metadata)
    else:
        metadata |= change
    with pytest.raises(ParameterModelError, match=word):
        parameter_file_from_bytes(parameter_graph.parameter_model_bytes(metadata=metadata))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"\\ud800"', "[" * 10_000])
def test_metadata_that_is_no_map_is_refused(raw, text):
    import onnx

    model = onnx.load_from_string(raw)
    onnx.helper.set_model_props(model, {KEY: text})
    with pytest.raises(ParameterModelError):
        parameter_file_from_bytes(model.SerializeToString())


# what fits


@pytest.mark.parametrize("geometry", [grid(8, 8), grid(16, 1, 5.0), grid(32, 10), grid(5, 1, 3.0), grid(13, 5, 10.0)])
@pytest.mark.parametrize("fs_hz", [1112.0, 2000.0, 2048.0, 10_240.0])
def test_the_arrays_it_was_trained_for_fit(info, geometry, fs_hz):
    high_hz = min(500.0, 0.45 * fs_hz)
    assert misfit(info, fs_hz, geometry, msgspec.structs.replace(BAND_PASS, high_hz=high_hz), "monopolar") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"montage": "single-differential"}, "the EMG is single-differential"),
        ({"fs_hz": 512.0}, "the model needs 1000 Hz"),
        ({"geometry": grid(8, 8, 20.0)}, "20 mm apart, the model was trained for 3 to 10 mm"),
        ({"geometry": grid(8, 8, 2.5)}, "2.5 mm apart"),
        ({"geometry": grid(4, 16)}, "4 neighbouring electrodes in a column, the model needs 5"),
        ({"geometry": grid(33, 2)}, "33 rows along the fibres, the model was trained for 32 at most"),
        ({"geometry": grid(8, 50)}, "400 channels, the model was trained for 320"),
        ({"geometry": grid(16, 4).select(np.arange(64)[np.arange(64) // 4 % 2 == 0])}, "1 neighbouring electrodes"),
        ({"filter_settings": msgspec.structs.replace(BAND_PASS, low_hz=10.0)}, "10-500 Hz"),
        ({"filter_settings": msgspec.structs.replace(BAND_PASS, high_hz=900.0)}, "20-900 Hz"),
        ({"window": (40, 61)}, r"40 \+ 61 samples"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(info, changes, words):
    array = {"fs_hz": 2048.0, "geometry": grid(8, 8), "filter_settings": BAND_PASS, "montage": "monopolar"}
    assert misfit(info, **array) is None
    reason = misfit(info, **(array | changes))
    assert reason is not None
    assert re.search(words, reason), reason


def test_a_notch_is_no_misfit(info):
    notched = msgspec.structs.replace(BAND_PASS, notch_hz=[50.0])
    assert misfit(info, 2048.0, grid(8, 8), notched, "monopolar") is None


def test_rows_are_neighbours_in_one_column():
    whole = grid(8, 3)
    assert longest_column(whole) == 8
    without = whole.select(np.flatnonzero((whole.row != 3) | (whole.col == 1)))
    assert longest_column(without) == 8  # column 1 is whole
    assert longest_column(whole.select(np.flatnonzero(whole.row != 3))) == 4
    present = (whole.row != 3) & (whole.col == 0)
    assert fullest_column(whole, present) == 7
    assert fullest_column(whole, np.zeros(24, bool)) == 0
