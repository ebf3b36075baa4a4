"""From units to the live decoder: filters, what units do to each other, and who is kept."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from myodrive.models.bmiss.freezing import FreezeSettings, freeze, lags_of_filters
from myodrive.models.bmiss.held import Held
from myodrive.models.extension import project
from myodrive.models.firing import FiringLimits
from myodrive.models.matching import agree
from myodrive.stream.decoder_file import DetectorSettings
from myodrive.stream.masking import responses_to

FS_HZ, CHANNELS, SAMPLES, UNITS = 1000.0, 12, 12_000, 4
LEARNT = slice(1000, 11_000)
SETTINGS = FreezeSettings(
    detector=DetectorSettings(lookahead=12, refractory=20), stride=8, deaf_until=60,
    limits=FiringLimits(min_discharges=30),
)  # fmt: skip


@pytest.fixture(scope="module")
def planted():
    """Noise with four units of smooth random waveforms: EMG, their trains and a `Held` of them in `LEARNT`."""
    rng = np.random.default_rng(2)
    held = Held.none(CHANNELS, FS_HZ)
    window = held.waveforms.shape[1]
    rough = rng.normal(0.0, 1.0, (UNITS, window, CHANNELS))
    envelope = np.exp(-(((np.arange(window) - held.before) / 5.0) ** 2))[None, :, None]
    shapes = (6.0 * envelope * rough).astype(np.float32)
    emg = rng.normal(0.0, 1.0, (SAMPLES, CHANNELS)).astype(np.float32)
    trains = []
    for shape in shapes:
        train = np.cumsum(rng.integers(70, 130, 200))
        train = train[(train > 100) & (train < SAMPLES - 100)]
        for instant in train:
            emg[instant - held.before : instant - held.before + window] += shape
        trains.append(train)
    inside = [train[(train >= LEARNT.start) & (train < LEARNT.stop)] - LEARNT.start for train in trains]
    return emg, trains, held.with_trains(emg[LEARNT], inside, FS_HZ), shapes


@pytest.fixture(scope="module")
def frozen(planted):
    emg, _, held, _ = planted
    return freeze(emg, LEARNT, held, SETTINGS, FS_HZ)


def test_measured_waveforms_are_those_planted(planted):
    _, _, held, shapes = planted
    assert np.linalg.norm(held.waveforms - shapes) < 0.2 * np.linalg.norm(shapes)
    assert not held.modelled.any()


def test_what_is_left_of_units_is_the_noise(planted):
    emg, _, held, _ = planted
    assert held.left_of(emg[LEARNT])[100:-100].std() == pytest.approx(1.0, abs=0.05)


def test_live_discharges_are_the_planted_ones_all_over_the_recording(planted, frozen):
    trains = planted[1]
    assert frozen.units.tolist() == [0, 1, 2, 3]
    for one, train in zip(frozen.firings, trains, strict=True):
        assert agree(one.spikes, train, tolerance=1, max_shift=40).roa > 0.97
        assert one.sil > 0.95
        assert one.level == pytest.approx(1.0, abs=0.1)


def test_live_discharges_are_given_back_as_the_search_gives_them(planted, frozen):
    held = planted[2]
    for mine, train in zip(frozen.trains(LEARNT), held.trains, strict=True):
        assert agree(mine, train, tolerance=1, max_shift=0).roa > 0.97


def test_responses_are_what_a_lone_discharge_does_to_all_sources(planted, frozen):
    held = planted[2]
    before = frozen.detector.cancellation.before
    for unit in range(UNITS):
        at = 300 + frozen.delay[unit]  # of its source's peak
        emg = np.zeros((800, CHANNELS), np.float32)
        emg[300 - held.before : 300 - held.before + held.waveforms.shape[1]] = held.waveforms[unit]
        sources = project(emg, frozen.filters, frozen.extension)
        length = frozen.responses.shape[2]
        np.testing.assert_allclose(
            sources[at - before : at - before + length].T, frozen.responses[:, unit], rtol=1e-3, atol=1e-4
        )
        own = frozen.responses[unit, unit]
        assert own[before] == pytest.approx(1.0, abs=1e-4)
        assert np.argmax(own) == before
        assert frozen.detector.cancellation.weight[unit] > 0


def test_the_filters_answer_the_waveforms_with_the_responses(frozen):
    assert frozen.waveforms.shape[1] == frozen.responses.shape[2] - frozen.extension + 1
    answers = responses_to(frozen.waveforms, frozen.filters, frozen.extension)
    np.testing.assert_allclose(answers, frozen.responses, rtol=1e-3, atol=1e-4)


def test_a_unit_that_is_not_there_is_dropped_and_the_others_stay(planted):
    emg, _, held, _ = planted
    ghost = np.arange(50, 9_900, 103)
    more = held.with_trains(emg[LEARNT], [ghost], FS_HZ)
    assert freeze(emg, LEARNT, more, SETTINGS, FS_HZ).units.tolist() == [0, 1, 2, 3]


def test_a_unit_held_twice_is_kept_once(planted):
    emg, _, held, _ = planted
    twice = held.some([0, 1, 2, 3, 0])
    kept = freeze(emg, LEARNT, twice, SETTINGS, FS_HZ)
    assert sorted(unit % 4 for unit in kept.units.tolist()) == [0, 1, 2, 3]


def test_nothing_is_made_of_ghosts_alone(planted):
    emg, _, _, _ = planted
    noise = np.random.default_rng(3).normal(0.0, 1.0, emg.shape).astype(np.float32)
    ghost = Held.none(CHANNELS, FS_HZ).with_trains(noise[LEARNT], [np.arange(50, 9_900, 103)], FS_HZ)
    assert freeze(noise, LEARNT, ghost, SETTINGS, FS_HZ) is None


def test_modelled_units_keep_the_instants_that_they_were_modelled_with(planted):
    held = planted[2]
    both = Held(held.trains, held.waveforms, held.before, np.array([True, False, True, False]))
    other = [train + 1 for train in held.trains]
    fired = both.fired(other)
    for unit, train in enumerate(fired.trains):
        np.testing.assert_array_equal(train, held.trains[unit] if both.modelled[unit] else other[unit])


@pytest.mark.parametrize(("channels", "lags"), [(8, 125), (32, 32), (64, 32), (128, 16), (320, 10)])
def test_few_channels_are_looked_at_for_longer(channels, lags):
    assert lags_of_filters(channels) == lags
