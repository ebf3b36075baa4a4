"""The band-pass that a decoder carries."""

import numpy as np
import pytest
import scipy.signal

from myodrive.models.bandpass import design_filter
from myodrive.stream.errors import OptionError
from myodrive.stream.filter import CausalFilter


def gain(settings, fs_hz, *hz):
    _, response = scipy.signal.sosfreqz(np.array(settings.sections), worN=np.array(hz, float), fs=fs_hz)
    return np.abs(response)


@pytest.mark.parametrize("fs_hz", [1000.0, 2000.0, 2048.0, 10_240.0])
def test_the_edges_are_half_the_power_and_the_middle_passes(fs_hz):
    settings = design_filter(fs_hz)
    edges = gain(settings, fs_hz, settings.low_hz, settings.high_hz)
    np.testing.assert_allclose(edges, np.sqrt(0.5), rtol=1e-6)
    np.testing.assert_allclose(gain(settings, fs_hz, 100.0, 150.0), 1.0, atol=0.01)
    assert gain(settings, fs_hz, 1e-3)[0] < 1e-6  # an electrode's offset


@pytest.mark.parametrize(("fs_hz", "high_hz"), [(2048.0, 500.0), (1000.0, 450.0), (500.0, 225.0)])
def test_the_upper_edge_stays_below_half_the_rate(fs_hz, high_hz):
    assert design_filter(fs_hz).high_hz == high_hz


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_the_notches_take_the_mains_and_its_harmonics_only(mains_hz):
    settings = design_filter(2048.0, mains_hz=mains_hz)
    assert settings.notch_hz == [mains_hz, 2 * mains_hz, 3 * mains_hz]
    assert gain(settings, 2048.0, *settings.notch_hz).max() < 1e-6
    assert gain(settings, 2048.0, 1.5 * mains_hz, 2.5 * mains_hz).min() > 0.95


def test_harmonics_beyond_the_pass_band_are_left_out():
    assert design_filter(300.0, mains_hz=60.0).notch_hz == [60.0, 120.0]
    assert design_filter(2048.0).notch_hz == []


@pytest.mark.parametrize("fs_hz", [250.0, 2048.0, 50_000.0])
def test_it_is_stable_and_as_the_runtime_wants_it(fs_hz):
    sections = np.array(design_filter(fs_hz, mains_hz=50.0).sections)
    assert sections.shape[1] == 6
    np.testing.assert_array_equal(sections[:, 3], 1.0)
    assert max(np.abs(np.roots(section[3:])).max() for section in sections) < 1.0
    impulse = np.zeros((round(2 * fs_hz), 1), np.float32)
    impulse[0] = 1.0
    CausalFilter(sections.tolist(), 1)(impulse)
    assert np.abs(impulse[-10:]).max() < 1e-5


@pytest.mark.parametrize(("fs_hz", "options"), [(40.0, {}), (2048.0, {"low_hz": 600.0}), (2048.0, {"low_hz": 0.0})])
def test_an_empty_pass_band_is_refused(fs_hz, options):
    with pytest.raises(OptionError, match="is empty"):
        design_filter(fs_hz, **options)
