"""Filters without some channels: those of the covariance without them, whatever the channels; heights as predicted."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.decoder_file import decoder_from_bytes
from myodrive.stream.errors import DecoderError
from myodrive.stream.filter import CausalFilter
from myodrive.stream.masking import HIGHEST_THRESHOLD, LOST_HEIGHT, NO_WAVEFORMS, Masking, mask_reference, responses_to
from myodrive.stream.window import extend_reference

CHANNELS = 16


def without(*places):
    bad = np.zeros(CHANNELS, bool)
    bad[list(places)] = True
    return bad


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, CHANNELS - 1), min_size=1, max_size=CHANNELS // 2))
def test_filters_are_those_of_the_covariance_of_the_channels_left(planted, places):
    bad = without(*places)
    mask = Masking(planted.decoder)(bad)
    filters, kept = mask_reference(planted.decoder, bad)
    alive = np.isfinite(mask.threshold)
    assert np.allclose(mask.filters[:, alive], filters[:, alive], atol=2e-4 * np.abs(planted.decoder.filters).max())
    assert np.allclose(mask.kept, kept, atol=1e-3)
    assert (mask.filters[np.tile(bad, planted.info.extension)] == 0).all()
    assert (mask.filters[:, ~alive] == 0).all()


def test_without_nothing_the_filters_stay(planted):
    mask = Masking(planted.decoder)(without())
    assert np.allclose(mask.filters, planted.decoder.filters, rtol=1e-6)
    assert np.allclose(mask.kept, 1.0)
    assert np.allclose(mask.threshold, [unit.threshold for unit in planted.info.units])


def test_the_more_channels_are_lost_the_less_is_kept_and_the_higher_is_the_noise(planted):
    masking = Masking(planted.decoder)
    masks = [masking(without(*range(n))) for n in range(6)]
    assert (np.diff([mask.kept for mask in masks], axis=0) <= 1e-9).all()
    assert (np.diff([mask.noise_height for mask in masks], axis=0) >= -1e-9).all()
    assert (np.diff([mask.threshold for mask in masks], axis=0) >= -1e-9).all()


def test_a_mean_spike_is_as_high_as_before_and_the_variance_is_the_one_predicted(planted):
    filtered = planted.emg.copy()
    CausalFilter(planted.info.filter.sections, CHANNELS)(filtered)
    extended = extend_reference(filtered, planted.info.extension).astype(np.float64)[500:]
    for bad in (without(3, 8), without(0, 5, 10, 15), without(6)):
        mask = Masking(planted.decoder)(bad)
        means = planted.matrices["unit_means"]
        assert np.allclose(np.einsum("ku,ku->u", means, mask.filters), 1.0, atol=1e-3)
        before, after = (extended @ planted.decoder.filters).var(axis=0), (extended @ mask.filters).var(axis=0)
        assert np.allclose(after / before, 1 / mask.kept, rtol=0.05)


def test_a_unit_whose_channels_are_gone_is_silent(planted):
    energy = np.square(planted.matrices["unit_means"][:, 1]).reshape(-1, CHANNELS).sum(axis=0)
    mask = Masking(planted.decoder)(without(*np.argsort(energy)[1:]))  # its weakest channel is left
    lost = mask.noise_height >= LOST_HEIGHT
    assert lost[1]
    assert np.array_equal(np.isinf(mask.threshold), lost)
    assert (mask.filters[:, lost] == 0).all()
    assert np.isfinite(mask.filters).all()


def test_an_inverse_covariance_that_is_none_is_refused(planted, decoder_bytes):
    bad = without(1, 2)
    rows = np.flatnonzero(np.tile(bad, planted.info.extension))
    negative = planted.matrices["inverse_covariance"].copy()
    negative[np.ix_(rows, rows)] *= -1
    for wrong in (negative, np.zeros_like(negative)):
        decoder = decoder_from_bytes(decoder_bytes(planted.info, planted.matrices | {"inverse_covariance": wrong}))
        with pytest.raises(DecoderError, match="calibrate again"):
            Masking(decoder)(bad)


def test_without_waveforms_cancellation_cannot_be_masked(cancelling):
    masking = Masking(cancelling.decoder)
    assert masking.refusal == NO_WAVEFORMS
    with pytest.raises(DecoderError, match="waveforms"):
        masking(without(1))


def test_with_cancellation_responses_thresholds_and_weights_are_those_of_the_new_filters(maskable):
    decoder = maskable.decoder
    assert np.allclose(responses_to(decoder.waveforms, decoder.filters, 4), decoder.responses, atol=1e-5)
    mask = Masking(decoder)(without(2, 9))
    extended = [
        extend_reference(np.pad(waveform, ((0, 3), (0, 0))), 4) @ mask.filters for waveform in decoder.waveforms
    ]
    expected = np.stack(extended).transpose(2, 0, 1)  # (in source, of unit, time)
    assert np.allclose(mask.responses, expected, atol=1e-5)
    assert np.allclose(mask.weight, mask.kept * decoder.info.detector.cancellation.weight)
    assert (mask.threshold <= HIGHEST_THRESHOLD).all()


def test_waveforms_of_another_length_are_refused(maskable, decoder_bytes):
    short = maskable.matrices | {"waveforms": maskable.matrices["waveforms"][:, 1:].copy()}
    with pytest.raises(DecoderError, match="waveforms as float32"):
        decoder_from_bytes(decoder_bytes(maskable.info, short))
    plain = msgspec.structs.replace(maskable.info)
    assert decoder_from_bytes(decoder_bytes(plain, maskable.matrices)).waveforms is not None
