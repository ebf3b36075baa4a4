"""What a row says of an estimator, and its targets."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from myodrive.tools.bench_params_estimators import Estimates
from myodrive.tools.bench_params_score import TARGETS, binomial_interval, growth, judged, scores
from myodrive.tools.bench_params_sets import UnitSet

NOTHING = np.full(4, np.nan)


@pytest.fixture
def units():
    return UnitSet(None, [None] * 4, np.array([0.0, 10.0, -5.0, 2.0]), np.array([3.0, 4.0, 5.0, 3.5]))


def row(**fields):
    usual = {
        "array": "8x8", "snr_db": 20.0, "input": "muap", "conductor": "planar", "split": "matched", "draws": "inside",
        "montage": "monopolar", "iz_mae_mm": 0.2, "cv_mae_m_s": 0.02, "iz_cover90_interval": [0.8, 0.97],
        "cv_cover90_interval": [0.3, 0.8], "iz_sd_median_mm": 0.2, "cv_sd_median_m_s": 0.02, "iz_median_mm": 0.1,
        "cv_median_m_s": 0.01,
    }  # fmt: skip
    return usual | fields


def test_errors_and_coverage_count_only_what_was_answered(units):
    zones = units.zones_mm + np.array([1.0, -2.0, np.nan, 9.0])
    found = Estimates(zones, np.array([1.0, 1.0, np.nan, 6.0]), units.speeds_m_s, NOTHING, 0.1)
    told = scores(found, units)
    assert told["iz_mae_mm"] == pytest.approx(4.0)
    assert told["iz_median_mm"] == pytest.approx(2.0)
    assert told["iz_answered"] == 3
    assert told["iz_cover90"] == pytest.approx(2 / 3)  # 1.645 sd: 1 of 1, 2 of 1.645 not, 9 of 9.87
    assert told["iz_sd_median_mm"] == 1.0
    assert told["cv_mae_m_s"] == 0.0
    assert told["cv_cover90"] is None
    assert told["cv_cover90_interval"] is None


def test_an_estimator_that_does_not_fit_has_the_same_fields_and_no_number(units):
    full = scores(Estimates(*[np.zeros(4)] * 2, *[np.zeros(4)] * 2, 0.1), units)
    none = scores(None, units)
    assert none.keys() == full.keys()
    assert {value for name, value in none.items() if not name.endswith("answered")} == {None}


def test_no_units_are_no_error():
    empty = UnitSet(None, [], np.zeros(0), np.zeros(0))
    assert scores(Estimates(*[np.zeros(0)] * 4, 0.0), empty)["iz_mae_mm"] is None


@given(st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_binomial_interval_holds_the_share_and_leaves_at_most_a_fortieth_on_either_side(case):
    hits, of = case
    low, high = binomial_interval(hits, of)
    assert low <= hits / of <= high
    if hits:
        assert scipy.stats.binom.sf(hits - 1, of, low) == pytest.approx(0.025, rel=1e-3)
    if hits < of:
        assert scipy.stats.binom.cdf(hits, of, high) == pytest.approx(0.025, rel=1e-3)


def test_targets_are_those_that_were_set_before():
    told = judged(row())
    assert (told["iz_target_mm"], told["cv_target_m_s"]) == (0.26, 0.017)
    assert (told["iz_met"], told["cv_met"]) == (True, False)
    assert (told["iz_cover90_met"], told["cv_cover90_met"]) == (True, False)
    assert judged(row(iz_mae_mm=0.27))["iz_met"] is False
    assert len(TARGETS) == 4


@pytest.mark.parametrize(
    "fields",
    [
        {"snr_db": 10.0}, {"montage": "single-differential"}, {"array": "10x32"}, {"conductor": "half-space"},
        {"draws": "fat 9-14 mm", "split": "left_out"},
    ],
)  # fmt: skip
def test_rows_without_a_target_are_not_judged(fields):
    told = judged(row(**fields))
    assert (told["iz_target_mm"], told["iz_met"], told["cv_met"]) == (None, None, None)


def test_a_row_without_an_answer_meets_nothing():
    told = judged(row(iz_mae_mm=None, iz_cover90_interval=None))
    assert (told["iz_met"], told["iz_cover90_met"]) == (None, None)


def test_left_out_rows_say_how_many_times_the_uncertainty_inside_they_state():
    rows = [
        row(), row(snr_db=0.0, iz_sd_median_mm=9.0), row(split="left_out", draws="fat 9-14 mm", iz_sd_median_mm=0.5),
        row(split="left_out", array="16x1", draws="fat 9-14 mm"),
    ]  # fmt: skip
    growth(rows)
    assert rows[2]["iz_sd_median_mm_growth"] == pytest.approx(2.5)
    assert rows[2]["cv_median_m_s_growth"] == pytest.approx(1.0)
    assert rows[0]["iz_sd_median_mm_growth"] is None
    assert rows[3]["iz_sd_median_mm_growth"] is None
