"""Answers of waveforms: to the EMG at every instant, and to each other at every shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.models.bmiss.correlation import answers, cross_answers


def answers_plain(whitened, waveforms, before, step):
    """Instant by instant, sample by sample."""
    found = np.zeros((len(waveforms), -(-len(whitened) // step)))
    for k, waveform in enumerate(waveforms):
        for place, t in enumerate(range(0, len(whitened), step)):
            for u, row in enumerate(waveform):
                if 0 <= t - before + u < len(whitened):
                    found[k, place] += whitened[t - before + u].astype(np.float64) @ row
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(1, 12), st.integers(1, 4), st.integers(1, 50),
    st.integers(1, 7),
)  # fmt: skip
def test_answers_are_those_of_the_plain_loop(seed, units, window, channels, samples, step):
    rng = np.random.default_rng(seed)
    whitened = rng.standard_normal((samples, channels)).astype(np.float32)
    waveforms = rng.standard_normal((units, window, channels)).astype(np.float32)
    before = int(rng.integers(0, window))
    found = answers(whitened, waveforms, before, step)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, answers_plain(whitened, waveforms, before, step), atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 12), st.integers(1, 4))
def test_cross_answers_are_what_a_discharge_changes(seed, units, window, channels):
    rng = np.random.default_rng(seed)
    waveforms = rng.standard_normal((units, window, channels)).astype(np.float32)
    before, t = int(rng.integers(0, window)), 2 * window
    found = cross_answers(waveforms)
    assert found.shape == (units, units, 2 * window - 1)
    for j in range(units):
        emg = np.zeros((5 * window, channels), np.float32)
        emg[t - before : t - before + window] = waveforms[j]
        change = answers(emg, waveforms, before)
        np.testing.assert_allclose(found[j], change[:, t - window + 1 : t + window], atol=1e-4)
        change[:, t - window + 1 : t + window] = 0
        np.testing.assert_allclose(change, 0.0, atol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 31])
def test_two_units_change_each_other_alike(window):
    waveforms = np.random.default_rng(0).standard_normal((4, window, 3)).astype(np.float32)
    found = cross_answers(waveforms)
    np.testing.assert_allclose(found, found.transpose(1, 0, 2)[..., ::-1], atol=1e-4)
    power = np.einsum("utc,utc->u", waveforms, waveforms)
    np.testing.assert_allclose(found[range(4), range(4), window - 1], power, rtol=1e-5)


def test_there_is_nothing_to_cross_without_units():
    assert cross_answers(np.zeros((0, 7, 3), np.float32)).shape == (0, 0, 13)
