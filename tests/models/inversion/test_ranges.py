"""A normal distribution within ranges, against draws."""

import torch

from myodrive.models.inversion.ranges import within

MEAN, SD = torch.zeros(2), torch.full((2,), 1.0 / 3.0**0.5)  # of the range (-1, 1)


def test_it_is_the_mean_and_covariance_of_draws_that_fall_within():
    precision = torch.tensor([[2.0, 1.2], [1.2, 1.0]], dtype=torch.float64)
    own = torch.tensor([0.8, 0.3], dtype=torch.float64)
    draws = torch.distributions.MultivariateNormal(own, precision_matrix=precision).sample((400_000,))
    draws = draws[(draws.abs() < 1.0).all(1)]
    mean, covariance = within(precision[None], (precision @ own)[None], MEAN, SD, torch.tensor([True, True]))
    assert (mean[0] - draws.mean(0)).abs().max() < 0.02
    assert (covariance[0] - draws.T.cov()).abs().max() < 0.02


def test_sharp_data_within_a_range_are_taken_as_they_are():
    shift = 1e6 * torch.tensor([[0.5, -0.2]])
    mean, covariance = within(1e6 * torch.eye(2)[None], shift, MEAN, SD, torch.tensor([True, True]))
    torch.testing.assert_close(mean[0], torch.tensor([0.5, -0.2]), atol=1e-4, rtol=0.0)
    torch.testing.assert_close(covariance[0], 1e-6 * torch.eye(2), atol=1e-8, rtol=0.0)


def test_data_that_see_nothing_leave_the_ranges():
    mean, covariance = within(1e-9 * torch.eye(2)[None], torch.zeros(1, 2), MEAN, SD, torch.tensor([True, False]))
    torch.testing.assert_close(mean[0], MEAN, atol=1e-4, rtol=0.0)
    torch.testing.assert_close(covariance[0].diagonal(), SD.square(), atol=1e-3, rtol=0.0)


def test_a_range_in_which_the_data_do_not_see_the_parameter_does_not_hold():
    precision = 400.0 * torch.eye(2)[None]
    mean, _ = within(precision, 400.0 * torch.tensor([[2.0, 0.0]]), MEAN, SD, torch.tensor([True, True]))
    assert 1.9 < float(mean[0, 0]) < 2.0
