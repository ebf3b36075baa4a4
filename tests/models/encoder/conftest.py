"""A few small muscles for the encoder's tests."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from myodrive.models.encoder.draws import Shard, draw_shard  # noqa: E402


@pytest.fixture(scope="session")
def shards() -> list[Shard]:
    generator = torch.Generator().manual_seed(3)
    drawn = [draw_shard(generator, units=8) for _ in range(6)]
    assert any(shard.waveform.shape[1] >= 16 for shard in drawn)
    return drawn
