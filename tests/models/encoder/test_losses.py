"""Losses: least at the truth, and gradients that lead there."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from myodrive.models.encoder.batches import Receiver, make_batch  # noqa: E402
from myodrive.models.encoder.losses import Decoder, reconstruction, supervised  # noqa: E402
from myodrive.models.encoder.quantities import CV, IZ, NAMES, middles, scales  # noqa: E402


def test_supervised_is_least_at_the_truth_with_its_own_scatter() -> None:
    target = torch.zeros(4000, len(NAMES))
    error = 0.3 * torch.randn(4000, len(NAMES), generator=torch.Generator().manual_seed(0))
    weight = torch.ones(len(NAMES))
    nothing = (target, torch.zeros_like(target))

    def gradient(log_sd: float) -> float:
        logarithm = torch.full_like(target, log_sd, requires_grad=True)
        loss = supervised([nothing, nothing, (error, logarithm)], target, weight)
        return float(torch.autograd.grad(loss, logarithm)[0].sum())

    assert gradient(-1.5) < 0.0 < gradient(-0.9)  # the zero is at log 0.3 = -1.2


def test_reconstruction_pulls_towards_the_truth(shards) -> None:
    shard = next(s for s in shards if s.waveform.shape[1] >= 16)
    receiver = Receiver()
    batch = make_batch([shard], 12, 4, 16, receiver, torch.Generator().manual_seed(5))
    truth = (batch.truth - middles()) / scales()
    off = truth.clone()
    off[:, CV] += 0.25
    off[:, IZ] += 0.25
    off.requires_grad_()
    loss = reconstruction(Decoder(shard, 12, 4, receiver), off, batch.clean)
    (slope,) = torch.autograd.grad(loss, off)
    assert torch.isfinite(slope).all()
    assert (slope[:, CV] > 0).float().mean() > 0.7
    assert (slope[:, IZ] > 0).float().mean() > 0.7
