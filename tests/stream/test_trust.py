"""Trust: the right electrodes keep it, others lose it, whatever the discharges look like."""

import numpy as np
import pytest

from myodrive.stream.detect import Terms
from myodrive.stream.pipeline import Pipeline
from myodrive.stream.trust import ALIKE, SPIKES, UnitTrust


def followed(planted, emg):
    """Pipeline and trust after a signal, each unit compared now and then."""
    pipeline = Pipeline(planted.decoder, 8)
    trust = UnitTrust(planted.decoder, pipeline.averager)
    for start in range(0, len(emg), 8):
        pipeline(emg[start : start + 8], start)
        trust.tend(start / 2000.0, pipeline.drive.good)
    return pipeline, trust


@pytest.fixture(scope="module")
def own(planted):
    return followed(planted, planted.emg)


def test_on_its_own_electrodes_a_unit_looks_as_in_calibration(own):
    _, trust = own
    assert (trust.likeness > 0.98).all()
    assert not trust.strange
    assert (trust.values() == 1.0).all()


def test_the_likeness_is_the_cosine_to_the_decoders_mean(own, planted):
    pipeline, trust = own
    averager, info = pipeline.averager, planted.info
    for unit in range(3):
        lags = averager.before - np.arange(info.extension)
        now = averager.waveform(unit)[:, lags].T.reshape(-1).astype(float)  # lag-major, as the decoder has it
        then = planted.matrices["unit_means"][:, unit].astype(float)
        noise = info.extension * averager.noise(unit).sum()
        cosine = now @ then / np.sqrt((now @ now - noise) * (then @ then))
        trust._next, trust._next_at = unit, -1.0
        trust.tend(0.0, pipeline.drive.good)
        assert trust.likeness[unit] == pytest.approx(min(cosine, 1.0), abs=1e-5)


@pytest.mark.parametrize("order", [np.r_[2:16, 0:2], np.r_[8:16, 0:8]], ids=["one row on", "half the grid on"])
def test_on_other_electrodes_the_trust_goes(planted, order):
    _, trust = followed(planted, np.ascontiguousarray(planted.emg[:, order]))
    known = np.isfinite(trust.likeness)
    assert known.any()
    assert np.median(trust.likeness[known]) < ALIKE - 0.1
    assert trust.strange == (known.sum() >= 3)
    assert np.median(trust.values()[known]) < 0.9


def test_a_bad_channel_does_not_count(planted, own):
    pipeline, _ = own
    trust = UnitTrust(planted.decoder, pipeline.averager)
    good = np.arange(16) != 5
    pipeline.averager._mean[:, :, 5] += 1e4
    trust.tend(0.0, good)
    assert trust.likeness[0] > 0.98
    pipeline.averager._mean[:, :, 5] -= 1e4


def test_channels_that_are_good_again_do_not_count_before_they_have_an_average(planted):
    pipeline, trust = followed(planted, planted.emg)
    pipeline.averager.begin_anew(np.arange(16) < 8)
    for unit in range(3):
        trust.tend(1e6 + unit, np.ones(16, bool))
    assert (trust.likeness > 0.98).all()
    assert not trust.strange


def test_before_there_is_an_average_the_spikes_heights_decide(planted):
    trust = UnitTrust(planted.decoder, Pipeline(planted.decoder, 8).averager)
    trust.tend(0.0, np.ones(16, bool))
    assert np.isnan(trust.likeness).all()
    assert trust.values().tolist() == [1.0, 1.0, 1.0]
    for _ in range(5 * SPIKES):
        assert trust.spike(1, 0.5) == 0.0
        assert trust.spike(2, 0.75) == 0.5
    assert trust.values() == pytest.approx([1.0, 0.0, 0.5], abs=0.02)


def test_a_unit_lost_with_its_channels_is_not_trusted_and_margins_follow_the_threshold(planted):
    pipeline = Pipeline(planted.decoder, 8)
    trust = UnitTrust(planted.decoder, pipeline.averager, pipeline.detector)
    assert trust.spike(0, 0.75) == pytest.approx(0.5)
    pipeline.detector.exchange(Terms(np.array([0.6, np.inf, 0.5], np.float32)))
    assert trust.spike(0, 0.8) == pytest.approx(0.5)
    assert np.isfinite(trust.spike(1, 1.0))  # found by the filters before, told after
    assert trust.values()[1] == 0.0
    assert (trust.values()[[0, 2]] > 0.9).all()
