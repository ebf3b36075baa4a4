"""The parity check passes on a faithful graph and fails on every unfaithful one."""

import numpy as np
import pytest

from myodrive.export.parity import TOLERANCE, check_parity
from myodrive.export.template import TEMPLATE
from myodrive.stream.decoder_file import BLOCK
from myodrive.stream.errors import DecoderError
from myodrive.stream.onnx_file import read_onnx

WIDTH, UNITS = 320, 6


def graph(filters):
    shapes = {"window": (BLOCK, filters.shape[0]), "sources": (BLOCK, filters.shape[1])}
    return read_onnx(TEMPLATE.read_bytes(), TEMPLATE.name).with_changes({"filters": filters}, None, shapes)


@pytest.fixture
def windows():
    """EMG of some 30 uV, not a whole number of blocks."""
    return 30 * np.random.default_rng(0).standard_normal((8 * BLOCK + 3, WIDTH)).astype(np.float32)


@pytest.fixture
def filters(windows):
    """Scaled so that the sources' noise is 0.2 of a spike."""
    found = np.random.default_rng(1).standard_normal((WIDTH, UNITS)).astype(np.float32)
    return found * np.float32(0.2) / (windows @ found).std()


def test_a_faithful_graph_passes(windows, filters):
    report = check_parity(graph(filters), windows, filters)
    assert 0 <= report.max_rel <= report.max_abs < 1e-5
    pytest.importorskip("torch")
    assert report.against == "torch"


def test_without_torch_the_reference_is_numpy_in_double_precision(windows, filters, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    report = check_parity(graph(filters), windows, filters)
    assert report.against == "numpy"
    assert 0 < report.max_abs < 1e-5


def swap_channels(filters):
    filters[[0, 1]] = filters[[1, 0]]


def swap_units(filters):
    filters[:, [0, 1]] = filters[:, [1, 0]]


def shift_a_lag(filters):
    filters[:] = np.roll(filters, 64, axis=0)


def change_one_weight(filters):
    filters[17, 3] += np.float32(1e-3)


def lose_a_number(filters):
    filters[5, 2] = np.nan


@pytest.mark.parametrize("tamper", [swap_channels, swap_units, shift_a_lag, change_one_weight, lose_a_number])
def test_tampered_filters_are_refused(tamper, windows, filters):
    other = filters.copy()
    tamper(other)
    with pytest.raises(DecoderError, match=r"exported graph differs from (torch|numpy) by \S+ of a spike's height"):
        check_parity(graph(other), windows, filters)


def test_a_window_that_is_no_number_is_refused(windows, filters):
    windows[-1, 0] = np.nan
    with pytest.raises(DecoderError, match="by nan of a spike"):
        check_parity(graph(filters), windows, filters)


def test_nothing_to_compare_is_refused(windows, filters):
    with pytest.raises(DecoderError, match="no window"):
        check_parity(graph(filters), windows[:0], filters)


def test_an_artefact_a_million_times_too_high_does_not_fail_a_faithful_graph(windows, filters):
    windows[5] *= np.float32(1e6)
    report = check_parity(graph(filters), windows, filters)
    assert report.max_abs > TOLERANCE > report.max_rel
