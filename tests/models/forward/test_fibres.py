"""The fibres that parameters and deviates make."""

import pytest
import torch

from myodrive.models.forward.fibres import (
    SHALLOWEST_MM,
    UnitParameters,
    place,
    quadrature_deviates,
    random_deviates,
)


def draw(units, fibres, seed):
    return random_deviates(units, fibres, torch.Generator().manual_seed(seed), torch.float64)


def test_the_same_seed_gives_the_same_fibres():
    assert torch.equal(draw(3, 20, seed=4), draw(3, 20, seed=4))
    assert not torch.equal(draw(3, 20, seed=4), draw(3, 20, seed=5))


def test_the_means_that_are_scored_are_those_of_the_drawn_fibres(unit):
    fibres = place(unit(iz_spread_mm=[10.0, 15.0], conduction_velocity_m_s=[3.0, 5.0]), draw(2, 30, seed=0))
    torch.testing.assert_close(fibres.mean_innervation_mm(), fibres.innervation_mm.mean(1))
    torch.testing.assert_close(fibres.mean_velocity_m_s(), fibres.velocity_m_s.mean(1))
    assert (fibres.mean_innervation_mm() != 0.0).all()


def test_draws_have_the_spreads_that_were_asked_for(unit):
    parameters = unit(iz_spread_mm=12.0, tendon_spread_mm=8.0, radius_mm=5.0, cv_sd_m_s=0.2, depth_mm=15.0)
    fibres = place(parameters, draw(1, 20000, seed=1))
    assert fibres.innervation_mm.std() == pytest.approx(12.0 / 12**0.5, rel=0.03)
    assert fibres.high_end_mm.std() == pytest.approx(8.0 / 12**0.5, rel=0.03)
    assert fibres.velocity_m_s.std() == pytest.approx(0.2, rel=0.05)
    assert (fibres.lateral_mm**2 + (fibres.depth_mm - 15.0) ** 2).max() <= 25.0 + 1e-9
    assert fibres.lateral_mm.std() == pytest.approx(2.5, rel=0.03)  # of a disc: radius / 2
    assert fibres.weight.sum() == pytest.approx(200.0)


@pytest.mark.parametrize("count", [6, 9, 16, 25])
def test_few_quadrature_fibres_have_the_means_and_spreads_of_many(unit, count):
    fibres = place(unit(iz_spread_mm=12.0, cv_sd_m_s=0.2), quadrature_deviates(count, torch.float64))
    assert fibres.mean_innervation_mm().item() == pytest.approx(0.0, abs=1e-9)
    assert fibres.mean_velocity_m_s().item() == pytest.approx(4.0, abs=1e-9)
    assert fibres.innervation_mm.std() == pytest.approx(12.0 / 12**0.5, rel=0.1)
    assert abs(fibres.lateral_mm.mean()) < 0.5
    assert abs(fibres.depth_mm.mean() - 10.0) < 0.5


def test_no_fibre_leaves_the_muscle(unit):
    fibres = place(unit(depth_mm=3.0, radius_mm=8.0), draw(1, 2000, seed=2))
    assert fibres.depth_mm.min() >= SHALLOWEST_MM - 1e-9
    assert fibres.depth_mm.max() > 9.0


def test_a_parameter_that_does_not_exist_is_named():
    with pytest.raises(TypeError, match="innervation_zone_mn"):
        UnitParameters.of(innervation_zone_mn=3.0)


def test_parameters_broadcast_and_select():
    parameters = UnitParameters.of(depth_mm=torch.tensor([3.0, 6.0, 9.0]), fibres=50.0)
    assert len(parameters) == 3
    assert parameters.fibres.shape == (3,)
    assert parameters[1:].depth_mm.tolist() == [6.0, 9.0]
    assert len(UnitParameters.of()) == 1
