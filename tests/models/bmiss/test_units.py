"""All units together: their discharges by pursuit, and their waveforms and parameters from these."""

from dataclasses import replace

import numpy as np
import pytest

from myodrive.models.bmiss.fit import shapes
from myodrive.models.bmiss.generator import BOTH_ENDS
from myodrive.models.bmiss.units import Muscle
from myodrive.models.peeling import subtract

from .small_world import FS_HZ, QUICK, SmallWorld, grid, small_world

PENALTIES = (8.0, 6.0)


def gains(world):
    """Of units that are as large as the generator's, at the world's own scale."""
    return np.full(len(world.trains), 1 / np.sqrt(np.mean(world.emg**2)))


def muscle_of(world: SmallWorld, settings=QUICK):
    """The world at its own scale, and its units as the generator has them."""
    scale = np.float32(np.sqrt(np.mean(np.square(world.emg))))
    muscle = Muscle(world.emg / scale, world.geometry, world.generator_of, settings, FS_HZ)
    return muscle, muscle.new_units(world.theta.copy(), gains(world), list(world.trains))


@pytest.fixture(scope="module")
def known(world):
    return muscle_of(world)


def without_trains(units):
    return replace(units, trains=[train[:0] for train in units.trains])


def difference(found, expected):
    """By unit, of the expected waveform's length."""
    return np.linalg.norm(found - expected, axis=(1, 2)) / np.linalg.norm(expected, axis=(1, 2))


def inside(train, world):
    """Discharges whose waveforms lie in the recording."""
    return train[(train >= 50) & (train < len(world.emg) - 50)]


def test_true_units_leave_the_noise(world, known):
    muscle, units = known
    noise_share = 1 / 11
    assert muscle.left_by(muscle.none()).var() == pytest.approx(muscle.emg.var())
    assert muscle.left_by(units).var() == pytest.approx(noise_share * muscle.emg.var(), rel=0.03)


def test_true_waveforms_find_all_discharges(world, known):
    muscle, units = known
    found, pursuit = muscle.pursue(without_trains(units), PENALTIES, True)
    for one, train, kept in zip(found.trains, world.trains, pursuit.trains, strict=True):
        np.testing.assert_array_equal(inside(one, world), inside(train, world))
        np.testing.assert_array_equal(one, kept)
    assert found.waveforms is units.waveforms


def test_each_source_is_judged_with_all_others_taken_out(world, known):
    muscle, units = known
    _, pursuit = muscle.pursue(units, PENALTIES, False)
    judged = muscle.sources(pursuit)
    assert len(judged) == len(units)
    for one, train in zip(judged, world.trains, strict=True):
        np.testing.assert_array_equal(inside(one.spikes, world), inside(train, world))
        assert one.sil > 0.95


def test_fitting_anew_ends_at_the_truth(world, known):
    muscle, units = known
    width = muscle.whole.high - muscle.whole.low
    offset = 0.03 * np.random.default_rng(0).choice([-1, 1], units.theta.shape) * width
    astray = muscle.new_units(units.theta + offset, gains(world), units.trains)
    fitted = muscle.refit(muscle.refit(astray))
    assert np.abs((fitted.theta - units.theta) / width).mean() < 0.01
    assert (difference(fitted.waveforms, units.waveforms) < 0.1).all()
    assert (difference(fitted.waveforms, units.waveforms) < 0.5 * difference(astray.waveforms, units.waveforms)).all()
    for one, train in zip(fitted.trains, units.trains, strict=True):
        np.testing.assert_array_equal(inside(one, world), inside(train, world))


def late(units, which, later, samples):
    """The same EMG, but some trains, and the windows of their waveforms, are later than the units fire."""
    trains, waveforms = list(units.trains), units.waveforms.copy()
    for unit in which:
        moved = trains[unit] + later
        trains[unit] = moved[(moved >= 0) & (moved < samples)]
        waveforms[unit] = np.roll(waveforms[unit], -later, axis=0)
    return replace(units, theta=units.theta.copy(), trains=trains, waveforms=waveforms)


def is_mended(world, units, fitted):
    for one, train in zip(fitted.trains, units.trains, strict=True):
        np.testing.assert_array_equal(inside(one, world), inside(train, world))
    assert (difference(fitted.waveforms, units.waveforms) < 0.1).all()
    assert world.astray(fitted.theta, np.arange(len(units))) < 0.05


@pytest.mark.parametrize("later", [-2, 1])
def test_trains_that_are_late_are_moved_to_when_units_fire(world, known, later):
    muscle, units = known
    is_mended(world, units, muscle.refit(late(units, range(len(units)), later, len(world.emg))))


@pytest.mark.parametrize("later", [-5, 6])
def test_a_unit_in_a_wrong_valley_is_fitted_from_elsewhere(world, known, later):
    muscle, units = known
    astray = late(units, [1, 4], later, len(world.emg))
    astray.theta[[1, 4]] = (muscle.whole.low + muscle.whole.high) / 2
    is_mended(world, units, muscle.refit(astray))


