"""Least squares of a generator: from inside the valley it ends at the truth, whatever the gain and a small delay."""

import numpy as np
import pytest
import torch

from myodrive.models.bandpass import design_filter
from myodrive.models.bmiss.fit import BATCH, MOST_DELAY, Fitted, delayed, fit, shapes, unexplained
from myodrive.models.bmiss.generator import BOTH_ENDS, FiringWindow, PhysicsGenerator
from myodrive.models.bmiss.prewhitening import Prewhitener
from myodrive.models.forward.half_space import HalfSpace
from myodrive.stream.geometry import Geometry

from .travelling import RANGES, TravellingWave, spread, white

WIDTH = np.array([high - low for low, high in RANGES.values()])


@pytest.fixture(scope="module")
def generator():
    return TravellingWave()


@pytest.fixture(scope="module")
def whitener():
    """Of noise that is correlated over time and channels."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((4000, 9)) @ (np.eye(9) + 0.3 * rng.standard_normal((9, 9)))
    noise[1:] += 0.6 * noise[:-1]
    return Prewhitener.of(noise.astype(np.float32), 4, 0.01)


@pytest.fixture(scope="module")
def truth():
    return spread(2 * BATCH + 3)


@pytest.fixture(scope="module")
def starts(truth):
    """A few hundredths of the ranges off."""
    return truth + WIDTH * np.random.default_rng(1).uniform(-0.04, 0.04, truth.shape)


def test_it_ends_at_the_truth_from_inside_the_valley(generator, whitener, truth, starts):
    found = fit(generator, whitener, white(generator, whitener, truth), starts, 12)
    np.testing.assert_allclose((found.theta - truth) / WIDTH, 0.0, atol=1e-3)
    np.testing.assert_allclose(found.delay, 0.0, atol=0.02)
    np.testing.assert_allclose(found.gain, 1.0, atol=0.01)
    np.testing.assert_allclose(found.likeness, 1.0, atol=1e-4)


def test_no_steps_leave_the_start_where_it_is(generator, whitener, truth, starts):
    found = fit(generator, whitener, white(generator, whitener, truth), starts, 0)
    np.testing.assert_array_equal(found.theta, starts)
    assert not found.delay.any()
    assert ((found.likeness > 0.5) & (found.likeness < 0.9999)).all()


def test_every_step_leaves_less_or_as_much(generator, whitener, truth, starts):
    measured = white(generator, whitener, truth)
    left = [fit(generator, whitener, measured, starts, steps).left for steps in range(6)]
    assert (np.diff(left, axis=0) <= 0).all()
    assert (left[-1] < 0.05 * left[0]).all()


@pytest.mark.parametrize("gain", [1e-5, 0.3, 1e4])
def test_the_gain_is_found_and_changes_nothing_else(generator, whitener, truth, starts, gain):
    measured = white(generator, whitener, truth[:4])
    plain = fit(generator, whitener, measured, starts[:4], 12)
    scaled = fit(generator, whitener, np.float32(gain) * measured, starts[:4], 12)
    np.testing.assert_allclose(scaled.gain, gain * plain.gain, rtol=1e-3)
    np.testing.assert_allclose((scaled.theta - plain.theta) / WIDTH, 0.0, atol=1e-3)


@pytest.mark.parametrize("later", [-1.3, 0.4, 1.2])
def test_a_delay_is_fitted_along(generator, whitener, truth, starts, later):
    found = fit(generator, whitener, white(generator, whitener, truth[:6], later), starts[:6], 15)
    np.testing.assert_allclose(found.delay, later, atol=0.02)
    np.testing.assert_allclose((found.theta - truth[:6]) / WIDTH, 0.0, atol=2e-3)


def test_what_lies_outside_is_sought_no_further_than_the_bounds(generator):
    plain = Prewhitener(1, np.eye(generator.channels, dtype=np.float32))
    outside = np.array([[26.0, 4.0, 2.0], [0.0, 7.0, 2.0], [0.0, 4.0, 0.7]])
    found = fit(generator, plain, white(generator, plain, outside), outside, 10)
    assert ((found.theta >= generator.low) & (found.theta <= generator.high)).all()
    assert found.theta[0, 0] == generator.high[0]
    assert found.theta[1, 1] == generator.high[1]
    assert found.theta[2, 2] == generator.low[2]
    inside = spread(5)
    inside[:, 2] = 3.0
    late = fit(generator, plain, white(generator, plain, inside, MOST_DELAY + 0.5), inside, 10)
    np.testing.assert_array_equal(late.delay, MOST_DELAY)


def test_likeness_and_what_is_left_are_those_of_the_waveform_that_is_found(generator, whitener, truth, starts):
    noise = np.random.default_rng(2).standard_normal(white(generator, whitener, truth).shape).astype(np.float32)
    measured = 3.0 * white(generator, whitener, truth) + 0.2 * noise
    found = fit(generator, whitener, measured, starts, 8)
    for unit in range(len(truth)):
        model = white(generator, whitener, found.theta[[unit]], found.delay[unit])[0].astype(np.float64)
        cosine = np.vdot(model, measured[unit]) / np.linalg.norm(model) / np.linalg.norm(measured[unit])
        assert found.likeness[unit] == pytest.approx(cosine, abs=1e-4)
        assert found.left[unit] == pytest.approx(np.sum((measured[unit] - found.gain[unit] * model) ** 2), rel=1e-3)


def test_a_unit_is_fitted_alike_in_any_company(generator, whitener, truth, starts):
    measured = white(generator, whitener, truth)
    together = fit(generator, whitener, measured, starts, 4)
    order = np.random.default_rng(3).permutation(len(truth))
    shuffled = fit(generator, whitener, measured[order], starts[order], 4)
    np.testing.assert_allclose(shuffled.theta, together.theta[order], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(shuffled.left, together.left[order], rtol=0.05, atol=1e-4)


def test_no_more_than_a_batch_is_asked_for_at_once(whitener, truth, starts):
    generator = TravellingWave()
    measured = white(generator, whitener, truth)
    generator.asked.clear()
    fit(generator, whitener, measured, starts, 1)
    assert max(generator.asked) == BATCH


def test_a_unit_that_has_arrived_is_not_asked_for_again(whitener, truth, starts):
    generator = TravellingWave()
    measured = white(generator, whitener, truth)
    measured += np.random.default_rng(2).standard_normal(measured.shape).astype(np.float32)
    found = fit(generator, whitener, measured, starts, 12)
    generator.asked.clear()
    longer = fit(generator, whitener, measured, found.theta, 100)
    assert sum(generator.asked) < 8 * len(truth)
    np.testing.assert_allclose(longer.left, found.left, rtol=1e-4)


def test_an_upside_down_waveform_is_of_no_unit(generator, whitener, truth):
    found = fit(generator, whitener, -white(generator, whitener, truth[:2]), truth[:2], 0)
    assert not found.gain.any()
    assert not found.likeness.any()


def test_nothing_is_like_nothing(generator, whitener, truth):
    found = fit(generator, whitener, 0.0 * white(generator, whitener, truth[:2]), truth[:2], 2)
    assert not found.gain.any()
    assert not found.likeness.any()
    assert np.isfinite(found.theta).all()


def test_no_waveforms_no_fits(generator, whitener):
    found = fit(generator, whitener, np.zeros((0, 53, 9), np.float32), np.zeros((0, 3)), 3)
    assert found.theta.shape == (0, 3)
    assert found.left.shape == (0,)


@pytest.fixture(scope="module")
def physics():
    """Units under a small array, and white noise."""
    row, col = np.divmod(np.arange(24), 6)
    geometry = Geometry(row, col, 8.0, 4, 6)
    ranges = {
        "innervation_zone_mm": (-15.0, 15.0), "conduction_velocity_m_s": (3.0, 4.5), "depth_mm": (7.0, 16.0),
        "lateral_mm": (-20.0, 20.0), BOTH_ENDS: (50.0, 70.0),
    }  # fmt: skip
    window, sections = FiringWindow(2000.0), design_filter(2000.0).sections
    generator = PhysicsGenerator(geometry, window, sections, ranges, conductor=HalfSpace())
    noise = np.random.default_rng(0).standard_normal((3000, 24)).astype(np.float32)
    return generator, Prewhitener.of(noise, 3, 0.01)


def test_physics_are_inverted_as_well(physics):
    generator, whitener = physics
    low, width = generator.low, generator.high - generator.low
    truth = low + width * np.array([[0.3, 0.4, 0.5, 0.4, 0.6], [0.6, 0.5, 0.3, 0.7, 0.4]])
    found = fit(generator, whitener, white(generator, whitener, truth), truth + 0.03 * width * [1, -1, 1, -1, 1], 10)
    np.testing.assert_allclose((found.theta - truth) / width, 0.0, atol=0.01)
    assert (found.likeness > 0.9995).all()


@pytest.mark.parametrize("stretch", [0.9, 1.1])
def test_few_steps_lead_from_slower_waves_in_shorter_fibres(physics, stretch):
    """Waves end at the same time where velocity and length go together: a long, narrow valley asks for exact slopes."""
    generator, whitener = physics
    width = generator.high - generator.low
    truth = np.array([[-1.0, 3.6, 14.0, 5.0, 60.0], [6.0, 3.8, 12.0, -12.0, 58.0]])
    start = truth * [1.0, stretch, 1.0, 1.0, stretch]
    found = fit(generator, whitener, white(generator, whitener, truth), start, 4)
    np.testing.assert_allclose((found.theta - truth) / width, 0.0, atol=2e-4)


def test_a_wave_half_a_sample_late_is_found_in_few_steps(generator, whitener, truth):
    """High frequencies of whitened waveforms are loud: a difference of neighbouring samples is no slope of theirs."""
    found = fit(generator, whitener, white(generator, whitener, truth, 0.45), truth, 4)
    np.testing.assert_allclose(found.delay, 0.45, atol=2e-5)
    np.testing.assert_allclose((found.theta - truth) / WIDTH, 0.0, atol=2e-5)


def test_whole_delays_move_and_halves_meet_in_the_middle():
    waveforms = np.random.default_rng(0).standard_normal((3, 40, 2)).astype(np.float32)
    waveforms[:, :8] = waveforms[:, -8:] = 0.0
    moved = delayed(waveforms, np.array([0.0, 3.0, -5.0]))
    expected = [waveforms[0], np.roll(waveforms[1], 3, axis=0), np.roll(waveforms[2], -5, axis=0)]
    np.testing.assert_allclose(moved, expected, atol=1e-5)
    smooth = np.sin(np.linspace(0, 3 * np.pi, 24))[:, None] * np.hanning(24)[:, None]
    wave = np.pad(smooth, ((8, 8), (0, 0)))[None].astype(np.float32)
    twice = delayed(delayed(wave, np.array([0.5])), np.array([0.5]))
    np.testing.assert_allclose(twice, delayed(wave, np.array([1.0])), atol=1e-3)


def test_shapes_are_the_generators_upright(generator, truth):
    found = shapes(generator, truth)
    assert found.shape == (len(truth), generator.samples, generator.channels)
    theta = torch.as_tensor(truth, dtype=torch.float32)
    np.testing.assert_array_equal(found, generator.waveforms(theta).numpy().transpose(0, 2, 1))


def test_noise_of_a_mean_is_not_left_unexplained(generator, whitener, truth):
    noise = np.random.default_rng(2).standard_normal((len(truth), 53, 9))
    clean = white(generator, whitener, truth)
    for discharges in (10, 1000):
        measured = (clean + noise / np.sqrt(discharges)).astype(np.float32)
        found = fit(generator, whitener, measured, truth, 3)
        assert unexplained(found, measured, np.full(len(truth), discharges)).max() < 0.02
    half = (clean + np.roll(clean, 20, axis=1)).astype(np.float32)  # as much that is no such wave
    found = fit(generator, whitener, half, truth, 0)
    share = unexplained(found, half, np.full(len(truth), 10**9))
    np.testing.assert_allclose(share, 1 - found.likeness**2, atol=1e-3)
    assert (share > 0.2).all()


def test_the_better_of_two_fits_is_taken_by_unit():
    def fitted(*left):
        one = np.array(left, np.float64)
        return Fitted(np.stack([one, -one], axis=1), one + 0.1, one + 0.2, one + 0.3, one)

    kept = fitted(1.0, 2.0, 3.0, 4.0).put(np.array([True, False, True, True]), fitted(0.5, 9.0, 0.25))
    np.testing.assert_array_equal(kept.left, [0.5, 2.0, 3.0, 0.25])
    for name in ("theta", "delay", "gain", "likeness"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(fitted(0.5, 2.0, 3.0, 0.25), name))


def test_the_wave_of_these_tests_slopes_as_it_says(generator, truth):
    theta = torch.as_tensor(truth)
    _, slopes = generator.with_slopes(theta)
    for place in range(theta.shape[1]):
        step = torch.zeros(theta.shape[1], dtype=torch.float64)
        step[place] = 1e-4
        numeric = (generator.waveforms(theta + step) - generator.waveforms(theta - step)) / 2e-4
        torch.testing.assert_close(slopes[:, place], numeric, rtol=1e-3, atol=1e-5)
