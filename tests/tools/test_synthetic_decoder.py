"""Decoders of any size for measurements."""

import msgspec
import numpy as np
import pytest

from myodrive.export.decoder import write_decoder
from myodrive.stream.decoder_file import SCHEMA_WITH_CANCELLATION, CancellationSettings, DetectorSettings, read_decoder
from myodrive.stream.pipeline import Pipeline
from myodrive.tools.commands.decode import decode
from myodrive.tools.synthetic_decoder import synthetic_decoder, synthetic_emg, with_units


def test_the_same_seed_gives_the_same_file(tmp_path):
    decoders = [synthetic_decoder(tmp_path / f"{n}.onnx", 16, 3, 2048.0, seed) for n, seed in enumerate((0, 0, 1))]
    assert decoders[0].sha256 == decoders[1].sha256 != decoders[2].sha256


def test_its_units_discharge_about_as_often_as_real_ones(tmp_path):
    decoder = synthetic_decoder(tmp_path / "d.onnx", 32, 6, 2048.0, 0)
    emg = synthetic_emg(32, 8.0, 2048.0, 1)
    trains = decode(emg, Pipeline(decoder, 64), 64)
    rates = [len(train) / 8.0 for train in trains.values()]
    assert len(rates) == 6
    assert 3.0 < min(rates) <= max(rates) < 30.0


@pytest.mark.parametrize("channels", [4, 7, 65])
def test_any_number_of_channels_makes_a_whole_decoder(tmp_path, channels):
    decoder = synthetic_decoder(tmp_path / "d.onnx", channels, 2, 2048.0, 0)
    assert decoder.info.channels.index == list(range(channels))
    assert decoder.filters.shape == (decoder.info.extension * channels, 2)


@pytest.mark.parametrize("units", [1, 3, 11])
def test_units_are_repeated_or_cut_off_and_keep_their_sources(tmp_path, units):
    few = synthetic_decoder(tmp_path / "few.onnx", 16, 3, 2048.0, 0)
    many = with_units(few, units, tmp_path / "many.onnx")
    emg = synthetic_emg(16, 2.0, 2048.0, 1)
    before, after = Pipeline(few, 8), Pipeline(many, 8)
    for start in range(0, len(emg), 8):
        for pipeline in (before, after):
            pipeline(emg[start : start + 8], start)
        assert np.array_equal(after.sources, before.sources[:, np.arange(units) % 3])
    assert before.sources.any()


def test_repeated_units_keep_what_they_do_to_each_others_sources(tmp_path):
    few = synthetic_decoder(tmp_path / "few.onnx", 16, 3, 2048.0, 0)
    responses = np.random.default_rng(0).random((3, 3, 20), np.float32)
    detector = DetectorSettings(20, 41, CancellationSettings(before=8, stride=8, weight=[1.0, 2.0, 3.0]))
    names = ("filters", "separation_vectors", "whitening", "inverse_covariance", "unit_means")
    write_decoder(
        tmp_path / "cancelling.onnx",
        msgspec.structs.replace(few.info, schema=SCHEMA_WITH_CANCELLATION, detector=detector),
        **{name: getattr(few, name) for name in names},
        windows=np.ones((8, len(few.filters)), np.float32),
        responses=responses,
    )
    many = with_units(read_decoder(tmp_path / "cancelling.onnx"), 5, tmp_path / "many.onnx")
    assert many.info.detector.cancellation.weight == [1.0, 2.0, 3.0, 1.0, 2.0]
    assert np.array_equal(many.responses[4, 3], responses[1, 0])
