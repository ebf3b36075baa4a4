"""From all over the space, and at all delays: what began in a wrong valley is mended."""

import numpy as np
import pytest

from myodrive.models.bmiss.fit import fit
from myodrive.models.bmiss.prewhitening import Prewhitener
from myodrive.models.bmiss.proposals import latin_hypercube
from myodrive.models.bmiss.restart import REACH_S, Dictionary, moved

from .travelling import RANGES, TravellingWave, spread, white

FS_HZ = 1000.0
WIDTH = np.array([high - low for low, high in RANGES.values()])


@pytest.fixture(scope="module")
def generator():
    return TravellingWave()


@pytest.fixture(scope="module")
def whitener():
    return Prewhitener.of(np.random.default_rng(0).standard_normal((3000, 9)).astype(np.float32), 3, 0.0)


@pytest.fixture(scope="module")
def entries(generator):
    return latin_hypercube(generator.low, generator.high, 120, seed=0)  # more than two batches


@pytest.fixture(scope="module")
def dictionary(generator, whitener, entries):
    return Dictionary(generator, whitener, entries, FS_HZ)


def test_entries_find_themselves_and_how_much_later_they_are(generator, whitener, entries, dictionary):
    which, later = np.array([3, 60, 110]), np.array([0, 9, -6])
    measured = white(generator, whitener, entries[which])
    assert measured.shape[1] == dictionary.window
    measured = np.stack([moved(one, d) for one, d in zip(measured, later, strict=True)])
    entry, found = dictionary.closest(5.0 * measured, 3)
    assert entry.shape == found.shape == (3, 3)
    np.testing.assert_array_equal(entry[:, 0], which)
    np.testing.assert_array_equal(found[:, 0], later)


def test_no_more_entries_are_given_than_there_are(generator, whitener, entries):
    few = Dictionary(generator, whitener, entries[:2], FS_HZ)
    measured = white(generator, whitener, entries[:1])
    entry, later = few.closest(measured, 5)
    assert entry.shape == later.shape == (1, 2)
    fitted, _ = few.fit(measured, 5, 2)
    np.testing.assert_allclose(fitted.theta, entries[:1], atol=1e-3)


def test_a_start_in_the_wrong_valley_is_mended(generator, whitener, dictionary):
    truth = spread(6, seed=3)
    measured = white(generator, whitener, truth, 0.3)
    other_side = truth * [-1, 1, 1] + [0.0, 1.0, 0.5]
    astray = fit(generator, whitener, measured, other_side, 12)
    assert (astray.likeness < 0.9).any()
    mended, later = dictionary.fit(measured, 4, 12)
    np.testing.assert_allclose((mended.theta - truth) / WIDTH, 0.0, atol=5e-3)
    np.testing.assert_allclose(later + mended.delay, 0.3, atol=0.05)
    assert (mended.left <= astray.left + 1e-3).all()


@pytest.mark.parametrize("samples", [-5, 10])
def test_a_delay_beyond_the_reach_of_the_fit_is_told(generator, whitener, dictionary, samples):
    truth = spread(4, seed=4)
    measured = np.stack([moved(one, samples) for one in white(generator, whitener, truth)])
    found, later = dictionary.fit(measured, 4, 12)
    np.testing.assert_allclose(later + found.delay, samples, atol=0.1)
    np.testing.assert_allclose((found.theta - truth) / WIDTH, 0.0, atol=0.01)


def test_what_is_moved_out_of_the_window_is_left_unexplained(generator, whitener, dictionary):
    window = dictionary.window
    measured = np.random.default_rng(1).standard_normal((4, window, 9)).astype(np.float32)
    found, later = dictionary.fit(measured, 6, 3)
    assert later.any()
    for unit in range(4):
        model = found.gain[unit] * white(generator, whitener, found.theta[[unit]], found.delay[unit])[0]
        left = np.pad(measured[unit], ((window, window), (0, 0)))
        left[window + later[unit] :][:window] -= model
        assert found.left[unit] == pytest.approx(np.sum(left.astype(np.float64) ** 2), rel=1e-3)
        assert found.likeness[unit] ** 2 == pytest.approx(1 - found.left[unit] / np.sum(measured[unit] ** 2), abs=1e-4)


def test_it_reaches_no_further_than_its_window(whitener, entries):
    short = TravellingWave(samples=6, fires_at=1)
    dictionary = Dictionary(short, whitener, entries[:1], FS_HZ)
    assert dictionary.window < REACH_S * FS_HZ
    only = white(short, whitener, entries[:1])[0]  # (window, channels)
    against = np.random.default_rng(0).uniform(-2.0, -1.0, (40, len(only)))  # at no delay like it, at most unlike
    measured = np.zeros((40, *only.shape), np.float32)
    measured[:, 0] = np.linalg.lstsq(only, against.T, rcond=None)[0].T
    _, later = dictionary.fit(measured, 1, 1)
    assert (np.abs(later) < dictionary.window).all()


@pytest.mark.parametrize("later", [-3, 0, 4])
def test_moved_by_whole_samples_with_silence_where_nothing_is_known(later):
    waveform = np.arange(1.0, 21.0, dtype=np.float32).reshape(10, 2)
    found = moved(waveform, later)
    for t in range(10):
        expected = waveform[t - later] if 0 <= t - later < 10 else np.zeros(2)
        np.testing.assert_array_equal(found[t], expected)
