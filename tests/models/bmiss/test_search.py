"""The whole search on a muscle of which everything is known."""

from dataclasses import replace

import numpy as np
import pytest

from myodrive.models.bmiss import search as searching
from myodrive.models.bmiss.fit import shapes
from myodrive.models.bmiss.pursuit import Pursuit
from myodrive.models.bmiss.restart import Dictionary
from myodrive.models.bmiss.search import invert
from myodrive.models.bmiss.units import Muscle
from myodrive.stream.errors import CalibrationError

from .small_world import FS_HZ, QUICK, grid, small_world

ONE_ROUND = replace(QUICK, rounds=1)


def searched(world, settings=QUICK, **keywords):
    return invert(world.emg, world.geometry, world.generator_of, settings, fs_hz=FS_HZ, **keywords)


def owners(world, found):
    """The true unit of each unit found, each of which must be one."""
    owner, roa = zip(*map(world.owner, found.trains), strict=True)
    assert len(set(owner)) == len(owner)
    assert min(roa) > 0.9
    return np.array(owner)


def test_all_units_are_found_each_once_where_they_are(world, inverted):
    owner = owners(world, inverted)
    assert len(owner) == len(world.trains)
    assert world.astray(inverted.theta, owner) < 0.1
    assert inverted.names == world.generator.names
    assert inverted.misfit.shape == (len(owner),)
    assert (inverted.misfit < 0.05).all()


def test_waveforms_are_the_true_ones_in_the_emgs_unit(world, inverted):
    for found, owner in zip(inverted.waveforms, owners(world, inverted), strict=True):
        true = world.waveforms[owner]
        assert np.linalg.norm(found - true) < 0.15 * np.linalg.norm(true)


def test_discharges_are_told_to_the_sample(world, inverted):
    assert inverted.fires_at == world.generator.fires_at
    for train, owner in zip(inverted.trains, owners(world, inverted), strict=True):
        inside = train[(train > 50) & (train < len(world.emg) - 50)]  # nothing is known of a waveform cut off
        assert np.isin(inside, world.trains[owner]).mean() > 0.9
        assert (np.diff(train) > 0).all()


def test_the_log_tells_what_each_round_did(world, inverted):
    for one in inverted.log:
        assert one.held == len(one.trains)
        assert min(one.starts, one.astray, one.again, one.new) >= 0
    assert sum(one.new for one in inverted.log) >= inverted.log[-1].held
    seconds = [one.seconds for one in inverted.log]
    assert 0 < seconds[0]
    assert seconds == sorted(seconds)
    noise_share = 1 / 11  # 10 dB below the units' power
    assert inverted.log[-1].power_left == pytest.approx(noise_share, rel=0.2)


def test_the_same_seed_finds_the_same_in_any_unit_of_the_emg(world, inverted):
    volts = np.float32(2.0**-20)  # exact in floating point
    again = searched(replace(world, emg=world.emg * volts))
    np.testing.assert_array_equal(again.theta, inverted.theta)
    np.testing.assert_array_equal(again.waveforms, inverted.waveforms * volts)
    for one, other in zip(again.trains, inverted.trains, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_order_of_channels_changes_nothing(world, inverted):
    order = np.random.default_rng(1).permutation(len(world.geometry))
    shuffled = world.reordered(order)
    found = searched(shuffled)
    owner = owners(shuffled, found)
    assert set(owner) == set(owners(world, inverted))
    assert world.astray(found.theta, owner) < 0.1
    strongest = int(np.argmax(np.linalg.norm(found.waveforms, axis=(1, 2))))
    true = world.waveforms[owner[strongest]][:, order]
    assert np.linalg.norm(found.waveforms[strongest] - true) < 0.15 * np.linalg.norm(true)


def test_what_is_found_before_an_interruption_is_kept(world):
    told = []

    def stop(share, units):
        told.append((share, units))
        raise KeyboardInterrupt

    found = searched(world, progress=stop)
    assert len(told) == len(found.log) == 1
    assert 0 < told[0][0] < 1
    assert told[0][1] == found.log[0].held == len(found.log[0].trains)
    assert len(owners(world, found)) > 0


def test_an_interruption_before_anything_is_found_finds_nothing(world, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "_look", interrupted)
    found = searched(world, replace(QUICK, blind=0))
    nothing_found(world, found)
    assert found.log == ()


def nothing_found(world, found):
    assert found.trains == found.firings == ()
    assert found.theta.shape == (0, len(found.names))
    assert found.waveforms.shape == (0, world.generator.samples, len(world.geometry))
    assert found.misfit.shape == (0,)


def test_there_are_no_units_in_noise(world):
    noise = np.random.default_rng(0).standard_normal(world.emg.shape).astype(np.float32)
    nothing_found(world, searched(replace(world, emg=noise)))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_emg_that_cannot_be_searched_is_said_so(world, value):
    with pytest.raises(CalibrationError, match="flat"):
        searched(replace(world, emg=np.full_like(world.emg, value)))


@pytest.mark.parametrize(
    ("off", "of", "names"),
    [
        ({"joint": False}, Muscle, ["refit"]),
        ({"knots": False}, Pursuit, ["exchange", "rebuild"]),
        ({"blind": 0}, searching, ["blind_search"]),
        ({"restarts": 0, "blind": 0}, Dictionary, ["fit"]),
    ],
    ids=["joint", "knots", "blind", "restarts"],
)
def test_a_stage_that_is_off_is_left_out(world, monkeypatch, off, of, names):
    def called(*arguments):
        raise AssertionError("a stage that is off was gone through")

    for name in names:
        monkeypatch.setattr(of, name, called)
    found = searched(world, replace(ONE_ROUND, **off))
    assert len(owners(world, found)) > len(world.trains) // 2


def test_without_measured_waveforms_they_are_the_generators(world):
    found = searched(world, replace(ONE_ROUND, measured=False))
    assert len(owners(world, found)) > len(world.trains) // 2
    model = shapes(world.generator, found.theta)
    product = np.einsum("utc,utc->u", model, found.waveforms)
    likeness = product / np.linalg.norm(model, axis=(1, 2)) / np.linalg.norm(found.waveforms, axis=(1, 2))
    assert likeness.min() > 0.97  # but for parts of a sample of delay


def test_a_wide_array_is_searched_in_parts():
    wide = small_world(grid(3, 18), seed=1)
    found = searched(wide, ONE_ROUND)
    owner = owners(wide, found)
    assert len(owner) >= len(wide.trains) - 1
    assert wide.astray(found.theta, owner) < 0.1
    assert found.waveforms.shape[2] == len(wide.geometry)
