"""The bench of false activations: its noise is that of the recording, and what it counts is what was reported."""

import numpy as np
import pytest
from rich.console import Console

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.pipeline import Pipeline
from myodrive.tools import bench_rest as bench
from myodrive.tools.commands.decode import decode, selected
from myodrive.tools.hdf5_reading import read_recording

FS_HZ = 2000.0


@pytest.fixture(scope="module")
def noise():
    """Coloured noise of three channels that share some of it."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=(40_000, 3))
    slow = white + 0.8 * np.roll(white, 1, axis=0)
    return 5.0 * slow @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


def test_what_is_simulated_has_the_spectrum_and_the_coherence_of_the_noise(noise):
    made = np.concatenate(list(bench.at_rest(bench.cross_spectrum(noise), 20.0, FS_HZ, 1)))
    assert made.dtype == np.float32
    for lag in (0, 1, 2):
        real, ours = (x[lag:].T @ x[: len(x) - lag] / len(x) for x in (noise, made.astype(float)))
        assert np.abs(real - ours).max() < 0.12 * np.abs(noise.var(axis=0)).max()


def test_the_noise_is_as_loud_within_a_block_as_between_two(noise):
    made = np.concatenate(list(bench.at_rest(bench.cross_spectrum(noise), 120.0, FS_HZ, 1)))
    half = bench.BLOCK // 2
    rows = made[: len(made) // half * half].reshape(-1, half, 3)
    loud = rows.std(axis=(0, 2))
    smooth = loud.reshape(16, -1).mean(axis=1)
    assert smooth.max() / smooth.min() < 1.1


def test_an_artefact_comes_every_ten_seconds_and_the_rest_stays(noise):
    roots = bench.cross_spectrum(noise)
    calm, spoilt = (
        np.concatenate(list(bench.at_rest(roots, 20.0, FS_HZ, 1, text)))
        for text in (None, "artefact@{at}:1,channels=1")
    )
    changed = np.flatnonzero((calm != spoilt).any(axis=1)) / FS_HZ
    assert set(np.unique(changed.astype(int))) <= {5, 15}
    assert len(changed) > 1000
    assert np.array_equal(calm[:, [0, 2]], spoilt[:, [0, 2]])


def test_quiet_stretches_are_the_noise_and_without_any_the_residual_is(muscle_path, decoder_path):
    recording, decoder = read_recording(muscle_path), read_decoder(decoder_path)
    emg = selected(recording, decoder)
    left, seconds, where = bench.quiet(emg, recording.fs_hz, decoder)
    assert where == "residual"
    assert seconds == pytest.approx(recording.duration_s)
    assert left.std() < (emg - emg.mean(axis=0)).std()
    rested = emg.copy()
    still = rested[: round(2 * recording.fs_hz)]
    still[:] = np.random.default_rng(0).normal(0.0, 0.01 * emg.std(), still.shape)
    part, seconds, where = bench.quiet(rested, recording.fs_hz, decoder)
    assert where == "rest"
    assert 0.5 <= seconds <= 2.0
    assert part.std() < 0.02 * emg.std()


def test_what_is_counted_is_what_the_pipeline_reports(muscle_path, decoder_path):
    recording, decoder = read_recording(muscle_path), read_decoder(decoder_path)
    emg = selected(recording, decoder)
    counted = bench.Counted(decoder)
    counted(emg)
    counted.close()
    pipeline = Pipeline(decoder, bench.HOP)
    trains = decode(emg, pipeline, bench.HOP)
    pipeline.close()
    summary = counted.summary()
    assert summary["discharges"] == sum(map(len, trains.values())) > 100
    hours = len(emg) / recording.fs_hz / 3600
    assert summary["discharges_per_hour_and_unit"] == pytest.approx(summary["discharges"] / hours / len(trains))
    assert summary["activations"] >= 1  # a contraction is a command
    assert 0.9 < summary["valid_share"] <= 1


def test_rest_is_counted_without_and_with_artefacts(muscle_path, decoder_path, monkeypatch):
    monkeypatch.setattr(bench, "ARTEFACTS", {"noise": "noise@{at}:2,channels=1+2+3+4"})
    result = bench.rest(hours=0.005, minutes=0.4, decoder=str(decoder_path), recording=str(muscle_path))
    calm, noisy = result["rest"]
    assert [(row["artefact"], row["artefacts"]) for row in (calm, noisy)] == [("none", 0), ("noise", 2)]
    assert calm["seconds"] >= 18
    assert noisy["seconds"] >= 24
    assert calm["held_back"] < noisy["held_back"]
    assert all(row["trusted"] <= row["discharges"] for row in (calm, noisy))
    assert 0 < noisy["valid_share"] <= 1
    console = Console(width=120, record=True)
    console.print(bench.table(result))
    text = console.export_text()
    assert "none" in text
    assert str(noisy["discharges"]) in text
