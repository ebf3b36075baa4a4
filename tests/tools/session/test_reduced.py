"""A decoder without some of its units."""

import msgspec
import numpy as np
import pytest

from myodrive.export.decoder import write_decoder
from myodrive.stream.decoder_file import SCHEMA_WITH_CANCELLATION, CancellationSettings, DetectorSettings, read_decoder
from myodrive.stream.errors import OptionError
from myodrive.stream.pipeline import Pipeline
from myodrive.tools.commands.decode import decode
from myodrive.tools.session.reduced import kept_units, write_without


@pytest.fixture
def decoder(decoder_path):
    return read_decoder(decoder_path)


def emg_of(muscle, decoder):
    return np.ascontiguousarray(muscle.emg[:, decoder.info.channels.index])


def test_the_units_that_are_left_keep_their_sources_to_the_bit(decoder, muscle, tmp_path):
    emg = emg_of(muscle, decoder)
    drop = {1}
    reduced, trains = write_without(decoder, drop, emg, tmp_path / "reduced.onnx")
    kept = kept_units(decoder, drop)
    before, after = Pipeline(decoder, 64), Pipeline(reduced, 64)
    for first in range(0, 4096, 64):
        before(emg[first : first + 64], first)
        after(emg[first : first + 64], first)
        np.testing.assert_array_equal(after.sources, before.sources[:, kept])
    whole = decode(emg, Pipeline(decoder, 8), 8)
    for now, was in enumerate(kept):
        shared = np.intersect1d(trains[now], whole[was])
        assert len(shared) >= 0.98 * max(len(trains[now]), len(whole[was]))


def test_units_are_counted_anew_and_their_old_numbers_are_told(decoder, muscle, tmp_path):
    reduced, _ = write_without(decoder, [0, 2], emg_of(muscle, decoder), tmp_path / "reduced.onnx")
    kept = kept_units(decoder, [0, 2])
    assert [unit.id for unit in reduced.info.units] == list(range(len(kept)))
    assert reduced.info.created_by["reviewed"] == {"of": decoder.sha256, "was": kept}
    for now, was in zip(reduced.info.units, kept, strict=True):
        assert msgspec.structs.replace(now, id=was) == decoder.info.units[was]
    np.testing.assert_array_equal(reduced.unit_means, decoder.unit_means[:, kept])
    np.testing.assert_array_equal(reduced.whitening, decoder.whitening)


def test_full_is_what_the_units_left_reach_together(decoder, muscle, tmp_path):
    emg = emg_of(muscle, decoder)
    whole, _ = write_without(decoder, [], emg, tmp_path / "whole.onnx")
    one, _ = write_without(decoder, [0], emg, tmp_path / "one.onnx")
    assert whole.info.command.full == pytest.approx(decoder.info.command.full, rel=0.03)
    assert one.info.command.full < 0.9 * whole.info.command.full
    assert one.info.command.envelope_full == pytest.approx(decoder.info.command.envelope_full, rel=1e-6)


def test_what_units_do_to_each_others_sources_is_cut_with_them(decoder, muscle, tmp_path):
    units, extension = len(decoder.info.units), decoder.info.extension
    channels, length = len(decoder.info.channels.index), extension + 20
    rng = np.random.default_rng(0)
    responses = 0.01 * rng.random((units, units, length), np.float32)
    responses[np.arange(units), np.arange(units), 8] = 1.0
    waveforms = rng.random((units, length - extension + 1, channels), np.float32)
    detector = DetectorSettings(20, 41, CancellationSettings(8, 8, [1.0 + unit for unit in range(units)]))
    names = ("filters", "separation_vectors", "whitening", "inverse_covariance", "unit_means")
    write_decoder(
        tmp_path / "cancelling.onnx",
        msgspec.structs.replace(decoder.info, schema=SCHEMA_WITH_CANCELLATION, detector=detector),
        **{name: getattr(decoder, name) for name in names},
        windows=np.ones((8, len(decoder.filters)), np.float32),
        responses=responses,
        waveforms=waveforms,
    )
    whole = read_decoder(tmp_path / "cancelling.onnx")
    reduced, _ = write_without(whole, [1], emg_of(muscle, decoder), tmp_path / "reduced.onnx")
    kept = kept_units(whole, [1])
    np.testing.assert_array_equal(reduced.responses, responses[np.ix_(kept, kept)])
    np.testing.assert_array_equal(reduced.waveforms, waveforms[kept])
    assert reduced.info.detector.cancellation.weight == [1.0 + unit for unit in kept]


@pytest.mark.parametrize(("drop", "words"), [([99], "no unit 99"), ([-1], "no unit -1"), (range(50), "no unit")])
def test_a_number_of_no_unit_is_refused(decoder, drop, words):
    with pytest.raises(OptionError, match=words):
        kept_units(decoder, drop)


def test_one_unit_is_left_at_least(decoder):
    with pytest.raises(OptionError, match="none of the"):
        kept_units(decoder, range(len(decoder.info.units)))
