"""The bench of separation by inversion: its rows are those asked for, and say what the separator found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.separation import SearchSettings
from myodrive.stream.errors import CalibrationError
from myodrive.tools import bench_bmiss
from myodrive.tools.bench_bmiss import LEVELS_DB, bmiss, measured, named, plan, together
from myodrive.tools.bench_bmiss_waveforms import GENERATORS, MATCHED
from myodrive.tools.bench_bmiss_world import ARRAYS, Settings, make_world

FEW = SearchSettings(extension=8, search_extension=8, rounds=2, starts=24)
TINY = Settings("6x5", 30.0, units=6, seconds=5.0)


@dataclass
class Knowing:
    """A separator that knows the muscle: most of its units, their parameters a little off, and one that is none."""

    settings: Settings = TINY
    missed: int = 1
    seen: list = field(default_factory=list)

    def __call__(self, emg, geometry, fs_hz, progress):
        self.seen.append((emg, geometry, fs_hz))
        world = make_world(replace(self.settings, seed=self.settings.seed + len(self.seen) - 1))
        count = len(world.trains) - self.missed
        trains = [np.sort(train + 11) for train in world.trains[:count]]
        trains.append(np.arange(40, 4000, 173))  # as regular as no unit
        progress(0.5, 2)
        parameters = {name: np.append(values[:count], values[0]) for name, values in world.parameters.items()}
        parameters["depth_mm"] = parameters["depth_mm"] + 1.6
        log = [SimpleNamespace(stage="proposals", units=2, trains=trains[:2])]
        log += [SimpleNamespace(stage="refined", units=count + 1, trains=None)]
        return SimpleNamespace(trains=trains, parameters=parameters, log=log, iterations=2, starts=50, local_minima=7)


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Blind separation without the effort that a hundred units take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_bmiss, "EFFORTS", (FEW,))
        yield


@pytest.fixture(scope="module")
def told(quick):
    """One row, and what the separator was given."""
    separator = Knowing()
    return measured(TINY, separator), separator.seen


def test_a_row_says_what_was_recovered(told):
    row, _ = told
    assert (row["array"], row["snr_db"], row["generator"], row["seed"], row["units"]) == ("6x5", 30.0, MATCHED, 0, 6)
    assert (row["recovered"], row["recovered_05"], row["extras"], row["duplicates"]) == (5, 5, 1, 0)
    assert (row["iterations"], row["starts"], row["local_minima"]) == (2, 50, 7)
    assert row["seconds"] == pytest.approx(5 * row["seconds_per_true_unit"])
    assert row["ratio"] == pytest.approx(5 / row["cbss"])
    assert (row["cbss_usual"], row["cbss_starts"]) == (row["cbss"], 24)
    assert row["cbss_seconds"] == pytest.approx(row["cbss"] * row["cbss_seconds_per_true_unit"])
    assert 1 <= row["cbss"] <= row["cbss_05"] <= 6
    assert 3 <= row["linear_ceiling"] <= row["cancellation_ceiling"] <= 6


def test_parameters_are_scored_in_both_units(told):
    row, _ = told
    assert row["properties"]["depth_mm"] == {
        "mse": pytest.approx(0.01),
        "mae": pytest.approx(1.6),
        "unit": "mm",
        "n": 5,
    }
    assert row["property_mse"] == pytest.approx(0.002)
    assert row["constant_guess"] == pytest.approx(1 / 12)


def test_the_curve_counts_true_units_where_trains_are_told(told):
    assert told[0]["curve"] == [
        {"stage": "proposals", "held": 2, "recovered": 2}, {"stage": "refined", "held": 6, "recovered": None},
    ]  # fmt: skip


def test_the_separator_is_given_the_filtered_emg_and_no_truth(told):
    ((emg, geometry, fs_hz),) = told[1]
    world = make_world(TINY)
    np.testing.assert_array_equal(emg, world.emg)
    assert (len(geometry), fs_hz) == (30, 2000.0)


def test_a_separator_that_finds_nothing_has_recovered_nothing():
    def lost(emg, geometry, fs_hz, progress):
        raise CalibrationError("no motor unit could be told apart")

    row = measured(TINY, lost)
    assert (row["recovered"], row["ratio"], row["property_mse"], row["seconds_per_true_unit"]) == (0, 0.0, None, None)
    assert (row["curve"], row["properties"], row["starts"]) == ([], {}, 0)
    assert row["linear_ceiling"] > 0


def test_without_blind_units_there_is_no_ratio(monkeypatch):
    def none(*args, **options):
        raise CalibrationError("none")

    monkeypatch.setattr(bench_bmiss, "separate", none)
    row = measured(TINY, Knowing())
    assert (row["cbss"], row["ratio"], row["cbss_seconds_per_true_unit"]) == (0, None, None)


@pytest.mark.parametrize(("budget_s", "searches"), [(0.0, 1), (1e-9, 1), (1e9, 3)])
def test_blind_separation_searches_on_while_the_separators_time_lasts(monkeypatch, budget_s, searches):
    asked = []

    def one_more_each_time(emg, settings, *, fs_hz, progress):
        asked.append(settings)
        return SimpleNamespace(discharges=world.trains[: len(asked)])

    world = make_world(TINY)
    efforts = tuple(replace(FEW, starts=starts) for starts in (1, 2, 3))
    monkeypatch.setattr(bench_bmiss, "EFFORTS", efforts)
    monkeypatch.setattr(bench_bmiss, "separate", one_more_each_time)
    row = bench_bmiss._blind(world, budget_s, lambda share, note: None)
    assert asked == list(efforts[:searches])
    assert (row["cbss_usual"], row["cbss"], row["cbss_starts"]) == (1, searches, searches)


def test_of_blind_searches_the_one_with_most_units_counts_whether_or_not_they_are_true(monkeypatch):
    world = make_world(TINY)
    noise = [np.arange(start, 9000, 211) for start in (20, 40, 60)]
    found = iter([world.trains[:2], noise, ()])
    monkeypatch.setattr(bench_bmiss, "EFFORTS", (FEW,) * 3)
    monkeypatch.setattr(bench_bmiss, "separate", lambda *args, **options: SimpleNamespace(discharges=next(found)))
    row = bench_bmiss._blind(world, 1e9, lambda share, note: None)
    assert (row["cbss_usual"], row["cbss"]) == (2, 0)


def test_rows_of_several_seeds_are_medians_with_ranges():
    told = []
    found = bmiss([TINY], Knowing(), range(3), lambda share, note: told.append((share, note)))
    (row,) = found["rows"]
    assert (found["seeds"], row["seeds"]) == ([0, 1, 2], [0, 1, 2])
    assert [run["seed"] for run in row["runs"]] == [0, 1, 2]
    for name in ("recovered", "cbss", "linear_ceiling", "seconds"):
        values = sorted(run[name] for run in row["runs"])
        assert row[name] == values[1]
        assert row["ranges"][name] == [values[0], values[2]]
    assert row["properties"]["depth_mm"]["mae"] == pytest.approx(1.6)
    assert row["recovered_target"] is None
    assert row["ratio_met"] == (row["ratio"] >= 1.25)
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1.0
    notes = {note for _, note in told}
    assert "6x5, 30 dB, seed 1: inverting: 2 units" in notes
    assert any("seed 2: blind" in note for note in notes)


def test_a_median_leaves_out_what_is_missing():
    runs = [
        {"array": "8x8", "snr_db": None, "generator": MATCHED, "units": 6, "constant_guess": 1 / 12, "seed": seed,
         "recovered": seed, "ratio": ratio, "properties": {}, "curve": [seed]}
        for seed, ratio in enumerate((None, 2.0, 3.0, None, 4.0))
    ]  # fmt: skip
    row = together(runs)
    assert (row["ratio"], row["ranges"]["ratio"]) == (3.0, [2.0, 4.0])
    assert (row["recovered"], row["curve"]) == (2, [2])
    assert together([run | {"ratio": None} for run in runs])["ratio"] is None


def test_the_usual_rows_are_three_levels_of_noise():
    assert [(row.array, row.snr_db, row.generator) for row in plan()] == [("10x32", x, MATCHED) for x in LEVELS_DB]


def test_the_full_table_has_every_array_and_every_mismatch():
    rows = plan(full=True)
    assert rows[:3] == plan()
    assert {(row.array, row.snr_db) for row in rows if row.generator == MATCHED} == {
        (array, level) for array in ARRAYS for level in LEVELS_DB
    }
    assert [(row.array, row.snr_db) for row in rows if row.generator != MATCHED] == [("10x32", 20.0)] * 5
    assert {row.generator for row in rows} == set(GENERATORS)
    assert len({named(row) for row in rows}) == len(rows) == 14


@pytest.mark.parametrize("full", [False, True])
def test_options_choose_single_rows(full):
    assert [named(row) for row in plan(full, array="8x8", levels_db=[20.0])] == ["8x8, 20 dB"]
    assert [named(row) for row in plan(full, levels_db=[None])] == ["10x32, no noise"]
    assert [named(row) for row in plan(full, generator="cylinder", levels_db=[20.0])] == ["10x32, 20 dB, cylinder"]
    assert [row.snr_db for row in plan(full, array="13x5")] == list(LEVELS_DB)
