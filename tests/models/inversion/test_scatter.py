"""What the chance of few fibres leaves, against units of few fibres."""

import pytest
import torch

from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.fibres import UnitParameters, place, random_deviates
from myodrive.models.forward.mean_current import COLUMNS, CV, FAT, IZ, RATIO, TENDON_SPREAD_MM
from myodrive.models.forward.mean_unit import MeanUnit
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.forward.territory import CENTRE
from myodrive.models.forward.waveform import WaveformModel, Window
from myodrive.models.inversion.scatter import FIBRES, Scatter

UNITS = 150


@pytest.fixture(scope="module")
def one_fibre(geometry, band):
    fs_hz, samples, sections = band
    return MeanUnit(Electrodes.from_geometry(geometry), fs_hz, samples, sections, 1, CENTRE)


@pytest.fixture(scope="module")
def scatter(one_fibre, theta, geometry):
    return Scatter.of(one_fibre, theta[:1], torch.ones(1), torch.eye(len(geometry))[None])


@pytest.fixture(scope="module")
def drawn(geometry, band, theta):
    """Units of few fibres drawn from one and the same, unfiltered: waveforms, mean innervation points, velocities."""
    fs_hz, samples, _ = band
    body = PlanarLayers(fat_mm=float(theta[0, FAT]), anisotropy=float(theta[0, RATIO]))
    named = {
        n: theta[:1, i].repeat(UNITS) for i, n in enumerate(COLUMNS) if n not in ("fat_mm", "anisotropy", "delay_ms")
    }
    parameters = UnitParameters.of(**named, tendon_spread_mm=TENDON_SPREAD_MM)
    fibres = place(parameters, random_deviates(UNITS, int(FIBRES), torch.Generator().manual_seed(0)))
    window = Window(fs_hz, samples, -float(theta[0, -1]), 90.0)
    with torch.no_grad():
        waveform = WaveformModel(body, Electrodes.from_geometry(geometry), window).of_fibres(fibres)
    return waveform, fibres.mean_innervation_mm(), fibres.mean_velocity_m_s()


def test_it_is_as_large_as_the_chance_of_few_fibres(scatter, drawn):
    waveform, zone, velocity = drawn
    size = float(scatter.seen.square().sum().sqrt())
    chance = float((waveform - waveform.mean(0)).square().sum((1, 2)).mean().sqrt())
    assert size == pytest.approx(chance, rel=0.15)  # one is filtered, from 20 Hz on
    moved = scatter.moved[0].square().sum(1).sqrt()
    assert float(moved[0]) == pytest.approx(float(zone.std()), rel=0.15)
    assert float(moved[1]) == pytest.approx(float(velocity.std()), rel=0.15)


def test_whitening_makes_noise_and_scatter_white(scatter):
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(1, 400, scatter.seen.shape[1], generator=generator)
    amounts = torch.randn(1, 400, scatter.seen.shape[2], generator=generator)
    white = scatter.whiten(noise + amounts @ scatter.seen.transpose(1, 2))[0]
    strongest = torch.linalg.svd(scatter.seen[0], full_matrices=False).U[:, 0]
    assert float((white @ strongest).std()) == pytest.approx(1.0, rel=0.1)
    assert float(white.square().mean()) == pytest.approx(1.0, rel=0.02)


def test_what_was_drawn_is_found_in_what_is_left(scatter):
    amounts = torch.zeros(1, scatter.seen.shape[2])
    amounts[0, 5] = 3.0
    left = (scatter.seen @ amounts[..., None])[..., 0] * 1e3  # far above the noise
    found = (scatter.amounts() @ left[..., None])[..., 0] / 1e3
    assert float((scatter.seen @ (found - amounts)[..., None]).norm()) < 0.1 * float(left.norm()) / 1e3


def test_what_the_waveform_tells_is_no_longer_open(one_fibre, scatter, theta, geometry):
    before = scatter.moved.square().sum(2)
    left = scatter.left_of_moved().diagonal(dim1=1, dim2=2)
    assert (left > 0.0).all()
    assert (left < before).all()
    louder = Scatter.of(one_fibre, theta[:1], torch.full((1,), 50.0), torch.eye(len(geometry))[None])
    assert (louder.left_of_moved().diagonal(dim1=1, dim2=2) < left).all()


def test_a_unit_of_fibres_all_alike_has_no_scatter(one_fibre, theta, geometry):
    alike = theta[:1].clone()
    for name in ("iz_spread_mm", "cv_sd_m_s", "radius_mm"):
        alike[0, COLUMNS.index(name)] = 0.0
    assert float(Scatter.of(one_fibre, alike, torch.ones(1), torch.eye(len(geometry))[None]).moved.abs().max()) < 1e-5
    assert (alike[0, [IZ, CV]] == theta[0, [IZ, CV]]).all()
