"""Training: it learns, it resumes to the bit, and it refuses what does not belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from myodrive.models.encoder import training as module  # noqa: E402
from myodrive.models.encoder.batches import make_batch  # noqa: E402
from myodrive.models.encoder.losses import supervised  # noqa: E402
from myodrive.models.encoder.training import CHECKPOINT, LOG, Training, TrainSettings  # noqa: E402
from myodrive.stream.errors import OptionError  # noqa: E402

SMALL = TrainSettings(seed=4, steps=4, shards=3, physics_units=2)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that take a blink."""
    monkeypatch.setattr(module, "SHAPES", ((16, 1), (8, 8)))
    monkeypatch.setattr(module, "TOKENS", 128)
    monkeypatch.setattr(Training, "validate", lambda self: {})
    monkeypatch.setattr(module, "draw_shard", _few)


def _few(generator, device="cpu"):
    from myodrive.models.encoder.draws import draw_shard

    while True:
        shard = draw_shard(generator, device, units=6)
        if shard.waveform.shape[1] >= 16 and shard.waveform.shape[2] >= 8:
            return shard


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = Training(SMALL, tmp_path / "whole")
    whole.run(every=2)

    class Interrupted(Exception):
        pass

    def interrupt(share: float, note: str) -> None:
        if share > 0.5:
            raise Interrupted

    with pytest.raises(Interrupted):
        Training(SMALL, tmp_path / "broken").run(interrupt, every=2)
    again = Training(SMALL, tmp_path / "broken")
    assert again.step == 2
    again.run(every=2)
    for name, value in whole.encoder.state_dict().items():
        torch.testing.assert_close(again.encoder.state_dict()[name], value, rtol=0, atol=0)
    steps = [json.loads(line)["step"] for line in (tmp_path / "broken" / LOG).read_text().splitlines()]
    assert steps == [2, 4]
    assert (tmp_path / "broken" / CHECKPOINT).exists()


def test_other_settings_are_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    Training(SMALL, tmp_path).run(every=4)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(OptionError, match="other settings"):
        Training(TrainSettings(seed=5, steps=4, shards=3, physics_units=2), tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    if damage is None:
        torch.save([1.0], tmp_path / CHECKPOINT)
    else:
        (tmp_path / CHECKPOINT).write_bytes(damage)
    with pytest.raises(OptionError, match="damaged"):
        Training(SMALL, tmp_path)


def test_it_learns_a_batch(tmp_path: Path, shards) -> None:
    training = Training(SMALL, tmp_path)
    batch = make_batch(shards, 8, 4, 16, training.receiver, torch.Generator().manual_seed(1))
    target = (batch.truth - training.middle) / training.scale
    optimizer = torch.optim.Adam(training.encoder.parameters(), 1e-3)
    losses = []
    for _ in range(40):
        loss = supervised(training._passes(batch), target, training.weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("changes", [{"physics": 0.0}, {"supervised": 0.0}, {"aligned": False}])
def test_each_part_can_be_left_out(tmp_path: Path, changes) -> None:
    from dataclasses import replace

    told = Training(replace(SMALL, steps=1, **changes), tmp_path)._one_step()
    assert all(value == value for value in told.values())
    if "physics" in changes:
        assert told["physics"] == 0.0
    if "supervised" in changes:
        assert told["supervised"] == 0.0


def _process(rank: int, port: int, folder: str) -> None:
    """One of two processes, as torchrun starts them."""
    import os

    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    module.SHAPES, module.TOKENS, module.draw_shard = ((16, 1), (8, 8)), 128, _few
    Training.validate = lambda self, units=0: {}  # type: ignore[method-assign]
    training = Training(SMALL, Path(folder), "cpu")
    training.run(every=4)
    torch.save(training.encoder.state_dict(), f"{folder}/rank{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_share_their_gradients(tmp_path: Path, free_address) -> None:
    port = int(free_address().rpartition(":")[2])
    torch.multiprocessing.spawn(_process, (port, str(tmp_path)), nprocs=2)
    one, other = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    alone = Training(SMALL, tmp_path / "alone", "cpu")
    alone.run(every=4)
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=0)
    assert any(not torch.equal(value, one[name]) for name, value in alone.encoder.state_dict().items())
