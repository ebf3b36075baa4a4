"""Units in noise that is not white: how much closer they are found, and how sure that is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from myodrive.models.inversion import inverter as module
from myodrive.models.inversion.parameters import DELAY, NAMES, prior_draws


@pytest.fixture(scope="module")
def interference(model, geometry):
    """Windows of units that nobody found, each channel of mean square 1."""
    generator = torch.Generator().manual_seed(3)
    others = prior_draws(116 * 15, geometry, generator)
    others[:, DELAY] = -5.0 + 35.0 * torch.rand(len(others), generator=generator)
    windows = model(others).unflatten(0, (116, 15))
    windows = (windows / windows.square().mean((2, 3), keepdim=True).sqrt()).sum(1)  # (windows, channels, samples)
    return windows / windows.square().mean((0, 2)).sqrt()[:, None]


def test_in_noise_that_is_not_white_it_errs_less_and_its_intervals_hold(inverter, model, truth, interference):
    clean = model(truth).repeat(4, 1, 1)
    residue, noise = interference[:100], interference[100:]
    size = 0.3 * clean.square().mean((1, 2)).sqrt()
    waveforms = (clean + size[:, None, None] * noise).numpy()
    variance = size.square()[:, None].expand(waveforms.shape[:2]).double().numpy()
    errors, sds = [], []
    for residues in (None, [residue.numpy()] * len(clean)):
        found = inverter.invert(waveforms, variance, residues=residues)
        values = np.array([[one.values[name] for name in NAMES[:2]] for one in found])
        sds.append(np.array([[one.sds[name] for name in NAMES[:2]] for one in found]))
        errors.append(np.abs(values - truth[:, :2].repeat(4, 1).numpy()))
    assert (np.square(errors[1]).mean(0) < 0.6 * np.square(errors[0]).mean(0)).all()
    assert (errors[1] < 1.645 * sds[1]).mean() >= 0.8
    assert (np.median(sds[1], axis=0) < 4.0 * np.median(errors[1], axis=0)).all()


def test_where_noise_of_that_kind_does_not_explain_what_is_left_it_is_taken_as_white(
    inverter, measured, interference, monkeypatch
):
    windows = [interference.numpy()] * 4  # the noise of these waveforms is white
    plain = [one.values for one in inverter.invert(*measured)]
    assert [one.values for one in inverter.invert(*measured, residues=windows)] == plain
    monkeypatch.setattr(module, "MOST_MISFIT", float("inf"))
    assert [one.values for one in inverter.invert(*measured, residues=windows)] != plain


def test_units_of_several_recordings_get_their_own_noise(inverter, measured, interference):
    one, told = interference.numpy(), []
    together = inverter.invert(*measured, told.append, residues=[one, None, None, one.copy()])
    alone = inverter.invert(measured[0][1:2], measured[1][1:2])
    assert told[-1] == 1.0
    for name in NAMES[:2]:
        assert together[1].values[name] == pytest.approx(alone[0].values[name], abs=0.1 * alone[0].sds[name])
