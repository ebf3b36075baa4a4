"""Spectra: the same at any rate, and without the filter's phase."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from myodrive.models.bandpass import design_filter
from myodrive.stream.spectrum import filter_response, spectrum_matrix

FREQUENCIES = np.arange(20.0, 500.0, 18.0)


def pulse(fs_hz: float, samples: int, at_s: float) -> np.ndarray:
    """A smooth biphasic pulse, the same analogue signal at any rate."""
    t = np.arange(samples) / fs_hz - at_s
    return (t / 0.002 * np.exp(-0.5 * (t / 0.002) ** 2)).astype(np.float32)


def test_the_response_is_scipys() -> None:
    sections = np.asarray(design_filter(2048.0).sections)
    expected = scipy.signal.sosfreqz(sections, FREQUENCIES, fs=2048.0)[1]
    np.testing.assert_allclose(filter_response(sections, FREQUENCIES, 2048.0), expected, rtol=1e-9)


def test_the_same_at_any_rate() -> None:
    flat = [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]
    low, high = (
        pulse(fs, round(0.055 * fs), 0.02) @ spectrum_matrix(FREQUENCIES, fs, round(0.055 * fs), flat)
        for fs in (2048.0, 5000.0)
    )
    np.testing.assert_allclose(low, high, atol=1e-3 * np.abs(high).max())


def test_the_phase_of_the_filter_is_undone_and_its_gain_left() -> None:
    fs, samples = 2048.0, 400
    sections = np.asarray(design_filter(fs).sections)
    raw = pulse(fs, samples, 0.05)
    seen = scipy.signal.sosfilt(sections, raw).astype(np.float32) @ spectrum_matrix(FREQUENCIES, fs, samples, sections)
    plain = raw @ spectrum_matrix(FREQUENCIES, fs, samples, [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    gain = np.abs(filter_response(sections, FREQUENCIES, fs))
    np.testing.assert_allclose(seen, plain * np.tile(gain, 2), atol=2e-3 * np.abs(plain).max())


@pytest.mark.parametrize("samples", [1, 113])
def test_shape(samples: int) -> None:
    assert spectrum_matrix(FREQUENCIES, 2048.0, samples, design_filter(2048.0).sections).shape == (
        samples,
        2 * len(FREQUENCIES),
    )
