"""The running spike-triggered average: its definition, any hop, gaps, forgetting, noise and cost."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.average import AverageCopy, SpikeAverager, average_reference
from myodrive.stream.average_window import window_samples
from myodrive.stream.pipeline import Pipeline

BEFORE, AFTER, LOOKAHEAD, FS_HZ = 6, 9, 3, 2048.0


def feed(averager, signal, spikes, hops, *, first_sample=0, lookahead=LOOKAHEAD):
    """Give `signal` in hops, each discharge (sample, unit) with the hop that decides it."""
    spikes = sorted(spikes)
    start, given_, i = 0, 0, 0
    while start < len(signal):
        hop = signal[start : start + hops[i % len(hops)]]
        i += 1
        start += len(hop)
        now = []
        while given_ < len(spikes) and spikes[given_][0] + lookahead < first_sample + start:
            now.append(spikes[given_])
            given_ += 1
        sample = np.array([s for s, _ in now] + [0], np.int64)
        unit = np.array([u for _, u in now] + [0], np.int64)
        averager(hop, first_sample + start - len(hop), unit, sample, len(now))
    return averager


def averager(units=3, channels=5, memory=4, longest=64, **options):
    return SpikeAverager(
        units, channels, FS_HZ, before=BEFORE, after=AFTER, memory=memory, longest=longest, lookahead=LOOKAHEAD,
        **options,
    )  # fmt: skip


def state(average, units=3):
    return [
        (average.waveform(u).tobytes(), average.noise(u).tobytes(), average.added[u], average.dropped[u])
        for u in range(units)
    ]


some_spikes = st.lists(st.tuples(st.integers(0, 399), st.integers(0, 2)), max_size=60, unique=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), some_spikes, st.integers(1, 12), st.lists(st.integers(1, 64), min_size=1, max_size=5))
def test_any_hop_gives_the_references_average(seed, spikes, memory, hops):
    signal = np.random.default_rng(seed).normal(0, 50, (400, 5)).astype(np.float32)
    found = feed(averager(memory=memory), signal, spikes, hops)
    assert state(found) == state(feed(averager(memory=memory), signal, spikes, [1]))
    for unit in range(3):
        own = sorted(s for s, u in spikes if u == unit and s + LOOKAHEAD < 400)
        inside = [s for s in own if s >= BEFORE and s + AFTER <= 400]
        assert found.added[unit] == len(inside)
        assert found.dropped[unit] == sum(s < BEFORE for s in own)
        if inside:
            windows = np.stack([signal[s - BEFORE : s + AFTER] for s in inside])
            mean, variance, concentration = average_reference(windows, memory)
            np.testing.assert_allclose(found.waveform(unit), mean.T, atol=2e-3)
            if concentration < 1 - 1e-9:
                expected = variance * concentration / (1 - concentration)
                np.testing.assert_allclose(found.noise(unit), expected, rtol=1e-3, atol=1e-6)
            else:
                assert np.isnan(found.noise(unit)).all()


def test_a_window_is_added_with_its_last_sample_and_not_before():
    average, signal = averager(), np.ones((100, 5), np.float32)
    one = np.array([50], np.int64)
    average(signal[:53], 0, one * 0, one, 0)
    assert average(signal[53 : 50 + AFTER - 1], 53, one * 0, one, 1) == 0
    assert average(signal[50 + AFTER - 1 : 50 + AFTER], 50 + AFTER - 1, one * 0, one, 0) == 1


def test_windows_over_a_gap_are_dropped_and_counted():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(200, 5)).astype(np.float32)
    average = averager(memory=50)
    feed(average, signal[:100], [(40, 0), (92, 0), (95, 1)], [8])  # 92 and 95: incomplete at the gap
    before = average.waveform(0)
    average.reset(130)
    feed(average, signal[100:], [(133, 2), (160, 0)], [8], first_sample=130)  # 133 would reach back over it
    assert average.added.tolist() == [2, 0, 0]
    assert average.dropped.tolist() == [1, 1, 1]
    expected = (before.T + signal[160 - 30 - BEFORE : 160 - 30 + AFTER]) / 2
    np.testing.assert_allclose(average.waveform(0), expected.T, atol=1e-6)


def test_old_waveforms_fade_with_the_memory():
    memory = 10
    average = averager(units=1, memory=memory)
    signal = np.ones((40 * 30, 5), np.float32)
    signal[20 * 30 :] = -1.0
    spikes = [(30 * k + 15, 0) for k in range(40)]
    feed(average, signal, spikes, [8])
    assert average.waveform(0)[0, 0] == pytest.approx(-1 + 2 * (1 - 1 / memory) ** 20, abs=1e-5)


@pytest.mark.parametrize("count", [20, 400])
def test_the_noise_of_the_average_and_its_snr_are_what_they_say(count):
    """Before and after forgetting sets in; `count` windows with a memory of 100."""
    rng = np.random.default_rng(1)
    noise_uv, errors, ratios = 12.0, [], []
    shape = 30.0 * np.sin(np.arange(BEFORE + AFTER) / 2.0)[:, None] * np.linspace(0.5, 1.5, 32)
    for _ in range(4):
        signal = rng.normal(0, noise_uv, (40 * count, 32)).astype(np.float32)
        spikes = [(40 * k + 15, 0) for k in range(count)]
        for at, _ in spikes:
            signal[at - BEFORE : at + AFTER] += shape
        average = averager(units=1, channels=32, memory=100)
        feed(average, signal, spikes, [16])
        errors.append(np.square(average.waveform(0) - shape.T).mean() / average.noise(0).mean())
        true = np.square(shape).sum(axis=0).mean() / (0.04 * FS_HZ) / np.square(average.waveform(0) - shape.T).mean()
        ratios.append(average.snr_db(0) - 10 * math.log10(true))
    assert np.mean(errors) == pytest.approx(1.0, abs=0.15)
    assert np.mean(ratios) == pytest.approx(0.0, abs=0.6)


def test_without_signal_there_is_no_ratio():
    average = averager(units=1)
    assert math.isnan(average.snr_db(0))
    feed(average, np.zeros((200, 5), np.float32), [(50, 0), (100, 0)], [8])
    assert math.isnan(average.snr_db(0))


def test_channels_that_are_not_good_stay_as_they_were():
    average, good = averager(units=1, memory=50), np.array([True, False, True, True, True])
    signal = np.ones((40, 5), np.float32)
    for k, mask in enumerate((None, good, None)):
        average((k + 1) * signal, 40 * k, np.zeros(1, np.int64), np.array([40 * k + 20]), 1, mask)
    assert average.waveform(0)[:, 0].tolist() == [2, 2, 2, 2, 2]  # channel 1: of 1 and 3
    average(9 * signal, 120, np.zeros(1, np.int64), np.array([140]), 1, good)
    np.testing.assert_allclose(average.waveform(0)[:, 0], [3.75, 2, 3.75, 3.75, 3.75])
    average.forget()
    assert average.added[0] == 0
    assert not average.waveform(0).any()


def test_a_channel_that_was_flagged_begins_anew():
    average = averager(units=2, memory=50)
    spikes = np.array([20, 20])
    for k in range(3):
        average((k + 1) * np.ones((40, 5), np.float32), 40 * k, np.arange(2), 40 * k + spikes, 2)
    before = average.waveform(1)
    average.begin_anew(np.array([False, True, False, False, False]))
    assert average.waveform(0)[:, 0].tolist() == [2, 0, 2, 2, 2]
    assert np.isnan(average.noise(0)).tolist() == [False, True, False, False, False]
    assert np.array_equal(average.waveform(1)[[0, 2, 3, 4]], before[[0, 2, 3, 4]])
    average(9 * np.ones((40, 5), np.float32), 120, np.zeros(1, int), np.array([140]), 1)
    np.testing.assert_allclose(average.waveform(0)[:, 0], [3.75, 9, 3.75, 3.75, 3.75])


@pytest.mark.parametrize(("windows", "worth"), [(1, 1), (2, 2), (19, 19), (50, 50), (400, 99)])
def test_a_copy_is_the_average_as_it_stood_and_knows_what_it_rests_on(windows, worth):
    average, good = averager(units=2, memory=50), np.array([True, True, False, True, True])
    copy = AverageCopy(average)
    assert copy.discharges() == 0
    rng = np.random.default_rng(0)
    for k in range(windows):
        signal = rng.normal(size=(20, 5)).astype(np.float32)
        average(signal, 20 * k, np.ones(1, int), np.array([20 * k + 10]), 1, None if k else good)
    average.copy(1, good, copy)
    assert (copy.unit, copy.discharges(), copy.good.tolist()) == (1, worth, good.tolist())
    assert copy.waveform().tobytes() == average.waveform(1).tobytes()
    assert copy.noise().tobytes() == average.noise(1).tobytes()
    average.forget()
    assert copy.waveform().any()


def test_what_waits_is_bounded():
    average = averager(units=1, most_waiting=2)
    spikes = np.arange(20, 25)
    average(np.ones((24, 5), np.float32), 0, np.zeros(5, np.int64), spikes, 5)
    assert average.dropped[0] == 3
    assert average(np.ones((60, 5), np.float32), 24, np.zeros(5, np.int64), spikes, 0) == 2


def test_a_hop_longer_than_announced_is_refused():
    with pytest.raises(ValueError):
        averager(longest=8)(np.ones((9, 5), np.float32), 0, np.zeros(1, np.int64), np.zeros(1, np.int64), 0)


def test_a_call_allocates_nothing(memory_of):
    average = averager(units=1)
    hop, unit, sample = np.ones((8, 5), np.float32), np.zeros(1, np.int64), np.zeros(1, np.int64)

    def take(k):
        sample[0] = 8 * k + 1
        average(hop, 8 * k, unit, sample, 1)

    _, most = memory_of(take, 200)
    assert average.added[0] > 4 * 200 - 10
    assert most < 2000  # numbers; a window of 15 samples and 5 channels in an array is 300 bytes, 200 of them 60 000


def test_the_pipelines_hops_give_the_same_averages(planted):
    results = []
    for hop in (8, 37):
        pipeline = Pipeline(planted.decoder, hop)
        info = planted.decoder.info
        average = SpikeAverager(len(info.units), planted.emg.shape[1], info.fs_hz, longest=hop,
                                lookahead=info.detector.lookahead)  # fmt: skip
        for start in range(0, len(planted.emg), hop):
            raw = planted.emg[start : start + hop]
            pipeline(raw, start)
            found = pipeline.detector
            average(pipeline.signal[: len(raw)], start, found.unit, found.sample, found.count)
        results.append(state(average, len(info.units)))
        assert all(average.snr_db(u) > 10 for u in range(len(info.units)))
        assert average.before, average.after == window_samples(info.fs_hz)
    assert results[0] == results[1]
