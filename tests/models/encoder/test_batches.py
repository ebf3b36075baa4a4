"""Batches: cut where they say, with the noise they say, and truths that move with the array."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from myodrive.models.encoder.batches import (  # noqa: E402
    HIGH,
    LOW,
    SNR_WINDOW_S,
    Receiver,
    cut,
    make_batch,
)
from myodrive.models.encoder.draws import FS_HZ  # noqa: E402
from myodrive.models.encoder.losses import Decoder  # noqa: E402
from myodrive.models.encoder.quantities import DELAY, IZ, LATERAL, SIZE, middles, scales  # noqa: E402


def test_same_seed_same_batch(shards) -> None:
    one, other = (make_batch(shards, 8, 8, 5, Receiver(), torch.Generator().manual_seed(1)) for _ in range(2))
    for name in ("waveform", "clean", "noise_sd", "place", "present", "truth"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)


def test_tables_units_lie_over_their_array(shards) -> None:
    table = [shard for shard in shards if shard.table]
    _, truth, place = cut(table, 8, 5, 200, torch.Generator().manual_seed(1))
    outermost = place[..., 0].amax(1)
    spacing = outermost / 3.5
    assert (truth[:, IZ].abs() <= outermost - spacing + 1.0 + 15.0 / 4).all()  # fibres' mean strays from the centre
    assert (truth[:, IZ].abs() <= outermost - spacing + 1e-3).float().mean() > 0.9


def test_noise_is_what_is_said(shards) -> None:
    batch = make_batch(shards, 8, 5, 400, Receiver(), torch.Generator().manual_seed(2))
    there = batch.present > 0
    rms = (batch.waveform - batch.clean).square().mean(2).sqrt()
    ratio = rms[there] / batch.noise_sd[there]
    assert abs(float(ratio.median()) - 1.0) < 0.03
    assert float(ratio.quantile(0.01)) > 0.7
    snr = batch.clean.square().sum(dim=(1, 2)) / (40 * SNR_WINDOW_S * FS_HZ) / batch.noise_sd.square().mean(1)
    assert -9.0 < float((10 * snr.log10()).quantile(0.05)) < float((10 * snr.log10()).quantile(0.95)) < 35.0
    assert (batch.waveform[~there] == 0).all()


def test_truths_reconstruct_through_the_physics(shards) -> None:
    """Cutting, mirroring, delaying: the decoder makes of the moved truths the moved waveforms."""
    shard = next(s for s in shards if s.waveform.shape[1] >= 16)
    receiver = Receiver()
    batch = make_batch([shard], 12, 4, 24, receiver, torch.Generator().manual_seed(5))
    truth = (batch.truth - middles()) / scales()
    decoder = Decoder(shard, 12, 4, receiver)
    with torch.no_grad():
        right = decoder.residue(truth, batch.clean)
        for column, step in ((IZ, 6.0), (DELAY, 0.5), (LATERAL, 12.0)):
            moved = truth.clone()
            moved[:, column] += step / scales()[column]
            assert (decoder.residue(moved, batch.clean) > right).float().mean() > 0.85
        swapped = truth.clone()
        swapped[:, IZ] *= -1.0
        swapped[:, [LOW, HIGH]] = truth[:, [HIGH, LOW]]
        assert float(decoder.residue(swapped, batch.clean).median()) > float(right.median())
    assert float(right.median()) < 0.06  # other fibres, the same unit
    assert float(right.max()) < 0.4


def test_the_size_counts_the_fibres(shards) -> None:
    """The same unit with a gain of two has twice the size."""
    batch = make_batch(shards, 8, 5, 50, Receiver(), torch.Generator().manual_seed(7))
    drawn = batch.truth[:, SIZE].exp()
    assert float(drawn.max() / drawn.min()) > 20  # gains of e^-2 to e^2 on 100 to 300 fibres
