"""How noise is correlated, and how white it is made, against noise whose correlation is known."""

import pytest
import torch

from myodrive.models.inversion.residue import (
    SHRUNK,
    WHITE,
    Residue,
    correlation_over_channels,
    correlation_over_time,
)
from myodrive.models.inversion.view import View

WINDOWS, SAMPLES = 200, 60


@pytest.fixture
def white(geometry):
    return torch.randn(WINDOWS, len(geometry), SAMPLES, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def coloured(white, geometry):
    """Correlated 0.8 per spacing along a column, and over a few samples."""
    row, col = torch.as_tensor(geometry.row), torch.as_tensor(geometry.col)
    apart = (row[:, None] - row[None, :]).abs()
    mixing = torch.linalg.cholesky(torch.where(col[:, None] == col[None, :], 0.8**apart, 0.0).float())
    kernel = torch.tensor([1.0, 2.0, 3.0, 2.0, 1.0])
    rows = (mixing @ white).flatten(0, 1)[:, None]
    return torch.nn.functional.conv1d(rows, kernel[None, None], padding=2)[:, 0].unflatten(0, white.shape[:2])


def off_diagonal(matrix):
    return matrix - torch.diag_embed(matrix.diagonal(dim1=-2, dim2=-1))


def test_white_noise_is_correlated_with_nothing_but_itself(white):
    residue = Residue.of(white)
    assert off_diagonal(residue.space).abs().max() < 0.05
    assert off_diagonal(correlation_over_time(residue.windows)).abs().max() < 0.05
    torch.testing.assert_close(residue.windows.square().mean((0, 2)), torch.ones(white.shape[1]))


def test_what_all_channels_share_has_a_covariance_of_rank_one(white):
    shared = white[:, :1].repeat(1, white.shape[1], 1) * torch.linspace(1.0, 3.0, white.shape[1])[:, None]
    values = torch.linalg.eigvalsh(correlation_over_channels(Residue.of(shared).windows))
    assert values[-1] == pytest.approx(white.shape[1], rel=1e-4)
    assert values[:-1].abs().max() < 1e-3
    assert torch.linalg.eigvalsh(Residue.of(shared).space)[0] == pytest.approx(SHRUNK, rel=1e-2)  # windows are few


def test_the_correlation_over_time_is_that_of_the_process(coloured):
    lags = correlation_over_time(coloured)[0]
    # 1, 2, 3, 2, 1 with itself; few pairs of samples are far apart in a window, and count as few
    expected = torch.tensor([19.0, 16.0, 10.0, 4.0, 1.0, 0.0, 0.0]) / 19.0
    expected = expected * (1.0 - torch.arange(7) / SAMPLES)
    assert (lags[:7] - expected).abs().max() < 0.05
    assert lags[-6:].abs().max() < 0.02  # a window's end is not beside its beginning


def test_neither_its_size_nor_the_order_of_windows_matters(coloured):
    one, other = Residue.of(coloured), Residue.of(40.0 * coloured.flip(0))
    torch.testing.assert_close(one.space, other.space, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one.time, other.time, atol=1e-4, rtol=1e-4)


def test_a_channel_that_holds_nothing_is_correlated_with_none(coloured):
    coloured[:, 4] = 0.0
    residue = Residue.of(coloured)
    assert (residue.space[4] == torch.eye(len(residue.space))[4]).all()
    assert torch.isfinite(residue.time).all()


class TestView:
    """Waveforms looked at in such noise."""

    def view(self, geometry, windows, waveform, variance=None):
        variance = torch.ones(waveform.shape[:2]) if variance is None else variance
        return View.of(geometry, waveform, variance, residue=Residue.of(windows))

    def test_white_noise_is_looked_at_as_if_nothing_was_known_of_it(self, geometry, white):
        waveform = 3.0 * white[:2]
        plain = View.of(geometry, waveform, torch.ones(waveform.shape[:2]))
        told = self.view(geometry, white, waveform)
        squares = told.whiten(told.seen[:, None])[:, 0].square().sum(1)
        torch.testing.assert_close(squares, plain.seen.square().sum(1), rtol=0.05, atol=0.0)
        torch.testing.assert_close(told.degrees, plain.degrees, rtol=0.05, atol=0.0)

    def test_correlated_noise_is_white_over_channels_and_whiter_over_time(self, geometry, coloured):
        told = self.view(geometry, coloured, 1e-3 * coloured[:1])
        noise = told.noise[0].unflatten(1, (len(geometry), SAMPLES))
        across = noise.transpose(0, 1).flatten(1).corrcoef()
        assert off_diagonal(across).abs().max() < 0.5 * off_diagonal(correlation_over_channels(
            Residue.of(coloured).windows)).abs().max()  # fmt: skip
        spectrum = torch.fft.rfft(noise).abs().square().mean((0, 1))[1:]
        before = torch.fft.rfft(coloured).abs().square().mean((0, 1))[1:]
        assert spectrum.max() / spectrum.min() < 0.5 * before.max() / before.min()
        assert spectrum.max() < (1.0 + WHITE) * 1.3 * SAMPLES  # nothing is made louder than that

    def test_noise_leaves_as_many_squares_as_there_are_degrees(self, geometry, coloured):
        size = torch.linspace(0.5, 2.0, len(geometry))
        noise = Residue.of(coloured).windows * size[:, None]
        told = self.view(geometry, coloured, noise, size.square().expand(WINDOWS, -1))
        squares = told.whiten(told.seen[:, None])[:, 0].square().sum(1)
        assert float(squares.mean() / told.degrees.mean()) == pytest.approx(1.0, rel=0.05)
        torch.testing.assert_close(told.density * len(geometry) * SAMPLES, told.degrees)

    def test_what_was_whitened_can_be_taken_back(self, geometry, coloured):
        told = self.view(geometry, coloured, coloured[:2])
        rows = torch.randn(2, 3, len(geometry) * SAMPLES, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(told.as_seen(told.whiten(rows)), rows, atol=1e-3, rtol=1e-3)

    def test_what_bad_channels_hold_is_not_seen_nor_counted(self, geometry, coloured):
        waveform, variance = coloured[:2].clone(), torch.ones(2, len(geometry))
        variance[0, [3, 7]] = float("inf")
        spoiled = waveform.clone()
        spoiled[0, [3, 7]] = 1e3
        one, other = (self.view(geometry, coloured, wave, variance) for wave in (waveform, spoiled))
        white = other.whiten(other.seen[:, None])
        assert torch.equal(one.seen, other.seen)
        assert (white[0, 0].unflatten(0, (len(geometry), -1))[[3, 7]] == 0.0).all()
        assert one.degrees[0] < one.degrees[1]

    def test_some_of_it_louder_is_that_of_some_in_more_noise(self, geometry, coloured):
        waveform = coloured[:3]
        some = self.view(geometry, coloured, waveform).some(torch.tensor([1])).with_louder_noise(torch.tensor([4.0]))
        assert some.noise.shape[0] == 1
        torch.testing.assert_close(some.whiten(some.seen[:, None]), 0.5 * self.whole(geometry, coloured, waveform))

    def whole(self, geometry, coloured, waveform):
        alone = self.view(geometry, coloured, waveform[1:2])
        return alone.whiten(alone.seen[:, None])
