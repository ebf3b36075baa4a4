"""The ceilings: what true waveforms recover, and that subtraction recovers no less."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.extension import extend
from myodrive.tools import bench_bmiss_ceilings as ceilings
from myodrive.tools.bench_bmiss_ceilings import cancellation_ceiling, linear_ceiling
from myodrive.tools.bench_bmiss_score import recovery
from myodrive.tools.bench_bmiss_world import Settings, make_world

LAGS = 10


@pytest.fixture(scope="module")
def easy():
    """Few units, little noise."""
    return make_world(Settings("6x6", 30.0, units=8, seconds=6.0, seed=1))


@pytest.fixture(scope="module")
def hard():
    """More units than linear filters of so few channels part."""
    return make_world(Settings("6x4", 15.0, units=24, seconds=6.0, seed=3))


def recovered(world, trains):
    return recovery(trains, world.trains, world.fs_hz).recovered


def test_of_an_easy_muscle_both_recover_nearly_all(easy):
    linear = recovered(easy, linear_ceiling(easy, LAGS))
    assert 6 <= linear <= recovered(easy, cancellation_ceiling(easy, LAGS))


def test_cancellation_recovers_more_where_linear_filters_do_not_reach(hard):
    linear, cancelled = linear_ceiling(hard, LAGS), cancellation_ceiling(hard, LAGS)
    assert 0 < recovered(hard, linear) < recovered(hard, cancelled) < 24


def test_trains_come_in_the_units_order_and_at_the_discharges_themselves(easy):
    for trains in (linear_ceiling(easy, LAGS), cancellation_ceiling(easy, LAGS)):
        matches = recovery(trains, easy.trains, easy.fs_hz).matches
        sure = [match for match in matches if match.roa > 0.95]
        assert len(sure) >= 5
        for match in sure:
            assert match.found == match.true
            found, truth = trains[match.found], easy.trains[match.true]
            near = np.abs(found[:, None] - truth[None]).min(axis=1)
            assert np.median(near) == 0.0  # no shift is left


def test_the_filter_is_the_waveform_through_the_inverse_covariance_at_its_best_lag(easy):
    emg, shapes = ceilings._scaled(easy)
    covariance = np.cov(extend(emg, 3).astype(np.float64).T, bias=True) + ceilings.RIDGE * np.eye(3 * emg.shape[1])
    lags = {}
    for lag in range(2, shapes.shape[1]):
        stacked = np.concatenate([shapes[0, lag], shapes[0, lag - 1], shapes[0, lag - 2]])
        lags[lag] = float(stacked @ np.linalg.solve(covariance, stacked))
    best = max(lags.values())
    found, _ = ceilings._detected(emg, shapes, 3, easy.fs_hz)
    assert lags[found[0]] == pytest.approx(best, rel=0.02)


def test_no_discharge_lies_outside_the_recording(hard):
    for trains in (linear_ceiling(hard, LAGS), cancellation_ceiling(hard, LAGS)):
        assert all(train.min() >= 0 and train.max() < len(hard.emg) for train in trains if len(train))


def test_few_channels_get_more_lags():
    assert [ceilings.ceiling_extension(channels) for channels in (64, 65, 320)] == [20, 20, 10]
