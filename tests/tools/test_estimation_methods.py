"""The methods give one kind of answer, and none where they were not made for what they are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from myodrive.models.bandpass import design_filter
from myodrive.models.waveforms import UnitAverage
from myodrive.stream.geometry import Geometry
from myodrive.stream.parameter_file import parameter_file_from_bytes
from myodrive.tools import estimation_methods
from myodrive.tools.estimation_methods import FOUR, Array, by_classical, by_encoder, nothing, usual_method

FS_HZ = 2048.0


def array(rows=13, columns=3, ied_mm=8.0, montage="monopolar"):
    row, col = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    return Array(Geometry(row, col, ied_mm, rows, columns), FS_HZ, design_filter(FS_HZ), montage)


def average_on(where, zone_mm=6.0, speed_m_s=4.0, noise_uv=1.0):
    """A wave that runs both ways, with noise whose variance is known."""
    ms = np.arange(112) * 1e3 / FS_HZ - 15.0
    late = np.abs(where.geometry.along_mm() - zone_mm) / speed_m_s
    x = (ms - late[:, None]) / 1.2
    wave = 100.0 * (1.0 - x**2 - 0.25 * x) * np.exp(-(x**2) / 2)
    wave = wave + np.random.default_rng(0).normal(0.0, noise_uv, wave.shape)
    return UnitAverage(wave.astype(np.float32), np.full(len(wave), noise_uv**2), 60, 0, 20.0)


@pytest.fixture(scope="module")
def model(parameter_graph):
    """A parameter model of random weights."""
    return parameter_file_from_bytes(parameter_graph.parameter_model_bytes())


def test_the_encoder_answers_in_everybodys_names(model):
    where = array()
    (answer,) = by_encoder([average_on(where)], where, model)
    assert set(FOUR) <= set(answer.values)
    assert answer.values["cv_m_s"] is not None
    assert answer.values["cv_m_s_sd"] > 0
    assert set(answer.values) == {f"{name}{sd}" for name in model.info.reported for sd in ("", "_sd")}


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (array(ied_mm=20.0), "20 mm apart"),
        (array(rows=4), "needs 5"),
        (array(rows=40), "for 32 at most"),
        (array(rows=32, columns=11), "for 320"),
        (array(montage="single-differential"), "single-differential"),
    ],
)
def test_the_encoder_says_nothing_of_an_array_that_it_was_not_trained_for(model, where, words):
    answers = by_encoder([average_on(where)] * 2, where, model)
    assert len(answers) == 2
    for answer in answers:
        assert set(answer.values.values()) == {None}
        assert words in answer.reason


def test_a_bad_channel_costs_the_encoder_itself_alone(model):
    """On a column of nine the fifth is bad: eight are left, though only four of them are neighbours."""
    whole = array(rows=9, columns=1)
    average = average_on(whole)
    kept = np.flatnonzero(np.arange(9) != 4)
    part = replace(whole, geometry=whole.geometry.select(kept), whole=whole.geometry)
    assert part.used().tolist() == [True] * 4 + [False] + [True] * 4
    own = UnitAverage(average.waveform[kept], average.noise[kept], 60, 0, 20.0)
    missing = UnitAverage(average.waveform, np.where(np.arange(9) == 4, np.nan, average.noise), 60, 0, 20.0)
    (answer,), (expected,) = by_encoder([own], part, model), by_encoder([missing], whole, model)
    assert answer.values["cv_m_s"] is not None
    assert answer == expected
    assert by_encoder([own], replace(part, whole=None), model)[0].values["cv_m_s"] is None


def test_the_classical_answer_keeps_what_pictures_need():
    where = array()
    answer = by_classical(average_on(where), where)
    assert answer.values["iz_mm"] == answer.zone.iz_mm == pytest.approx(6.0, abs=0.5)
    assert answer.values["cv_m_s"] == answer.velocity.cv_m_s == pytest.approx(4.0, abs=0.2)
    assert len(answer.velocity.arrivals) > 10


def test_a_classical_reason_is_given_once():
    where = array()
    still = average_on(where, speed_m_s=1e9)
    answer = by_classical(still, where)
    assert answer.zone.reason == answer.velocity.reason
    assert answer.reason.count(answer.zone.reason) == 1


def test_beside_another_method_numbers_and_reason_carry_their_own_methods_name():
    assert nothing("why").named("encoder") == {
        "encoder_iz_mm": None, "encoder_iz_mm_sd": None, "encoder_cv_m_s": None, "encoder_cv_m_s_sd": None,
        "encoder_reason": "why",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("torch", "model_at_hand", "expected"),
    [(True, True, "physics"), (True, False, "physics"), (False, True, "encoder"), (False, False, "classical")],
)
def test_the_usual_method_is_the_best_there_is(monkeypatch, torch, model_at_hand, expected):
    monkeypatch.setattr(estimation_methods, "has_torch", lambda: torch)
    assert usual_method(model_at_hand) == expected