@pytest.mark.parametrize(("unit", "half_length_mm"), [(0, 57.0), (2, 50.0)])  # 11 and 12 mm too short
def test_fibres_that_end_elsewhere_are_tried_where_nothing_else_mends(monkeypatch, unit, half_length_mm):
    monkeypatch.setattr("myodrive.models.bmiss.units.ENTRIES", 1)  # as good as none to start anew from
    quiet = small_world(snr_db=20.0)
    muscle, units = muscle_of(quiet)
    theta = units.theta.copy()
    theta[unit, muscle.whole.space.place(BOTH_ENDS)] = half_length_mm
    fitted = muscle.refit(replace(units, theta=theta))
    assert quiet.astray(fitted.theta, np.arange(len(units))) < 0.05


def with_waveforms(world, waveforms, noise_share=0.1):
    """The same muscle but for its units' waveforms; noise of a share of the EMG's amplitude."""
    emg = -subtract(np.zeros_like(world.emg), world.trains, waveforms, world.generator.fires_at)
    noise = np.random.default_rng(0).standard_normal(emg.shape) * noise_share * emg.std()
    return replace(world, emg=(emg + noise).astype(np.float32), waveforms=waveforms)


@pytest.fixture(scope="module")
def other_physics(world):
    """Waveforms twice as large at the first two electrodes as the generator's."""
    waveforms = world.waveforms.copy()
    waveforms[:, :, :2] *= 2.0
    return with_waveforms(world, waveforms)


def test_what_the_generator_lacks_is_measured(other_physics):
    errors = []
    for measured in (False, True):
        muscle, units = muscle_of(other_physics, replace(QUICK, measured=measured))
        for _ in range(4):
            units = muscle.refit(units)
        errors.append(difference(units.waveforms, other_physics.waveforms * gains(other_physics)[0]))
        assert units.misfit.max() > 0.01
    assert errors[1].max() < 0.7 * errors[0].max()


def test_many_units_do_not_overshoot_together():
    """What all units' windows see alike, all units' corrections would take out together, many times over."""
    crowd = small_world(units=24)
    slow = 0.1 * np.abs(crowd.waveforms).max(axis=1, keepdims=True) * np.hanning(45)[:, None]
    muscle, units = muscle_of(with_waveforms(crowd, crowd.waveforms + slow.astype(np.float32), 0.02))
    left = []
    for _ in range(8):
        units = muscle.refit(units)
        left.append(muscle.left_by(units).var())
    assert max(left) < 1.05 * left[0]


def test_nothing_is_measured_of_noise(world, known):
    muscle, units = known
    assert (muscle.refit(units).misfit < 0.02).all()


def test_without_measuring_waveforms_are_the_generators(world):
    muscle, units = muscle_of(world, replace(QUICK, measured=False))
    fitted = muscle.refit(units)
    model = shapes(muscle.whole, fitted.theta)
    product = np.einsum("utc,utc->u", model, fitted.waveforms)
    likeness = product / np.linalg.norm(model, axis=(1, 2)) / np.linalg.norm(fitted.waveforms, axis=(1, 2))
    assert (likeness > 0.99).all()


def test_a_unit_twice_or_hardly_ever_is_not_kept(known):
    muscle, units = known
    copy = replace(units.some([2]), waveforms=0.9 * units.waveforms[[2]], trains=[units.trains[2] + 1])
    rare = replace(units.some([0]), trains=[np.array([100, 700, 1500])])
    kept = muscle.distinct(copy + units + rare, 15)
    assert len(kept) == len(units)
    np.testing.assert_array_equal(kept.waveforms, units.waveforms)
    assert len(muscle.distinct(units, 10**6)) == 0
    assert len(muscle.distinct(muscle.none(), 1)) == 0


def test_some_units_and_others_make_up_all(known):
    _, units = known
    order = [3, 0, 5]
    some = units.some(order)
    both = some + units.some([1])
    assert len(both) == 4
    for place, unit in enumerate([*order, 1]):
        np.testing.assert_array_equal(both.theta[place], units.theta[unit])
        np.testing.assert_array_equal(both.waveforms[place], units.waveforms[unit])
        np.testing.assert_array_equal(both.trains[place], units.trains[unit])
    assert len(units.some([])) == 0


def test_no_units_are_pursued_to_none(known):
    muscle, _ = known
    none, pursuit = muscle.pursue(muscle.none(), PENALTIES, True)
    assert len(none) == 0
    assert muscle.sources(pursuit) == []
    assert len(muscle.new_units(np.zeros((0, 5)), np.zeros(0), [])) == 0


def test_units_of_a_wide_array_are_fitted_where_they_are_heard():
    wide = small_world(grid(3, 18), seed=1)
    muscle, units = muscle_of(wide)
    assert len(muscle.tiles) == len(muscle.parts) == 3
    width = muscle.whole.high - muscle.whole.low
    offset = 0.02 * np.random.default_rng(0).uniform(-1, 1, units.theta.shape) * width
    fitted = muscle.refit(replace(units, theta=units.theta + offset))
    assert wide.astray(fitted.theta, np.arange(len(units))) < 0.05
    assert fitted.waveforms.shape == units.waveforms.shape
