"""What a fit looks at of an array."""

import torch

from myodrive.models.inversion.view import View, without_common_part


def waves(units, channels, seed=0):
    return torch.randn(units, channels, 50, generator=torch.Generator().manual_seed(seed))


def test_without_its_common_part_a_column_sums_to_zero_and_a_common_wave_is_gone(geometry):
    matrix = without_common_part(geometry)
    assert matrix.sum(0).abs().max() < 1e-5
    assert (matrix @ torch.ones(len(geometry), 3)).abs().max() < 1e-5


def test_a_strong_waveforms_common_part_is_hardly_seen_and_a_weak_ones_is(geometry):
    waveform = 10.0 * waves(1, len(geometry))
    common = torch.ones(1, len(geometry), 1)
    strong = View.of(geometry, waveform, torch.full((1, len(geometry)), 1e-2))
    weak = View.of(geometry, waveform, torch.full((1, len(geometry)), 1e4))
    seen = [float((one.matrix @ common).norm() / (one.weight[..., None] * common).norm()) for one in (strong, weak)]
    assert seen[0] < 0.02
    assert seen[1] > 0.5


def test_noise_alone_leaves_as_many_squares_as_there_are_degrees(geometry):
    variance = torch.linspace(0.5, 2.0, len(geometry)).expand(200, -1)
    noise = waves(200, len(geometry)) * variance[..., None].sqrt()
    view = View.of(geometry, noise, variance)
    assert abs(float(view.seen.square().sum(1).mean() / view.degrees.mean()) - 1.0) < 0.01


def test_what_bad_channels_hold_is_not_seen_nor_counted(geometry):
    waveform, variance = waves(2, len(geometry)), torch.ones(2, len(geometry))
    variance[0, [3, 7]] = float("inf")
    view = View.of(geometry, waveform, variance)
    spoiled = waveform.clone()
    spoiled[0, [3, 7]] = 1e3
    assert torch.equal(View.of(geometry, spoiled, variance).seen, view.seen)
    assert view.degrees[0] < view.degrees[1]
    assert (view.matrix[0, [3, 7]] == 0.0).all()


def test_some_of_a_view_is_the_view_of_some(geometry):
    waveform, variance = waves(3, len(geometry)), torch.ones(3, len(geometry))
    some, alone = (
        View.of(geometry, waveform, variance).some(torch.tensor([2])),
        View.of(geometry, waveform[2:], variance[2:]),
    )
    torch.testing.assert_close(some.seen, alone.seen)
    torch.testing.assert_close(some.matrix, alone.matrix)
