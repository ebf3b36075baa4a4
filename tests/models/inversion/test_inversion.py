"""Parameters come back out of waveforms that the physics made, and nothing comes out where nothing can."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from myodrive.models.bandpass import design_filter
from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.forward.waveform import WaveformModel, Window
from myodrive.models.inversion.dictionary import Dictionary
from myodrive.models.inversion.fit import fit
from myodrive.models.inversion.inverter import Inverter
from myodrive.models.inversion.observer import Observer, model_samples, without_common_part
from myodrive.models.inversion.parameters import DELAY, NAMES, column, draw_units, noise_sd, prior_draws
from myodrive.stream.filter import CausalFilter
from myodrive.stream.geometry import Geometry

FS_HZ, SAMPLES = 2048.0, 113
SECTIONS = np.asarray(design_filter(FS_HZ).sections)


def _linear(rows: int) -> Geometry:
    return Geometry(np.arange(rows), np.zeros(rows, np.int64), 5.0, rows, 1)


@pytest.fixture(scope="module")
def geometry():
    return _linear(12)


@pytest.fixture(scope="module")
def observer(geometry):
    model = WaveformModel(
        PlanarLayers(fat_mm=3.0), Electrodes.from_geometry(geometry), Window(FS_HZ, model_samples(FS_HZ))
    )
    return Observer(model, SECTIONS, SAMPLES, 8, without_common_part(geometry))


@pytest.fixture(scope="module")
def theta(geometry):
    drawn = prior_draws(6, geometry, torch.Generator().manual_seed(4))
    drawn[:, DELAY] = 8.0
    return drawn


def test_the_observer_filters_as_the_live_path_does(geometry):
    model = WaveformModel(
        PlanarLayers(fat_mm=3.0), Electrodes.from_geometry(geometry), Window(FS_HZ, model_samples(FS_HZ))
    )
    plain = Observer(model, SECTIONS, SAMPLES, 8)
    impulse = torch.zeros(1, 1, model_samples(FS_HZ))
    impulse[0, 0, 0] = 1.0
    start_ms = 20 * 1e3 / FS_HZ - model.window.start_ms  # the window's first sample lands on sample 20
    seen = plain.filtered(impulse, torch.tensor([start_ms]))[0, 0].numpy()
    block = np.zeros((SAMPLES + 1, 1), np.float32)
    block[21] = 1.0
    CausalFilter(SECTIONS, 1)(block)
    assert np.abs(seen - block[1:, 0]).max() < 1e-4


def test_a_later_delay_is_the_same_waveform_later(observer, theta):
    later = theta.clone()
    later[:, DELAY] += 4 * 1e3 / FS_HZ
    early, late = observer(theta), observer(later)
    size = early.abs().amax(dim=(1, 2))
    assert ((late[..., 4:] - early[..., :-4]).abs().amax(dim=(1, 2)) < 0.02 * size).all()


def test_without_its_common_part_a_column_sums_to_zero_and_a_common_wave_is_gone(geometry):
    matrix = without_common_part(geometry)
    assert matrix.sum(0).abs().max() < 1e-5
    assert (matrix @ torch.ones(len(geometry), 3)).abs().max() < 1e-5


def test_the_dictionary_finds_its_own_entry_and_the_delay(observer, geometry):
    entries = prior_draws(40, geometry, torch.Generator().manual_seed(1))
    dictionary = Dictionary(observer, entries)
    shifted = entries[17:18].clone()
    shifted[:, DELAY] = 20 * 1e3 / FS_HZ
    best = dictionary.starts(observer(shifted)[0], torch.ones(len(geometry)), 1)
    assert torch.allclose(best[0, :DELAY], entries[17, :DELAY])
    assert float(best[0, DELAY]) == pytest.approx(20 * 1e3 / FS_HZ, abs=0.5)


def test_from_a_start_nearby_the_fit_returns_to_the_truth(observer, theta, geometry):
    waveform = observer(theta)
    weight = 1.0 / noise_sd(waveform, 40.0, FS_HZ)[:, None].expand(-1, len(geometry))
    start = theta + 2.0 * column("step") * torch.tensor([1.0, -1.0] * 5 + [1.0])
    found = fit(observer, waveform, weight, start, 10)
    before = (start - theta).abs()[:, :2]
    after = (found.theta - theta).abs()[:, :2]
    assert (after[:, 0] < 0.1).all()
    assert (after[:, 1] < 0.02).all()
    assert after.sum() < before.sum()
    assert torch.allclose(found.gain, torch.ones(6), rtol=0.3)


def test_the_fit_never_ends_worse_than_it_began(observer, theta, geometry):
    generator = torch.Generator().manual_seed(9)
    waveform = observer(theta)
    waveform = waveform + 0.3 * waveform.std() * torch.randn(waveform.shape, generator=generator)
    weight = torch.ones(6, len(geometry)) / (0.3 * waveform.std())
    start = prior_draws(6, geometry, generator)
    short, long = (fit(observer, waveform, weight, start, count).cost for count in (1, 6))
    assert (long <= short * (1 + 1e-5)).all()


def test_draws_lie_in_the_ranges_they_are_said_to_have(geometry):
    drawn, delay = draw_units(500, geometry, torch.Generator().manual_seed(0))
    assert 2.5 <= drawn.conduction_velocity_m_s.min() < 2.6 < 5.4 < drawn.conduction_velocity_m_s.max() <= 5.5
    assert drawn.innervation_zone_mm.abs().max() <= geometry.along_mm().max() - geometry.ied_mm
    assert 3.0 <= drawn.depth_mm.min() < drawn.depth_mm.max() <= 20.0
    assert delay.min() >= 2.0
    assert len(NAMES) == DELAY + 1


def test_too_few_rows_give_a_reason_that_names_the_minimum():
    inverter = Inverter(_linear(4), SECTIONS, FS_HZ, SAMPLES)
    found = inverter.invert(np.ones((2, 4, SAMPLES), np.float32), np.ones((2, 4)))
    assert [one.values["innervation_zone_mm"] for one in found] == [None, None]
    assert "at least 5" in found[0].reason


@pytest.mark.parametrize("seed", [2])
def test_an_inverter_gets_within_its_uncertainty_and_refuses_what_is_no_waveform(observer, geometry, seed, monkeypatch):
    from myodrive.models.inversion import inverter as module

    monkeypatch.setattr(module, "ENTRIES", 600)
    monkeypatch.setattr(module, "FIBRES", (8, 12, 16))
    inverter = Inverter(geometry, SECTIONS, FS_HZ, SAMPLES)
    drawn = prior_draws(3, geometry, torch.Generator().manual_seed(seed))
    drawn[:, DELAY] = 9.0
    drawn[:, 2] = 6.0  # shallow: the waves are clear
    raw = Observer(observer.model, SECTIONS, SAMPLES, 40)(drawn)
    sd = noise_sd(raw, 30.0, FS_HZ)
    generator = torch.Generator().manual_seed(seed)
    waveforms = (raw + sd[:, None, None] * torch.randn(raw.shape, generator=generator)).numpy()
    noise = np.repeat(sd.square().double().numpy()[:, None], len(geometry), axis=1)
    waveforms = np.concatenate([waveforms, np.random.default_rng(0).normal(0, 1, (1, *waveforms.shape[1:]))])
    noise = np.concatenate([noise, np.full((1, len(geometry)), 1e-3)])
    found = inverter.invert(waveforms.astype(np.float32), noise)
    for one, true in zip(found[:3], drawn, strict=True):
        for place, name in ((0, "innervation_zone_mm"), (1, "conduction_velocity_m_s")):
            assert abs(one.values[name] - float(true[place])) < 4 * one.sds[name]
        assert one.values["depth_mm"] is None  # a linear array cannot tell
    assert found[3].values["innervation_zone_mm"] is None
    assert "unexplained" in found[3].reason
