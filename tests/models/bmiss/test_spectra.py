"""By frequency or over time: whitened waveforms have the same products, delays and slopes."""

import numpy as np
import pytest

from myodrive.models.bmiss.fit import delayed
from myodrive.models.bmiss.prewhitening import Prewhitener
from myodrive.models.bmiss.spectra import WhitenedSpectra

SAMPLES, CHANNELS, MOST_DELAY = 40, 5, 2.5


@pytest.fixture(scope="module", params=[1, 2, 5])
def whitener(request):
    """Of noise that is correlated over time and channels."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((4000, CHANNELS)) @ (np.eye(CHANNELS) + 0.3 * rng.standard_normal((CHANNELS,) * 2))
    noise[1:] += 0.6 * noise[:-1]
    return Prewhitener.of(noise.astype(np.float32), request.param, 0.01)


@pytest.fixture(scope="module", params=[SAMPLES, SAMPLES + 1])
def waveforms(request):
    """Smooth, and nothing at their ends: shape (units, waveforms, samples, channels)."""
    drawn = np.random.default_rng(0).standard_normal((3, 2, request.param, CHANNELS))
    smooth = np.apply_along_axis(np.convolve, 2, drawn, np.hanning(9), "same")
    smooth[:, :, :8] = smooth[:, :, -8:] = 0.0
    return np.apply_along_axis(np.convolve, 2, smooth, np.hanning(9), "same").astype(np.float32)


@pytest.fixture(scope="module")
def view(whitener, waveforms):
    return WhitenedSpectra(whitener, waveforms.shape[2], MOST_DELAY)


def spectra_of(view, waveforms):
    return view.of_plain(np.ascontiguousarray(waveforms.swapaxes(2, 3)))


def products(first, second):
    """Of every unit's waveforms."""
    return np.einsum("uatc,ubtc->uab", first, second.conj()).real


def test_products_are_those_over_time(whitener, waveforms, view):
    rng = np.random.default_rng(1)
    measured = rng.standard_normal((3, waveforms.shape[2] + whitener.lags - 1, CHANNELS)).astype(np.float32)
    white, spectra = whitener.waveforms(waveforms), spectra_of(view, waveforms)
    size = np.sqrt(np.sum(white[:, 0] ** 2) * np.sum(measured**2) / 9)
    assert spectra.dtype == np.complex64
    np.testing.assert_allclose(products(spectra, spectra), products(white, white), rtol=1e-4, atol=1e-4 * size)
    by_frequency = products(spectra, view.of_whitened(measured)[:, None])
    np.testing.assert_allclose(by_frequency, products(white, measured[:, None]), atol=1e-5 * size)
    power = np.sum(np.abs(view.of_whitened(measured)) ** 2, axis=(1, 2))
    np.testing.assert_allclose(power, np.sum(measured**2, axis=(1, 2)), rtol=1e-5)


def test_delays_are_those_over_time(whitener, waveforms, view):
    delay = np.array([-2.0, 0.3, 2.5])
    later = view.delayed(spectra_of(view, waveforms), delay)
    expected = view.of_whitened(whitener.waveforms(delayed(waveforms, delay))[:, 0])
    np.testing.assert_allclose(later[:, 0], expected, atol=2e-3 * np.abs(expected).max())


def test_the_slope_by_delay_is_a_turn_of_the_phase(waveforms, view):
    spectra = spectra_of(view, waveforms)
    sooner, later = (view.delayed(spectra, np.full(3, by)) for by in (-0.05, 0.05))
    slope = spectra * view.turning[:, None]
    np.testing.assert_allclose(slope, (later - sooner) / 0.1, atol=5e-3 * np.abs(slope).max())


def test_nothing_wraps_round(whitener, waveforms, view):
    ends = np.zeros_like(waveforms[:1, :1])
    ends[:, :, [0, -1]] = 1.0
    spectra = spectra_of(view, ends)
    for by in (-2.0, 2.0):
        moved = view.delayed(spectra, np.array([by]))
        unmoved = np.abs(products(moved, spectra)[0, 0, 0])
        white = np.pad(whitener.waveforms(ends)[0, 0], ((2, 2), (0, 0)))
        np.testing.assert_allclose(unmoved, abs(np.sum(white * np.roll(white, int(by), axis=0))), rtol=1e-3, atol=1e-3)
