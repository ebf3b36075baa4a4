"""Targets and how they are followed."""

import numpy as np
import pytest

from myodrive.tools.session.target import TICK_S, Target, followed, ticked

TARGET = Target(level=0.4, rest_s=2.0, ramp_s=4.0, hold_s=10.0)


def times(target):
    return TICK_S * (np.arange(round(target.seconds / TICK_S)) + 0.5)


def test_a_trapezoid_rests_rises_holds_and_falls():
    assert TARGET.seconds == 22.0
    np.testing.assert_allclose(
        TARGET.at(np.array([0, 1.9, 4, 6, 10, 16, 18, 20.1])), [0, 0, 0.2, 0.4, 0.4, 0.4, 0.2, 0]
    )
    assert [TARGET.word(t) for t in (1.0, 3.0, 9.0, 17.0, 21.0)] == [
        "rest", "slowly harder", "hold", "slowly less", "rest"
    ]  # fmt: skip


def test_a_sine_swings_around_the_level_while_it_is_held_only():
    sine = Target(shape="sine", level=0.4, rest_s=2.0, ramp_s=4.0, hold_s=8.0)
    time_s = times(sine)
    held = (time_s > 6) & (time_s < 14)
    assert sine.at(time_s)[held].mean() == pytest.approx(0.4, abs=0.005)
    assert sine.at(time_s).max() == pytest.approx(sine.highest, rel=0.01)
    np.testing.assert_allclose(sine.at(time_s)[~held], Target("trapezoid", 0.4, 2.0, 4.0, 8.0).at(time_s)[~held])


@pytest.mark.parametrize("lag_s", [0.0, 0.3, 0.9])
def test_a_level_that_comes_late_is_told_as_late_and_as_right(lag_s):
    how = followed(TARGET, TARGET.at(times(TARGET) - lag_s))
    assert how.lag_s == pytest.approx(lag_s, abs=TICK_S / 2)
    assert how.rms_error < 0.005
    assert how.within == 1.0


def test_what_is_off_is_told_by_how_much(rng):
    level = TARGET.at(times(TARGET))
    assert followed(TARGET, level + 0.1).rms_error == pytest.approx(0.1, rel=0.1)
    assert followed(TARGET, level + 0.1).within < 0.1
    assert followed(TARGET, np.zeros_like(level)).hold_error == pytest.approx(0.4, rel=0.05)
    assert "40 %" in followed(TARGET, np.zeros_like(level)).sentence()


def test_ticks_are_means_and_what_is_left_over_is_dropped(rng):
    level = rng.normal(size=2048 + 30)
    found = ticked(level, 2048.0)
    assert len(found) == 20
    assert found[0] == pytest.approx(level[:102].mean())
    assert found.mean() == pytest.approx(level[:2048].mean(), abs=1e-3)
