"""The bench of separation by inversion as a person reads it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

pytest.importorskip("torch")

from myodrive.tools.bench_bmiss_score import judged
from myodrive.tools.bench_bmiss_table import tables
from myodrive.tools.bench_bmiss_waveforms import GENERATORS, PHYSICAL

PROPERTIES = {name: {"mse": 0.001, "mae": 12.345, "unit": "mm"} for name in PHYSICAL}
RANGED = ("recovered", "recovered_05", "extras", "cbss")


def row(**fields):
    usual = {
        "array": "10x32", "snr_db": 20.0, "generator": "matched", "units": 100, "seeds": [0], "ranges": {},
        "recovered": 71, "recovered_05": 88, "extras": 3, "linear_ceiling": 50, "cancellation_ceiling": 76, "cbss": 40,
        "ratio": 1.8, "seconds": 412.0, "cbss_seconds": 30.0, "seconds_per_true_unit": 5.8,
        "cbss_seconds_per_true_unit": 0.7, "property_mse": 0.0012, "constant_guess": 1 / 12, "properties": PROPERTIES,
        "starts": 4000, "local_minima": 1234,
        "curve": [{"stage": "a", "held": 30, "recovered": 28}, {"stage": "b", "held": 74, "recovered": None}],
    }  # fmt: skip
    made = usual | fields
    return made | judged(made)


def printed(*rows, width=100):
    out = io.StringIO()
    Console(file=out, width=width).print(*tables(rows))
    return out.getvalue()


def test_it_fits_a_hundred_columns_with_nothing_cut_off():
    ranges = {name: [0, 100] for name in RANGED}
    text = printed(*(row(generator=name, ranges=ranges, seeds=[0, 1, 2, 3, 4], recovered=100) for name in GENERATORS))
    assert "…" not in text
    assert "100 (0-100)" in text
    assert "medians of 5 seeds" in text
    assert "cond. -20 %" in text


def test_ceilings_blind_separation_and_the_constant_guess_stand_beside():
    text = printed(row())
    line = next(line for line in text.splitlines() if line.split()[:1] == ["10x32"])
    assert line.split()[3:] == ["71", "*", "88", "3", "50", "76", "40", "1.80", "*", "412", "5.8", "0.7"]
    assert "0.083" in text
    assert "12.345" in text


def test_a_target_missed_is_marked():
    assert "69 !" in printed(row(recovered=69))
    assert "0.02 !" in printed(row(generator="cylinder", property_mse=0.02))
    assert "1.10 !" in printed(row(ratio=1.1))


def test_the_course_of_the_search_and_its_local_minima_are_told():
    text = printed(row(), row(snr_db=None))
    assert "10x32, 20, matched: 30 (28) 74; 1234 of 4000 starts in local minima" in text
    assert "10x32, none, matched:" in text


def test_what_is_missing_is_a_dash():
    text = printed(
        row(recovered=0, ratio=None, property_mse=None, properties={}, seconds_per_true_unit=None, curve=[],
            cbss=0, cbss_seconds_per_true_unit=None)
    )  # fmt: skip
    assert sum(line.count(" -") for line in text.splitlines() if line.strip().startswith("10x32")) >= 9
