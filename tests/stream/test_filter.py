"""The causal filter: its twin, scipy's, any chunking, and no transient from an electrode's offset."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.filter import CausalFilter, filter_reference


def sections_of(fs_hz=2048.0, order=2):
    notch = scipy.signal.tf2sos(*scipy.signal.iirnotch(50, 30, fs_hz))
    return np.vstack([scipy.signal.butter(order, [20, 500], "bandpass", fs=fs_hz, output="sos"), notch])


def emg(seed, samples, channels, offset=0.0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 100, (samples, channels)) + offset * rng.normal(0, 1, channels)
    return np.ascontiguousarray(noise, np.float32)


def chunks(signal, sizes):
    start, i = 0, 0
    while start < len(signal):
        yield signal[start : start + sizes[i % len(sizes)]]
        start += sizes[i % len(sizes)]
        i += 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 67), st.integers(1, 4))
def test_the_kernel_equals_its_reference(seed, samples, channels, order):
    sections = sections_of(order=order)
    signal = emg(seed, samples, channels)
    expected, _ = filter_reference(signal, sections, np.zeros((len(sections), 2, channels)))
    filter_ = CausalFilter(sections, channels)
    filter_(np.zeros((1, channels), np.float32))  # from now on the state is that of silence
    found = signal.copy()
    filter_(found)
    assert np.array_equal(found, expected) or np.abs(found - expected).max() < 1e-4


def test_the_filter_is_scipys_sosfilt():
    sections = sections_of()
    signal = emg(1, 3000, 5)
    found = np.vstack([np.zeros((1, 5), np.float32), signal])
    CausalFilter(sections, 5)(found)
    expected = scipy.signal.sosfilt(sections, signal.astype(np.float64), axis=0)
    assert np.abs(found[1:] - expected).max() < 1e-4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any))
def test_any_chunking_gives_the_same_bits(seed, sizes):
    whole = emg(seed, 300, 7, offset=5000)
    parts = whole.copy()
    CausalFilter(sections_of(), 7)(whole)
    filter_ = CausalFilter(sections_of(), 7)
    for part in chunks(parts, sizes):
        filter_(part)
    assert whole.tobytes() == parts.tobytes()


@pytest.mark.parametrize("offset", [1.0, -30_000.0, 300_000.0])
def test_a_constant_offset_makes_no_transient_after_a_reset(offset):
    filter_ = CausalFilter(sections_of(), 3)
    filter_(emg(0, 500, 3))
    filter_.reset()
    block = np.full((400, 3), offset, np.float32)
    filter_(block)
    assert np.abs(block).max() < 1e-6 * abs(offset) + 1e-6


def test_without_a_reset_the_past_matters():
    sections = sections_of()
    fresh, used = CausalFilter(sections, 2), CausalFilter(sections, 2)
    used(emg(3, 50, 2, offset=1000))
    first, second = emg(4, 50, 2), emg(4, 50, 2)
    fresh(first)
    used(second)
    assert not np.array_equal(first, second)
    used.reset()
    second = emg(4, 50, 2)
    used(second)
    assert np.array_equal(first, second)


def test_an_empty_block_right_after_a_reset_changes_nothing():
    filter_, other = CausalFilter(sections_of(), 2), CausalFilter(sections_of(), 2)
    filter_(np.zeros((0, 2), np.float32))
    first, second = emg(4, 50, 2, offset=100), emg(4, 50, 2, offset=100)
    filter_(first)
    other(second)
    assert np.array_equal(first, second)


def test_the_kernel_refuses_what_is_not_float32_rows():
    with pytest.raises(TypeError):
        CausalFilter(sections_of(), 2)(np.zeros((4, 2)))
    with pytest.raises(TypeError):
        CausalFilter(sections_of(), 2)(np.zeros((2, 4), np.float32).T)
