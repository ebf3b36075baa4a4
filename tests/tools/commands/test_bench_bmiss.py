"""`myodrive bench bmiss`: options choose rows, and rows come as one object or as tables."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.separation import SearchSettings, separate
from myodrive.tools import bench_bmiss
from myodrive.tools.bench_bmiss import FIRST_SEED, named
from myodrive.tools.bench_bmiss_world import Settings
from myodrive.tools.commands import bench


class Blind:
    """Blind separation as a separator: it knows no places."""

    def __call__(self, emg, geometry, fs_hz, progress):
        found = separate(emg, SearchSettings(extension=8, search_extension=8, rounds=1, starts=16), fs_hz=fs_hz)
        nowhere = {"depth_mm": np.full(len(found.discharges), np.nan)}
        step = SimpleNamespace(stage="blind", units=len(found.discharges), trains=found.discharges)
        return SimpleNamespace(
            trains=found.discharges, parameters=nowhere, log=[step], iterations=1, starts=16, local_minima=0
        )


@pytest.fixture(autouse=True)
def separator(monkeypatch):
    """What the command takes for the separator."""
    monkeypatch.setitem(sys.modules, "myodrive.tools.bench_bmiss_separator", SimpleNamespace(BmissSeparator=Blind))


@pytest.fixture
def small(monkeypatch):
    """Muscles of few units, and little search."""
    monkeypatch.setattr(bench_bmiss, "EFFORTS", (SearchSettings(extension=8, search_extension=8, starts=16),))
    monkeypatch.setattr(bench_bmiss, "Settings", lambda *what, **more: Settings(*what, units=5, seconds=5.0, **more))


@pytest.fixture
def asked(monkeypatch):
    """Rows and seeds that would be measured."""
    found = []

    def noted(rows, separator, seeds, progress):
        found.extend((named(row), seed - FIRST_SEED) for row in rows for seed in seeds)
        return {"rows": []}

    monkeypatch.setattr(bench_bmiss, "bmiss", noted)
    return found


def test_a_row_is_one_object_on_stdout(myodrive, small):
    told = myodrive("bench", "bmiss", "--array", "5x5", "--snr", "25", "--seed", "3", "--json").json
    assert told["bench"] == "bmiss"
    (row,) = told["rows"]
    assert (row["array"], row["snr_db"], row["generator"], row["seeds"]) == ("5x5", 25.0, "matched", [FIRST_SEED + 3])
    fields = {
        "recovered", "recovered_05", "linear_ceiling", "cancellation_ceiling", "cbss", "ratio", "property_mse",
        "properties", "constant_guess", "iterations", "seconds", "cbss_seconds", "seconds_per_true_unit",
        "cbss_seconds_per_true_unit", "curve", "extras",
    }  # fmt: skip
    assert fields <= set(row)
    assert row["property_mse"] is None
    assert 1 <= row["recovered"] == row["curve"][0]["recovered"] <= 5


def test_without_json_it_is_tables_for_a_person(myodrive, small):
    said = myodrive("bench", "bmiss", "--array", "5x5", "--snr", "none")
    assert said.code == 0
    for word in ("Units recovered of 5", "mean absolute errors", "local minima", "5x5"):
        assert word in said.out


def test_without_options_it_measures_three_levels_of_noise_once(myodrive, asked):
    myodrive("bench", "bmiss", "--json")
    assert asked == [("10x32, no noise", 0), ("10x32, 20 dB", 0), ("10x32, 10 dB", 0)]


def test_full_measures_every_row_with_five_seeds(myodrive, asked):
    myodrive("bench", "bmiss", "--full", "--seed", "2", "--json")
    assert len({row for row, _ in asked}) == 14
    assert {seed for _, seed in asked} == {2, 3, 4, 5, 6}
    assert len(asked) == 70


def test_options_choose_one_row(myodrive, asked):
    myodrive("bench", "bmiss", "--array", "8x8", "--snr", "none", "--generator", "fat 2 mm", "--seed", "7", "--json")
    assert asked == [("8x8, no noise, fat 2 mm", 7)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--array", "many"), ('"many"', "10x32")), (("--array", "1x9"), ('"1x9"',)),
        (("--generator", "mud"), ('"mud"', "fat 2 mm")),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_in_one_sentence(myodrive, options, words):
    assert myodrive("bench", "bmiss", *options, "--json").refused(*words)


@pytest.mark.parametrize("level", ["loud", "nan", "1000"])
def test_a_level_that_is_none_is_wrong_usage(myodrive, level):
    assert myodrive("bench", "bmiss", "--snr", level).wrong_usage("--snr")


def test_it_needs_pytorch_and_says_so(myodrive, monkeypatch):
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
    assert myodrive("bench", "bmiss", "--json").refused("PyTorch", "[train]")
