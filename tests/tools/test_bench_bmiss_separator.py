"""The separator of the bench: it finds a small muscle's units, says where they are, and what each round held."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.bmiss.settings import BmissSettings
from myodrive.tools import bench_bmiss_stages
from myodrive.tools.bench_bmiss_score import recovery
from myodrive.tools.bench_bmiss_separator import BmissSeparator
from myodrive.tools.bench_bmiss_stages import STAGES, stages, table
from myodrive.tools.bench_bmiss_world import Settings, make_world

QUICK = BmissSettings(rounds=2, proposals=80, looked_at=60, candidates=10, blind=0, restarts=2)
SMALL = Settings("5x6", 25.0, seed=3, units=6, seconds=5.0, fs_hz=1000.0)


@pytest.fixture(scope="module")
def world():
    return make_world(SMALL)


@pytest.fixture(scope="module")
def separated(world):
    return BmissSeparator(QUICK)(world.emg, world.geometry, world.fs_hz, lambda share, units: None)


def test_units_of_a_small_muscle_are_found_where_they_are(world, separated):
    found = recovery(separated.trains, world.trains, world.fs_hz)
    assert found.recovered >= 5
    assert found.extras == 0
    names = {"depth_mm", "lateral_mm", "innervation_zone_mm", "conduction_velocity_m_s", "half_length_mm"}
    assert set(separated.parameters) == names
    assert all(len(values) == len(separated.trains) for values in separated.parameters.values())


def test_the_log_has_a_step_a_round_and_one_for_what_was_credible(separated):
    assert [step.stage for step in separated.log] == [
        *(f"round {number}" for number in range(1, separated.iterations + 1)), "credible",
    ]  # fmt: skip
    assert all(step.units == len(step.trains) for step in separated.log)
    assert separated.log[-1].units == len(separated.trains)
    assert 0 <= separated.local_minima <= separated.starts


def test_every_stage_is_left_out_once_and_everything_first(monkeypatch, world, separated):
    asked = []

    def separator_of(settings):
        asked.append(settings)

        def separate(emg, geometry, fs_hz, progress):
            np.testing.assert_array_equal(emg, world.emg)
            return separated

        return separate

    monkeypatch.setattr(bench_bmiss_stages, "STAGES", {"everything": {}, "no knots": {"knots": False}})
    monkeypatch.setattr(bench_bmiss_stages, "make_world", lambda settings: world)
    told = stages(separator_of, "5x6", [25.0], seed=3)
    assert [row["stage"] for row in told["rows"]] == ["everything", "no knots"]
    assert asked == [BmissSettings(), BmissSettings(knots=False)]
    assert table(told["rows"]).row_count == 2


def test_what_is_left_out_are_settings_of_the_search():
    usual = BmissSettings()
    for stage, changes in STAGES.items():
        assert all(getattr(usual, name) != value for name, value in changes.items()), stage
