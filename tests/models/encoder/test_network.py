"""The encoder: any array, any order of channels, channels that are not there, any gain, any rate."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from myodrive.models.encoder.batches import Batch, Receiver, make_batch  # noqa: E402
from myodrive.models.encoder.network import Encoder  # noqa: E402
from myodrive.models.encoder.quantities import IZ, NAMES, SIZE  # noqa: E402
from myodrive.models.encoder.training import FREQUENCIES_HZ, to_spectrum  # noqa: E402

RECEIVER = Receiver()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(FREQUENCIES_HZ).eval()


@pytest.fixture(scope="module")
def batch(shards) -> Batch:
    return make_batch(shards, 8, 4, 6, RECEIVER, torch.Generator().manual_seed(1))


def run(encoder: Encoder, batch: Batch, **changes):
    inputs = {name: getattr(batch, name) for name in ("waveform", "noise_sd", "place", "present")} | changes
    with torch.no_grad():
        return encoder(*inputs.values(), to_spectrum(RECEIVER))


def test_the_order_of_channels_is_nothing(encoder: Encoder, batch: Batch) -> None:
    order = torch.randperm(32, generator=torch.Generator().manual_seed(2))
    mean, sd = run(encoder, batch)
    shuffled = {name: getattr(batch, name)[:, order] for name in ("waveform", "noise_sd", "place", "present")}
    other_mean, other_sd = run(encoder, batch, **shuffled)
    torch.testing.assert_close(other_mean, mean, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(other_sd, sd, rtol=1e-4, atol=1e-4)


def test_a_channel_that_is_not_there_changes_nothing(encoder: Encoder, batch: Batch) -> None:
    present = batch.present.clone()
    present[:, 5] = 0.0
    noisy = batch.waveform.clone()
    noisy[:, 5] = 1e4
    hidden = {"present": present, "noise_sd": batch.noise_sd.clone().index_fill_(1, torch.tensor([5]), 7.0)}
    with_noise = run(encoder, batch, waveform=noisy, **hidden)
    kept = [c for c in range(32) if c != 5]
    without = {name: getattr(batch, name)[:, kept] for name in ("waveform", "noise_sd", "place")}
    removed = run(encoder, batch, **without, present=present[:, kept])
    for one, other in zip(with_noise, removed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_only_the_size_follows_the_gain(encoder: Encoder, batch: Batch) -> None:
    mean, sd = run(encoder, batch)
    louder_mean, louder_sd = run(encoder, batch, waveform=3.0 * batch.waveform, noise_sd=3.0 * batch.noise_sd)
    others = [i for i in range(len(NAMES)) if i != SIZE]
    torch.testing.assert_close(louder_mean[:, others], mean[:, others], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(louder_mean[:, SIZE], 3.0 * mean[:, SIZE], rtol=1e-3, atol=0.0)
    torch.testing.assert_close(louder_sd[:, SIZE], 3.0 * sd[:, SIZE], rtol=1e-3, atol=0.0)


def test_what_a_whole_column_sees_at_once_is_left_out(encoder: Encoder, batch: Batch) -> None:
    everywhere = torch.randn(6, 1, RECEIVER.samples, generator=torch.Generator().manual_seed(4))
    everywhere = everywhere * batch.present[..., None] * batch.clean.abs().amax(dim=(1, 2), keepdim=True)
    one = run(encoder, batch)
    other = run(encoder, batch, waveform=batch.waveform + everywhere)
    torch.testing.assert_close(one[0][:, IZ], other[0][:, IZ], rtol=1e-3, atol=1e-2)


def test_alignment_takes_the_delay_out() -> None:
    encoder = Encoder([20.0, 40.0, 100.0])
    lag = torch.tensor([[1.5, -0.7]])
    radians = 2e-3 * math.pi * np.array([20.0, 40.0, 100.0])
    turned = np.exp(-1j * radians * lag.numpy()[..., None])  # of a pulse that comes at `lag`
    spectrum = torch.as_tensor(np.concatenate([turned.real, turned.imag], axis=2), dtype=torch.float32)
    advanced = encoder._advanced(spectrum, lag)
    torch.testing.assert_close(advanced, torch.tensor([1.0, 1, 1, 0, 0, 0]).expand(1, 2, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(16, 1), (5, 6), (10, 16)])
def test_any_array(encoder: Encoder, shards, rows: int, columns: int) -> None:
    batch = make_batch(shards, rows, columns, 3, RECEIVER, torch.Generator().manual_seed(1))
    mean, sd = run(encoder, batch)
    assert mean.shape == sd.shape == (3, len(NAMES))
    assert torch.isfinite(mean).all()
    assert (sd > 0).all()


def test_a_stranger_is_less_certain(encoder: Encoder, batch: Batch) -> None:
    torch.manual_seed(0)
    encoder = Encoder(FREQUENCIES_HZ).eval()
    sd = run(encoder, batch)[1]
    encoder.whiten.copy_(10.0 * torch.eye(len(encoder.usual)))  # nothing is usual
    assert (run(encoder, batch)[1] > sd).all()
