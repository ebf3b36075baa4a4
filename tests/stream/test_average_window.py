"""The window of an average, and what is signal and what is noise in it."""

import math
import subprocess
import sys

import numpy as np
import pytest

from myodrive.stream.average_window import AFTER_S, BEFORE_S, SNR_WINDOW_S, noise_of_average, snr_db, window_samples

FS_HZ = 2048.0


def test_a_window_is_a_whole_number_of_samples_before_and_after():
    assert window_samples(2000.0) == (50, 60)
    before, after = window_samples(FS_HZ)
    assert abs(before / FS_HZ - BEFORE_S) <= 0.5 / FS_HZ
    assert abs(after / FS_HZ - AFTER_S) <= 0.5 / FS_HZ


def test_the_noise_of_n_equal_windows_is_their_unbiased_variance_over_n():
    windows = np.random.default_rng(0).normal(0.0, 3.0, 12)
    noise = noise_of_average(np.array([windows.var(), 1.0, 1.0]), np.array([1 / 12, 1.0, 0.0]))
    assert noise[0] == pytest.approx(windows.var(ddof=1) / 12)
    assert np.isnan(noise[1:]).all()  # of one window, and of none


def test_a_known_ratio_comes_out_and_channels_of_unknown_noise_are_left_out():
    samples = sum(window_samples(FS_HZ))
    mean = np.full((samples, 2), 2.0, np.float32)
    mean[:, 1] = 1e6
    ratio = (samples * 4.0 - samples * 0.5) / (SNR_WINDOW_S * FS_HZ) / 0.5
    assert snr_db(mean, np.array([0.5, np.nan]), FS_HZ) == pytest.approx(10 * math.log10(ratio))


def test_without_noise_that_is_known_there_is_no_ratio_and_without_signal_it_is_endless():
    mean = np.zeros((113, 3), np.float32)
    assert math.isnan(snr_db(mean, np.full(3, np.nan), FS_HZ))
    assert math.isnan(snr_db(mean, np.zeros(3), FS_HZ))
    assert snr_db(mean, np.ones(3), FS_HZ) == -math.inf
    assert snr_db(mean + 1, np.zeros(3), FS_HZ) == math.inf


def test_a_parameter_model_is_read_without_the_kernels():
    """Numba alone takes longer to import than a model takes to be tried."""
    code = "import myodrive.stream.parameter_model, sys; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
