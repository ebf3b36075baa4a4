"""Writing a decoder: what is read back is what was given, and no failure leaves anything behind."""

import hashlib
import os
import stat
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from myodrive.export import decoder as writer
from myodrive.export.decoder import write_decoder
from myodrive.stream.decoder_file import (
    BLOCK,
    SCHEMA,
    SCHEMA_WITH_CANCELLATION,
    CancellationSettings,
    Channels,
    CommandLevels,
    DecoderInfo,
    DetectorSettings,
    FilterSettings,
    Unit,
    WhiteningSettings,
    read_decoder,
)
from myodrive.stream.errors import DecoderError, OptionError
from myodrive.stream.session import SourceSession

CHANNELS, EXTENSION, RANK, UNITS = 6, 5, 20, 3
WIDTH = CHANNELS * EXTENSION


def described():
    unit = {"sil": 0.9, "pnr_db": 30.0, "cov_isi": 0.2, "threshold": 0.5, "spike_height": 1.0, "noise_height": 0.1}
    return DecoderInfo(
        schema=SCHEMA,
        fs_hz=2048.0,
        channels=Channels(
            index=[0, 1, 2, 3, 4, 5],
            stream_channels=8,
            row=[0, 1, 2, 0, 1, 2],
            col=[0, 0, 0, 1, 1, 1],
            ied_mm=8.0,
            grid_rows=3,
            grid_cols=2,
            labels=["µ1", "b", "c", "d", "e", "f"],
        ),
        montage="monopolar",
        filter=FilterSettings(20.0, 500.0, 2, [50.0], [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]),
        extension=EXTENSION,
        whitening=WhiteningSettings("truncated", RANK, 0.1),
        detector=DetectorSettings(20, 20),
        units=[Unit(id=i, lag_s=0.01, discharges=100, rate_hz=10.0, **unit) for i in range(UNITS)],
        command=CommandLevels(0.0, 100.0, 5.0, 80.0),
        created_by={"version": "0", "seed": 1},
        source_sha256="00" * 32,
    )


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    windows = 30 * rng.standard_normal((50, WIDTH)).astype(np.float32)
    whitening = rng.standard_normal((WIDTH, RANK)) / (30 * WIDTH**0.5)
    vectors = 0.2 * rng.standard_normal((RANK, UNITS)) / RANK**0.5
    matrices = {
        "filters": whitening @ vectors,
        "separation_vectors": vectors,
        "whitening": whitening,
        "inverse_covariance": whitening @ whitening.T,
        "unit_means": rng.standard_normal((WIDTH, UNITS)),
    }
    return {name: matrix.astype(np.float32) for name, matrix in matrices.items()} | {"windows": windows}


def test_what_was_written_is_read_back(tmp_path, parts):
    path = tmp_path / "decoder.onnx"
    sha256 = write_decoder(path, described(), **parts)
    decoder = read_decoder(path)
    assert sha256 == decoder.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert decoder.info == described()
    for name in ("filters", "separation_vectors", "whitening", "inverse_covariance", "unit_means"):
        assert np.array_equal(getattr(decoder, name), parts[name])
    assert os.listdir(tmp_path) == ["decoder.onnx"]


def test_responses_are_read_back_with_what_they_are_for(tmp_path, parts):
    responses = np.random.default_rng(1).random((UNITS, UNITS, 30), np.float32)
    detector = DetectorSettings(20, 20, CancellationSettings(before=12, stride=8, weight=[10.0, 20.0, 30.0]))
    info = msgspec.structs.replace(described(), schema=SCHEMA_WITH_CANCELLATION, detector=detector)
    write_decoder(tmp_path / "decoder.onnx", info, **parts, responses=responses)
    decoder = read_decoder(tmp_path / "decoder.onnx")
    assert decoder.info == info
    assert np.array_equal(decoder.responses, responses)
    assert decoder.waveforms is None  # as files of older versions
    window = 30 - info.extension + 1
    waveforms = np.random.default_rng(2).random((UNITS, window, len(info.channels.index)), np.float32)
    write_decoder(tmp_path / "whole.onnx", info, **parts, responses=responses, waveforms=waveforms)
    assert np.array_equal(read_decoder(tmp_path / "whole.onnx").waveforms, waveforms)
    session = SourceSession(decoder.model.raw, WIDTH, UNITS)  # what rides along does not disturb the graph
    session.window[:] = parts["windows"][:BLOCK]
    session.run()
    assert np.allclose(session.sources, parts["windows"][:BLOCK] @ parts["filters"], atol=1e-5)
    with pytest.raises(DecoderError, match="schema that does not fit"):
        write_decoder(
            tmp_path / "other.onnx", msgspec.structs.replace(info, schema=SCHEMA), **parts, responses=responses
        )


