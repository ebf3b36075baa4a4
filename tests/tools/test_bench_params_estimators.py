"""Who is compared in the table of accuracies."""

from __future__ import annotations

import numpy as np
import pytest

from myodrive.models.inversion import inverter
from myodrive.stream.parameter_file import parameter_file_from_bytes
from myodrive.tools import bench_params_estimators
from myodrive.tools.bench_params_estimators import NINETY, classical, constant, encoder, physics
from myodrive.tools.bench_params_sets import drawn_set
from myodrive.tools.estimation_methods import nothing

from ..parameter_graph import parameter_model_bytes

FIELDS = ("iz_mm", "iz_sd_mm", "cv_m_s", "cv_sd_m_s")


@pytest.fixture(scope="module")
def units():
    return drawn_set("16x1", 5, 20.0, 21)


def test_the_constant_guess_is_the_middle_and_its_interval_holds_nine_tenths_of_the_range(units):
    found = constant(units)
    assert found.iz_mm.tolist() == [0.0] * 5
    assert found.cv_m_s.tolist() == [4.0] * 5
    assert NINETY * found.iz_sd_mm == pytest.approx(0.9 * 32.5)
    assert NINETY * found.cv_sd_m_s == pytest.approx(0.9 * 1.5)


def test_the_classical_estimators_answer_in_the_order_of_the_units(units):
    found = classical(units)
    error = np.abs(found.iz_mm - units.zones_mm)
    assert np.nanmedian(error) < 2.0
    assert found.seconds > 0.0
    assert all(len(getattr(found, name)) == 5 for name in FIELDS)


def test_the_physics_is_nearer_than_a_guess(units, monkeypatch):
    monkeypatch.setattr(inverter, "ENTRIES", 800)
    shares = []
    found, guess = physics()(units, shares.append), constant(units)
    for name, truth in (("iz_mm", units.zones_mm), ("cv_m_s", units.speeds_m_s)):
        error, of_guess = (np.abs(getattr(one, name) - truth).mean() for one in (found, guess))
        assert error < 0.3 * of_guess
    assert (found.iz_sd_mm > 0.0).all()
    assert shares[-1] == pytest.approx(1.0)


def test_what_has_no_answer_is_no_number(units, monkeypatch):
    monkeypatch.setattr(bench_params_estimators, "by_classical", lambda average, array: nothing("it is noise"))
    found = classical(units)
    assert all(np.isnan(getattr(found, name)).all() for name in FIELDS)


def test_the_parameter_model_answers_where_it_fits_the_array(units):
    file = parameter_file_from_bytes(parameter_model_bytes())
    found = encoder(file)(units)
    assert np.isfinite(found.iz_mm).any()
    assert found.seconds > 0.0
    differential = drawn_set("16x1", 1, 20.0, 21, montage="single-differential")
    assert encoder(file)(differential) is None
