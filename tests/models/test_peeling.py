"""Waveforms by least squares, and what is left when they are taken out."""

import numpy as np
import pytest

from myodrive.models.peeling import add_response, subtract, waveforms

from .synthetic import make_trains

BEFORE = AFTER = 30


@pytest.fixture
def mixture(rng):
    """EMG that is nothing but three units' waveforms, which overlap."""
    trains = [train[(train > 100) & (train < 29_900)] for train in make_trains(rng, 3, 30_000)]
    shapes = rng.normal(size=(3, BEFORE + AFTER, 4)).astype(np.float32)
    emg = -subtract(np.zeros((30_000, 4), np.float32), trains, shapes, BEFORE)
    return emg, trains, shapes


def test_true_waveforms_leave_nothing(mixture):
    emg, trains, shapes = mixture
    assert np.abs(subtract(emg, trains, shapes, BEFORE)).max() < 1e-5


def test_waveforms_are_found_though_they_overlap(mixture):
    emg, trains, shapes = mixture
    np.testing.assert_allclose(waveforms(emg, trains, BEFORE, AFTER), shapes, atol=0.1)


def test_two_units_in_lock_step_share_their_waveform(mixture):
    emg, trains, _ = mixture
    alone = waveforms(emg, trains[:1], BEFORE, AFTER)[0]
    twice = waveforms(emg, [trains[0], trains[0]], BEFORE, AFTER)
    np.testing.assert_allclose(twice.sum(axis=0), alone, atol=0.05)


def test_subtraction_leaves_its_input_as_it_was(mixture):
    emg, trains, shapes = mixture
    before = emg.copy()
    subtract(emg, trains, shapes, BEFORE)
    np.testing.assert_array_equal(emg, before)


def test_the_edges_cost_no_error():
    emg = np.ones((200, 2), np.float32)
    trains = [np.array([0, 5, 100, 199])]
    shape = waveforms(emg, trains, BEFORE, AFTER)
    left = subtract(emg, trains, shape, BEFORE)
    assert left.shape == emg.shape
    assert (left[40:70] == 1).all()
    assert (left[130:160] == 1).all()
    assert (left[199] != 1).all()


def test_the_own_response_is_put_back_at_the_discharges():
    source = add_response(np.zeros(50, np.float32), np.array([20, 1]), np.array([1, 2, 3], np.float32), before=1)
    np.testing.assert_array_equal(np.flatnonzero(source), [0, 1, 2, 19, 20, 21])
    np.testing.assert_array_equal(source[19:22], [1, 2, 3])
