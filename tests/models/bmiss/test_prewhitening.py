"""After prewhitening, noise of any colour is white, and waveforms look as a recording of them would."""

import numpy as np
import pytest
import scipy.signal

from myodrive.models.bmiss.prewhitening import Prewhitener
from myodrive.models.extension import extended_covariance
from myodrive.stream.errors import CalibrationError

LAGS = 6


def coloured(samples=20000, channels=4, seed=0):
    """Noise that is correlated over time and channels, as an autoregression of order 2 of mixed channels."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((samples, channels)) @ rng.standard_normal((channels, channels))
    return (30.0 * scipy.signal.lfilter([1.0], [1.0, -1.3, 0.6], noise, axis=0)).astype(np.float32)


def test_what_is_left_is_white_over_lags_and_channels():
    emg = coloured()
    assert abs(np.corrcoef(emg[1:, 0], emg[:-1, 0])[0, 1]) > 0.5
    white = Prewhitener.of(emg, LAGS, 0.0)(emg)
    assert white.dtype == np.float32
    np.testing.assert_allclose(extended_covariance(white, 12), np.eye(12 * 4), atol=0.04)


def test_it_whitens_what_it_has_not_seen():
    emg, others = coloured(), coloured(seed=1)  # the second of channels mixed otherwise
    whitener = Prewhitener.of(emg[:10000], LAGS, 0.0)
    np.testing.assert_allclose(extended_covariance(whitener(emg[10000:]), 3), np.eye(12), atol=0.1)
    assert np.abs(extended_covariance(whitener(others), 3) - np.eye(12)).max() > 0.5


@pytest.mark.parametrize("lags", [1, 2, LAGS])
def test_waveforms_come_out_as_a_recording_of_them_does(lags):
    whitener = Prewhitener.of(coloured(), lags, 1.0)
    waveforms = np.random.default_rng(1).standard_normal((3, 2, 15, 4)).astype(np.float32)
    found = whitener.waveforms(waveforms)
    assert found.shape == (3, 2, 15 + lags - 1, 4)
    for one, expected in zip(waveforms.reshape(-1, 15, 4), found.reshape(-1, 15 + lags - 1, 4), strict=True):
        alone = np.zeros((60, 4), np.float32)
        alone[20:35] = one
        recorded = whitener(alone)
        np.testing.assert_allclose(recorded[20 - (lags - 1) : 35], expected, atol=1e-4)
        assert not recorded[: 20 - (lags - 1)].any()  # nothing earlier
        assert not recorded[35:].any()  # nothing later


def test_a_recording_shorter_than_the_filter_is_whitened_as_a_waveform_is():
    whitener = Prewhitener.of(coloured(), LAGS, 1.0)
    short = coloured(3, seed=2)
    np.testing.assert_allclose(whitener(short), whitener.waveforms(short)[LAGS - 1 :], rtol=1e-4, atol=1e-4)


def test_gain_goes_out_of_the_whitened_emg_and_into_the_filter():
    emg = coloured()
    loud, quiet = Prewhitener.of(emg, LAGS, 0.0), Prewhitener.of(1e-3 * emg, LAGS, 0.0)
    np.testing.assert_allclose(quiet.matrix, 1e3 * loud.matrix, rtol=2e-3, atol=1e-3 * np.abs(quiet.matrix).max())


def test_a_ridge_holds_back_what_there_is_little_of():
    emg = coloured()
    emg[:, 3] *= 1e-3
    power = float(np.mean(np.square(emg)))
    plain, held = Prewhitener.of(emg, LAGS, 0.0)(emg), Prewhitener.of(emg, LAGS, power)(emg)
    np.testing.assert_allclose(plain.var(axis=0), 1.0, atol=0.02)
    assert held[:, 3].var() < 1e-4
    assert (held.var(axis=0) < 1.0).all()


@pytest.mark.parametrize("ridge", [0.0, 1e-6])
def test_channels_that_one_source_drives_are_no_obstacle(ridge):
    rng = np.random.default_rng(0)
    smooth = np.convolve(rng.standard_normal(5050), np.hanning(51), "valid")[:, None]
    emg = np.tile(smooth / smooth.std(), 40).astype(np.float32)  # channel 0, forty times
    white = Prewhitener.of(emg, LAGS, ridge)(emg)
    assert np.isfinite(white).all()
    assert 0 < white.var() < 1.0


def test_what_cannot_be_whitened_is_said_so():
    emg = coloured(500)
    emg[100, 2] = np.nan
    with pytest.raises(CalibrationError, match="no numbers"):
        Prewhitener.of(emg, LAGS, 1.0)
    with pytest.raises(CalibrationError, match="flat"):
        Prewhitener.of(np.zeros((500, 3), np.float32), LAGS, 0.0)
