"""The exported parameter model: what PyTorch computes, at any array; nothing is written where the two differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from myodrive.export import parameters as module  # noqa: E402
from myodrive.export.parameters import TOLERANCE, exported, parity, write_parameter_model  # noqa: E402
from myodrive.models.encoder.batches import Receiver, make_batch  # noqa: E402
from myodrive.models.encoder.draws import draw_shard  # noqa: E402
from myodrive.models.encoder.network import Encoder  # noqa: E402
from myodrive.models.encoder.training import FREQUENCIES_HZ, to_spectrum  # noqa: E402
from myodrive.stream.errors import ParameterModelError  # noqa: E402

RECEIVER = Receiver()


def examples(rows: int, columns: int):
    generator = torch.Generator().manual_seed(3)
    shards = [draw_shard(generator, units=4) for _ in range(5)]
    batch = make_batch(shards, rows, columns, 4, RECEIVER, generator)
    return batch.waveform, batch.noise_sd, batch.place, batch.present, to_spectrum(RECEIVER)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(FREQUENCIES_HZ, width=32, blocks=1, first_blocks=1).eval()
    encoder.whiten.copy_(0.01 * torch.eye(32))
    return encoder


@pytest.fixture(scope="module")
def raw(encoder: Encoder) -> bytes:
    return exported(encoder, {"names": ["iz_mm"]}, examples(8, 4))


@pytest.mark.parametrize(("rows", "columns"), [(8, 4), (16, 1), (5, 6)])
def test_onnx_runtime_agrees_with_torch(raw: bytes, encoder: Encoder, rows: int, columns: int) -> None:
    assert parity(raw, encoder, examples(rows, columns)) < TOLERANCE


def test_nothing_of_this_machine_is_in_the_file(raw: bytes) -> None:
    model = onnx.load_from_string(raw)
    assert [entry.key for entry in model.metadata_props] == ["myodrive.parameters"]
    assert json.loads(model.metadata_props[0].value) == {"schema": 1, "names": ["iz_mm"]}
    assert str(Path(__file__).parents[2]).encode() not in raw
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_a_graph_that_differs_is_not_written(
    encoder: Encoder, raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    other = Encoder(FREQUENCIES_HZ, width=32, blocks=1, first_blocks=1).eval()
    monkeypatch.setattr(module, "exported", lambda *_: raw)
    path = tmp_path / "parameters.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ParameterModelError, match="nothing was written"):
        write_parameter_model(path, other, {}, examples(8, 4))
    assert path.read_bytes() == b"before"
    assert write_parameter_model(path, encoder, {}, examples(8, 4)) < TOLERANCE
    assert path.read_bytes() == raw


def test_a_model_too_large_to_ship_is_refused(
    encoder: Encoder, raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "exported", lambda *_: raw)
    monkeypatch.setattr(module, "LARGEST_BYTES", len(raw) - 1)
    with pytest.raises(ParameterModelError, match="make it narrower"):
        write_parameter_model(tmp_path / "parameters.onnx", encoder, {}, examples(8, 4))
    assert not list(tmp_path.iterdir())
