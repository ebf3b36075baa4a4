"""The table of accuracies as a person reads it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from myodrive.tools.bench_params import Row, measured
from myodrive.tools.bench_params_score import growth
from myodrive.tools.bench_params_table import tables

from .test_bench_params import truth

LONGEST = (
    Row("13x5", -5.0), Row("10x32", 20.0, montage="single-differential"), Row("13x5", 20.0), Row("8x8", 20.0),
    Row("13x5", 20.0, conductor="cylinder"), Row("13x5", 20.0, draws="depth 25-35 mm"),
)  # fmt: skip


def printed(rows, width=100):
    out = io.StringIO()
    Console(file=out, width=width).print(*tables(rows))
    return out.getvalue()


@pytest.fixture(scope="module")
def rows():
    found = [measured(row, 2, 351, estimator=truth, encoder=truth) for row in LONGEST[2:]]
    growth(found)
    return found


def test_it_fits_a_hundred_columns_with_nothing_cut_off(rows):
    wide = [row | {"n": 500, "answered": 500, "ms_a_unit": 1234.5, "iz_mae_mm": 12.34, "iz_met": False} for row in rows]
    text = printed(wide)
    assert "…" not in text
    assert "12.34 > 0.26" in text
    assert "500 of 500" in text


def test_groups_stand_apart_and_each_row_is_in_one(rows):
    text = printed(rows)
    assert text.index("as in training") < text.index("left out of training")
    matched, left_out = text.split("left out of training", 1)
    assert "cylinder" not in matched
    assert "cylinder" in left_out
    assert "depth 25-35 mm" in left_out
    assert "8x8" not in left_out


def test_targets_stand_beside_errors_and_growth_beside_the_stated_uncertainty(rows):
    text = printed(rows)
    assert "0.10 < 0.26" in text
    assert "0.010 < 0.017" in text
    assert "0.10 < 2 " in text
    assert "(x1.0)" in text


def test_what_is_missing_is_a_dash(rows):
    nothing = {name: None for name in rows[0] if name.startswith(("iz_", "cv_", "classical_", "encoder_"))}
    lines = [line for line in printed([rows[0] | nothing]).splitlines() if line.strip().startswith("13x5")]
    assert len(lines) == 2
    assert all(line.count(" -") >= 4 for line in lines)


def test_without_a_parameter_model_it_has_no_column(rows):
    without = [{name: value for name, value in row.items() if not name.startswith("encoder_")} for row in rows]
    assert "live" in printed(rows)
    assert "live" not in printed(without)


def test_emg_rows_say_how_many_units_were_found_and_how_many_of_them_are_none(rows):
    text = printed([rows[0] | {"input": "emg", "recordings": 3, "n": 44, "n_unmatched": 5}])
    assert "44 units of 3 recording(s) are simulated ones, 5 are not" in text
