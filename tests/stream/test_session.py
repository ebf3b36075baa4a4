"""ONNX Runtime on the live path: same bits whatever surrounds a row, no memory per call, no silent fall-back."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.decoder_file import BLOCK
from myodrive.stream.errors import DecoderError, OptionError, ProviderError
from myodrive.stream.onnx_file import read_onnx
from myodrive.stream.session import SourceSession

TEMPLATE = Path(__file__).parents[2] / "export" / "decoder_template.onnx"


def graph(filters, **more):
    width, units = filters.shape
    template = read_onnx(TEMPLATE.read_bytes(), "template")
    return template.with_changes(
        {"filters": filters, **more}, None, {"window": (BLOCK, width), "sources": (BLOCK, units)}
    )


def random(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def opened(width, units, seed=0):
    filters = random(np.random.default_rng(seed), width, units)
    return SourceSession(graph(filters), width, units), filters


def test_sources_are_the_product_of_window_and_filters():
    session, filters = opened(1024, 20)
    assert session.provider == "CPUExecutionProvider"
    sources = session.sources
    for seed in range(3):
        session.window[:] = random(np.random.default_rng(seed), BLOCK, 1024)
        session.run()
        expected = session.window.astype(np.float64) @ filters
        assert np.allclose(sources, expected, atol=1e-3)  # the array handed out at the start is the one filled


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(32, 1023).map(lambda half: 2 * half + 1) | st.integers(64, 2048),
    units=st.integers(1, 80),
    place=st.integers(0, BLOCK - 1),
    scale=st.sampled_from([1e-6, 1.0, 1e6, np.nan, np.inf]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_row_gives_the_same_bits_whatever_the_other_rows_hold(width, units, place, scale, seed):
    session, _ = opened(width, units, seed)
    rng = np.random.default_rng(seed)
    row = 100 * random(rng, width)
    seen = set()
    for others in (0.0, 1.0, scale):
        session.window[:] = random(rng, BLOCK, width) * np.float32(others)
        session.window[place] = row
        session.run()
        seen.add(session.sources[place].tobytes())
    assert len(seen) == 1


def test_ten_thousand_runs_keep_nothing(memory_of):
    session, _ = opened(1024, 20)
    kept, _ = memory_of(lambda _: session.run(), 10_000)
    assert kept < 20_000  # Python itself keeps some 8 kB, once; an object of the smallest size per run makes 160 kB


def test_a_run_makes_no_array(memory_of):
    session, _ = opened(1024, 1024)
    _, most = memory_of(lambda _: session.run(), 500)
    assert most < 20_000  # the window and the sources have 32 kB each


def test_matrices_that_only_ride_along_change_nothing(capfd):
    rng = np.random.default_rng(1)
    filters = random(rng, 200, 6)
    bare = SourceSession(graph(filters), 200, 6)
    laden = SourceSession(graph(filters, inverse_covariance=random(rng, 200, 200)), 200, 6)
    bare.window[:] = laden.window[:] = random(rng, BLOCK, 200)
    bare.run()
    laden.run()
    assert np.array_equal(bare.sources, laden.sources)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (graph(np.ones((64, 5), np.float32)), r"window tensor\(float\) \[8, 64\] where window \[8, 65\] belongs"),
        (graph(np.ones((65, 4), np.float32)), r"sources tensor\(float\) \[8, 4\] where sources \[8, 5\] belongs"),
        (b"", "cannot be loaded"),
        (b"not a model", "cannot be loaded"),
    ],
)
def test_a_graph_of_another_shape_is_refused(raw, found, capfd):
    with pytest.raises(DecoderError, match=found):
        SourceSession(raw, 65, 5)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_provider_is_refused():
    with pytest.raises(OptionError, match="choose cpu or cuda"):
        SourceSession(graph(np.ones((64, 5), np.float32)), 64, 5, provider="tpu")


def test_cuda_runs_or_is_refused_but_never_becomes_the_cpu(capfd):
    filters = random(np.random.default_rng(0), 1024, 20)
    try:
        session = SourceSession(graph(filters), 1024, 20, provider="cuda")
    except ProviderError as error:
        refusal = str(error)
    else:
        refusal = None
        assert session.provider == "CUDAExecutionProvider"
        session.window[:] = random(np.random.default_rng(1), BLOCK, 1024)
        session.run()
        assert np.allclose(session.sources, session.window @ filters, atol=1e-3)
    if refusal is not None:
        assert "choose provider cpu" in refusal
        assert 'install "onnxruntime-gpu[cuda,cudnn]"' in refusal
        assert refusal.isprintable()
    assert capfd.readouterr() == ("", "")  # preload_dlls prints to stdout, where --json promises one object


def test_a_build_without_cuda_is_named(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderError, match="built without CUDA"):
        SourceSession(graph(np.ones((64, 5), np.float32)), 64, 5, provider="cuda")


def test_a_session_placed_elsewhere_is_refused(monkeypatch):
    """What ONNX Runtime does by default when CUDA fails: it takes the CPU and says so in a log line."""
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda model, *_, **__: real(model, providers=["CPUExecutionProvider"])
    )
    with pytest.raises(ProviderError, match="took CPUExecutionProvider"):
        SourceSession(graph(np.ones((64, 5), np.float32)), 64, 5, provider="cuda")


def test_the_floating_point_mode_of_the_process_stays_as_it_was():
    """ONNX Runtime can switch denormals off for NumPy and Numba too, once per process: ours must not."""
    script = (
        "import sys, numpy as np, myodrive.stream.session as s\n"
        "tiny = np.full(16, 1e-40, np.float32)\n"
        "s.SourceSession(sys.stdin.buffer.read(), 64, 5).run()\n"
        "assert (tiny * np.float32(1)).all()\n"
    )
    raw = graph(np.ones((64, 5), np.float32))
    subprocess.run([sys.executable, "-c", script], input=raw, check=True, timeout=60)
