"""Parameters come back out of waveforms that the physics made, and nothing comes out where nothing can."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from myodrive.models.inversion.dictionary import Dictionary
from myodrive.models.inversion.fit import fit
from myodrive.models.inversion.inverter import Inverter
from myodrive.models.inversion.parameters import DELAY, NAMES, PARAMETERS, as_start, column, prior_draws
from myodrive.models.inversion.view import View, without_common_part
from myodrive.stream.geometry import Geometry

FOUR_ROWS = Geometry(np.arange(4), np.zeros(4, np.int64), 5.0, 4, 1)


def test_the_dictionary_finds_its_own_entries_and_the_delay(model, geometry, band):
    entries = prior_draws(40, geometry, torch.Generator().manual_seed(1))
    centred = without_common_part(geometry)
    dictionary = Dictionary(model, entries, centred, band[0])
    shifted = entries[[17, 3]].clone()
    shifted[:, DELAY] = torch.tensor([20.0, -4.0]) * 1e3 / band[0]
    best = dictionary.starts(centred @ model(shifted), torch.ones(2, len(geometry)), 1)[:, 0]
    assert torch.allclose(best[:, :DELAY], shifted[:, :DELAY])
    assert (best[:, DELAY] - shifted[:, DELAY]).abs().max() < 0.5


def test_from_a_start_nearby_the_fit_returns_to_the_truth(model, theta, geometry, noisy):
    waveform, variance = noisy(model(theta), 0.03)
    view = View.of(geometry, waveform, variance)
    off = 0.1 * column("sd") * torch.tensor([1.0, -1.0] * 6 + [0.2])
    start = torch.clamp(theta + off, column("least"), column("most"))
    found = fit(model, view.seen, view.matrix, start, 12)
    before, after = ((at - theta).abs()[:, :2].median(0).values for at in (start, found.theta))
    assert (after < 0.1 * before).all()
    assert torch.allclose(found.gain, torch.ones(6), rtol=0.3)
    assert abs(float((found.left.square().sum(1) / view.degrees).median()) - 1.0) < 0.1


def test_the_fit_never_ends_worse_than_it_began(model, theta, geometry, noisy):
    waveform, variance = noisy(model(theta), 0.3)
    view = View.of(geometry, waveform, variance)
    start = prior_draws(6, geometry, torch.Generator().manual_seed(9))
    short, long = (fit(model, view.seen, view.matrix, start, count).cost for count in (1, 6))
    assert (long <= short * (1 + 1e-5)).all()


def test_draws_lie_where_parameters_are_expected(geometry):
    drawn = prior_draws(500, geometry, torch.Generator().manual_seed(0))
    for place, parameter in enumerate(PARAMETERS):
        assert parameter.name == NAMES[place]
        assert parameter.least <= drawn[:, place].min() <= drawn[:, place].max() <= parameter.most
        if parameter.ranged:
            reach = 3.0**0.5 * parameter.sd + 1e-4
            assert (drawn[:, place] - parameter.mean).abs().max() <= reach


def test_an_encoders_parameters_become_a_start_by_their_names():
    start = as_start(["cv_m_s", "size_fibres", "fat_mm", "iz_mm"], np.array([[4.4, 300.0, 2.0, -7.0]]))
    named = dict(zip(NAMES, start[0], strict=True))
    assert (named["conduction_velocity_m_s"], named["fat_mm"], named["innervation_zone_mm"]) == (4.4, 2.0, -7.0)
    assert named["depth_mm"] == pytest.approx(11.5)


def test_too_few_rows_give_a_reason_that_names_the_minimum(band):
    found = Inverter(FOUR_ROWS, band[2], band[0], band[1]).invert(np.ones((2, 4, band[1]), np.float32), np.ones((2, 4)))
    assert [one.values["innervation_zone_mm"] for one in found] == [None, None]
    assert "at least 5" in found[0].reason


def test_an_inverter_gets_within_its_uncertainty(inverter, measured, truth):
    for one, true in zip(inverter.invert(*measured), truth, strict=True):
        for place in (0, 1):
            assert abs(one.values[NAMES[place]] - float(true[place])) < 4 * one.sds[NAMES[place]]
            assert 0.0 < one.sds[NAMES[place]] < column("sd")[place]
        assert one.values["depth_mm"] is None  # two columns cannot tell


def test_the_reconstruction_is_the_waveform(inverter, measured):
    one = inverter.invert(*measured)[0]
    left = measured[0][0] - one.modelled
    assert np.square(left).sum() < 0.1 * np.square(measured[0][0]).sum()
    assert one.misfit_db < -15.0


def test_noise_gets_a_reason(inverter, measured):
    waveform = np.random.default_rng(0).normal(0, 1, (1, *measured[0].shape[1:])).astype(np.float32)
    (found,) = inverter.invert(waveform, np.full((1, waveform.shape[1]), 1e-3))
    assert found.values["innervation_zone_mm"] is None
    assert "unexplained" in found.reason


def test_bad_channels_are_left_out_and_too_few_channels_get_a_reason(inverter, measured):
    waveforms, noise = measured[0][:2].copy(), measured[1][:2].copy()
    waveforms[0, 3], noise[0, 3] = 1e4, np.inf
    waveforms[0, 8] = np.nan
    noise[1, 4:] = np.inf
    spoiled, few = inverter.invert(waveforms, noise)
    whole = inverter.invert(measured[0][:1], measured[1][:1])[0]
    name = "conduction_velocity_m_s"
    assert abs(spoiled.values[name] - whole.values[name]) < 3 * whole.sds[name]
    assert few.values[name] is None
    assert "4 usable channels" in few.reason


def test_more_noise_is_more_uncertainty(inverter, model, truth, noisy):
    clean = model(truth[:1])
    sds = []
    for share in (0.05, 0.5, 1.5):
        waveform, variance = noisy(clean, share)
        (found,) = inverter.invert(waveform.numpy(), variance.double().numpy())
        sds.append(found.sds["conduction_velocity_m_s"])
    assert sds[0] < sds[1] < sds[2]


def test_a_good_start_spares_the_dictionary_and_a_wrong_one_does_not_mislead(inverter, measured, truth, monkeypatch):
    name = "innervation_zone_mm"
    asked = []
    kept = inverter._dictionary.starts
    monkeypatch.setattr(inverter._dictionary, "starts", lambda *a: (asked.append(len(a[0])), kept(*a))[1])
    starts = np.stack([truth.double().numpy()] * 2, axis=1)
    starts[:, 1] = np.nan
    found = inverter.invert(*measured, starts=starts)
    assert not asked
    for one, true in zip(found, truth[:, 0].tolist(), strict=True):
        assert abs(one.values[name] - true) < 4 * one.sds[name]
    wrong = starts[:, :1].copy()
    wrong[0, 0, 0] += 40.0
    wrong[0, 0, DELAY] = 25.0
    wrong[1] = np.nan
    found = inverter.invert(*measured, starts=wrong)
    assert asked[0] >= 1
    for one, true in zip(found, truth[:, 0].tolist(), strict=True):
        assert abs(one.values[name] - true) < 4 * one.sds[name]
