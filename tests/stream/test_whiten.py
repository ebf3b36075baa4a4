"""The whitening stage equals its twin and whitens."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.whiten import Whitener, whiten_reference


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 90), st.integers(1, 70))
def test_the_kernel_equals_its_reference(seed, block, width, rank):
    rng = np.random.default_rng(seed)
    whitening = rng.normal(size=(width, rank)).astype(np.float32)
    out = np.full((block, rank), np.nan, np.float32)
    stage = Whitener(whitening, out)
    for _ in range(2):  # nothing of the block before stays
        stage.window[:] = rng.normal(0, 100, (block, width))
        stage()
        expected = whiten_reference(stage.window, whitening)
        assert np.abs(out - expected).max() <= 2e-6 * width * 500


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 7))
def test_a_row_is_whitened_the_same_whatever_the_other_rows_hold(seed, row):
    rng = np.random.default_rng(seed)
    out = np.zeros((8, 13), np.float32)
    stage = Whitener(rng.normal(size=(21, 13)).astype(np.float32), out)
    one = rng.normal(0, 100, 21).astype(np.float32)
    seen = set()
    for scale in (0.0, 1.0, 1e6):
        stage.window[:] = scale * rng.normal(size=(8, 21))
        stage.window[row] = one
        stage()
        seen.add(out[row].tobytes())
    assert len(seen) == 1


def test_whitened_samples_are_uncorrelated_and_of_unit_variance():
    rng = np.random.default_rng(0)
    signal = (rng.normal(size=(4000, 6)) @ rng.normal(size=(6, 6))).astype(np.float32)
    power, basis = np.linalg.eigh(np.cov(signal.T, bias=True))
    out = np.zeros((4000, 6), np.float32)
    stage = Whitener((basis / np.sqrt(power)).astype(np.float32), out)
    stage.window[:] = signal - signal.mean(axis=0)
    stage()
    assert np.abs(out.T @ out / 4000 - np.eye(6)).max() < 1e-3


def test_rows_left_out_count_as_zero_whatever_they_hold():
    rng = np.random.default_rng(2)
    whitening = rng.normal(size=(21, 13)).astype(np.float32)
    first, out = np.zeros((8, 13), np.float32), np.zeros((8, 13), np.float32)
    stage = Whitener(whitening, first)
    rows = np.arange(21) % 7 == 3
    other = stage.without(rows, out)
    stage.window[:] = other.window[:] = rng.normal(size=(8, 21))
    stage.window[:, rows] = 0
    other.window[:, rows] = 3e38
    stage()
    other()
    assert np.array_equal(out, first)


def test_the_stage_keeps_a_whitening_of_its_own():
    whitening = np.eye(3, dtype=np.float32)
    out = np.zeros((2, 3), np.float32)
    stage = Whitener(whitening, out)
    whitening[:] = 0
    stage.window[:] = 5
    stage()
    assert (out == 5).all()