def test_the_same_decoder_gives_the_same_bytes(tmp_path, parts):
    assert write_decoder(tmp_path / "a", described(), **parts) == write_decoder(tmp_path / "b", described(), **parts)


def test_the_file_is_a_valid_onnx_model(tmp_path, parts):
    onnx = pytest.importorskip("onnx")
    write_decoder(tmp_path / "decoder.onnx", described(), **parts)
    onnx.checker.check_model(onnx.load(tmp_path / "decoder.onnx"), full_check=True)


def test_the_file_runs_directly_and_behind_the_whitening_stage(tmp_path, parts):
    write_decoder(tmp_path / "decoder.onnx", described(), **parts)
    decoder = read_decoder(tmp_path / "decoder.onnx")
    direct = SourceSession(decoder.model.raw, WIDTH, UNITS)
    variant = decoder.model.with_changes({"filters": decoder.separation_vectors}, None, {"window": (BLOCK, RANK)})
    whitened = SourceSession(variant, RANK, UNITS)
    direct.window[:] = parts["windows"][:BLOCK]
    whitened.window[:] = parts["windows"][:BLOCK] @ parts["whitening"]
    direct.run()
    whitened.run()
    assert np.allclose(direct.sources, parts["windows"][:BLOCK] @ parts["filters"], atol=1e-5)
    assert np.allclose(direct.sources, whitened.sources, atol=1e-5)


def spoil_shape(parts):
    parts["unit_means"] = parts["unit_means"][:, :2]


def spoil_number(parts):
    parts["inverse_covariance"][3, 3] = np.inf


def spoil_vectors(parts):
    parts["separation_vectors"] = parts["separation_vectors"][:, ::-1]


def spoil_windows(parts):
    parts["windows"] = parts["windows"][:, 1:]


def leave_no_window(parts):
    parts["windows"] = parts["windows"][:0]


@pytest.mark.parametrize("spoil", [spoil_shape, spoil_number, spoil_vectors, spoil_windows, leave_no_window])
def test_a_decoder_that_does_not_hold_together_is_not_written(spoil, tmp_path, parts):
    path = tmp_path / "decoder.onnx"
    path.write_bytes(b"the old one")
    spoil(parts)
    with pytest.raises(DecoderError):
        write_decoder(path, described(), **parts)
    assert path.read_bytes() == b"the old one"
    assert os.listdir(tmp_path) == ["decoder.onnx"]


def test_metadata_that_contradicts_itself_is_not_written(tmp_path, parts):
    with pytest.raises(DecoderError, match="0 Hz"):
        write_decoder(tmp_path / "d", msgspec.structs.replace(described(), fs_hz=0.0), **parts)
    assert os.listdir(tmp_path) == []


def test_a_failure_while_replacing_leaves_the_old_file(tmp_path, parts, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "decoder.onnx"
    path.write_bytes(b"the old one")
    monkeypatch.setattr(writer.os, "fsync", full)
    with pytest.raises(OptionError, match=r"cannot be written \(No space left on device\)"):
        write_decoder(path, described(), **parts)
    assert path.read_bytes() == b"the old one"
    assert os.listdir(tmp_path) == ["decoder.onnx"]


def test_a_folder_that_is_not_there_is_named(tmp_path, parts):
    with pytest.raises(OptionError, match="cannot be written"):
        write_decoder(tmp_path / "no" / "decoder.onnx", described(), **parts)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
def test_others_may_read_it_as_they_may_any_new_file(tmp_path, parts):
    (tmp_path / "any").touch()
    write_decoder(tmp_path / "decoder.onnx", described(), **parts)
    mode = stat.S_IMODE((tmp_path / "decoder.onnx").stat().st_mode)
    assert mode == stat.S_IMODE((tmp_path / "any").stat().st_mode)


def test_writing_needs_neither_torch_nor_onnx(tmp_path, parts, monkeypatch):
    """The base install calibrates."""
    for name in ("torch", "onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it now fails
    write_decoder(tmp_path / "decoder.onnx", described(), **parts)
    assert read_decoder(tmp_path / "decoder.onnx").info == described()


def test_importing_the_writer_imports_neither_torch_nor_onnx():
    script = (
        "import sys, myodrive.export.decoder, myodrive.export.parity, myodrive.export.template\n"
        "assert not {'torch', 'onnx', 'onnxscript'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
