"""Units found blindly: with the parameters that come closest to their waveforms, and firing when the model's fire."""

import numpy as np
import pytest

from myodrive.models.bmiss.blind import blind_search
from myodrive.models.bmiss.proposals import latin_hypercube

from .small_world import FS_HZ, QUICK, grid, small_world


@pytest.fixture(scope="module")
def world():
    """More electrodes than elsewhere: with few, blind separation asks for a longer recording."""
    return small_world(grid(8, 8), units=4, seconds=8.0)


@pytest.fixture(scope="module")
def emg(world):
    return world.emg / np.float32(np.sqrt(np.mean(np.square(world.emg))))


@pytest.fixture(scope="module")
def entries(world):
    generator = world.generator
    return latin_hypercube(generator.low, generator.high, 80, 0)


@pytest.fixture(scope="module")
def found(world, emg, entries):
    return blind_search(emg, world.generator, entries, [], QUICK, FS_HZ)


def test_units_are_found_each_once_with_their_parameters(world, found):
    owner, roa = zip(*(world.owner(one.firing.spikes) for one in found), strict=True)
    assert len(set(owner)) == len(owner) >= 2
    assert min(roa) > 0.9
    assert world.astray(np.stack([one.theta for one in found]), list(owner)) < 0.1


def test_they_fire_when_the_models_wave_sets_out(world, found):
    for one in found:
        owner, _ = world.owner(one.firing.spikes)
        nearest = np.abs(one.firing.spikes[:, None] - world.trains[owner]).min(axis=1)
        assert np.median(nearest) <= 2


def test_gain_and_likeness_are_those_of_the_emg(world, found):
    scale = np.sqrt(np.mean(np.square(world.emg)))
    np.testing.assert_allclose([one.gain * scale for one in found], 1.0, atol=0.1)  # true units have a gain of 1
    assert all(0.9 < one.likeness <= 1.0 for one in found)


def test_known_units_are_not_found_again(world, emg, entries, found):
    others = blind_search(emg, world.generator, entries, [found[0].firing.spikes], QUICK, FS_HZ)
    assert [world.owner(one.firing.spikes) for one in others] == [world.owner(one.firing.spikes) for one in found[1:]]


def test_nothing_is_found_in_noise(world, emg, entries):
    noise = np.random.default_rng(0).standard_normal(emg.shape).astype(np.float32)
    assert blind_search(noise, world.generator, entries, [], QUICK, FS_HZ) == []
