"""Samples against time stamps: gaps counted to the sample, no false ones from jitter or drift, repeats, clock jumps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.timeline import Timeline


class Count:
    """What an inlet does with a timeline: passes stamps in pulls, and counts."""

    def __init__(self, fs_hz):
        self.timeline = Timeline(fs_hz)
        self.samples_in = self.lost = self.gaps = self.repeats = 0
        self.gap_places = []

    def pull(self, stamps, now):
        taken = 0
        while taken < len(stamps):
            stretch = self.timeline.account(stamps[taken:], now)
            assert stretch.samples >= 0
            assert stretch.lost >= 0
            assert stretch.samples + stretch.repeats > 0  # it always gets on
            self.repeats += stretch.repeats
            if stretch.lost:
                self.lost += stretch.lost
                self.gaps += 1
                self.gap_places.append(self.samples_in)
            self.samples_in += stretch.samples
            taken += stretch.repeats + stretch.samples
        assert taken == len(stamps)

    @property
    def sample(self):
        return self.samples_in + self.lost - 1


def feed(stamps, sizes, fs_hz, arrived=None):
    """Pull `stamps` in pieces of `sizes`; each piece is received 1 ms after its last stamp unless `arrived` says."""
    count = Count(fs_hz)
    start, i = 0, 0
    while start < len(stamps):
        part = stamps[start : start + sizes[i % len(sizes)]]
        start += len(part)
        i += 1
        count.pull(part, part[-1] + 1e-3 if arrived is None else arrived[start - 1])
    return count


RATES = st.sampled_from([1000.0, 2000.0, 2048.0, 5120.0, 999.7])
SIZES = st.lists(st.integers(1, 70), min_size=1, max_size=5)


@settings(max_examples=120, deadline=None)
@given(fs_hz=RATES, sizes=SIZES, place=st.integers(1100, 5500), lost=st.integers(1, 20_000), start=st.floats(0, 1e6))
def test_with_exact_stamps_a_gap_costs_exactly_its_samples(fs_hz, sizes, place, lost, start):
    number = np.arange(6000)
    number[place * (fs_hz < 5000) + 5500 * (fs_hz > 5000) :] += lost  # learning is over by then
    count = feed(start + number / fs_hz, sizes, fs_hz)
    assert (count.lost, count.gaps, count.repeats) == (lost, 1, 0)
    assert count.samples_in == 6000
    assert count.sample == number[-1]
    assert count.timeline.exact
    assert count.timeline.newest == pytest.approx(start + number[-1] / fs_hz, abs=0.1 / fs_hz)


@settings(max_examples=60, deadline=None)
@given(fs_hz=RATES, sizes=SIZES, place=st.integers(71, 1000), lost_s=st.floats(0.03, 2.0))
def test_while_jitter_is_learnt_a_gap_beyond_any_jitter_costs_exactly_its_samples(fs_hz, sizes, place, lost_s):
    number = np.arange(4000)
    lost = round(lost_s * fs_hz)
    number[place:] += lost
    count = feed(7 + number / fs_hz, sizes, fs_hz)
    assert (count.lost, count.gaps, count.sample) == (lost, 1, number[-1])


@pytest.mark.parametrize("place", [1, 8, 100, 500, 990])
@pytest.mark.parametrize("lost", [1, 5, 19, 39])
def test_a_short_gap_while_jitter_is_learnt_may_be_missed_but_spoils_nothing_later(place, lost):
    number = np.arange(64_000)
    number[place:] += lost
    number[60_000:] += 3
    count = feed(7 + number / 2000, [8], 2000.0)
    assert count.repeats == 0
    assert count.lost <= lost + 3
    assert count.gap_places[-1] == 60_000
    assert count.timeline.newest == pytest.approx(7 + number[-1] / 2000, abs=0.25 / 2000)


@settings(max_examples=60, deadline=None)
@given(
    sizes=SIZES,
    gaps=st.lists(
        st.tuples(st.integers(1100, 11_900), st.integers(1, 50)), min_size=2, max_size=12, unique_by=lambda g: g[0]
    ),
)
def test_many_gaps_are_counted_each_for_itself(sizes, gaps):
    number = np.arange(12_000)
    for place, lost in gaps:
        number[place:] += lost
    count = feed(3 + number / 2000, sizes, 2000.0)
    assert count.lost == sum(lost for _, lost in gaps)
    assert count.gap_places == sorted(place for place, _ in gaps)
    assert count.sample == number[-1]


@pytest.mark.parametrize("ppm", [-500, -50, 50, 500])
@pytest.mark.parametrize("chunk", [1, 8, 64])
def test_drift_of_the_real_rate_is_no_gap_and_is_tracked(ppm, chunk):
    fs_hz = 2000.0
    real = fs_hz * (1 + ppm * 1e-6)
    count = feed(50 + np.arange(120_000) / real, [chunk], fs_hz)
    assert (count.lost, count.repeats, count.timeline.clock_jumps) == (0, 0, 0)
    assert 1 / count.timeline.period == pytest.approx(real, rel=20e-6)


@pytest.mark.parametrize("ppm", [-500, 0, 500])
@pytest.mark.parametrize("lost", [1, 2, 17])
def test_under_drift_a_gap_still_costs_exactly_its_samples(ppm, lost):
    number = np.arange(40_000)
    number[23_456:] += lost
    count = feed(50 + number / (2048.0 * (1 + ppm * 1e-6)), [16], 2048.0)
    assert (count.lost, count.gaps) == (lost, 1)


def jittered(seed, fs_hz, chunk, seconds, jitter):
    """Stamps whose chunks are off by `jitter(rng, chunks)`, evenly spaced within each chunk."""
    samples = int(seconds * fs_hz) // chunk * chunk
    return 10 + np.arange(samples) / fs_hz + np.repeat(jitter(np.random.default_rng(seed), samples // chunk), chunk)


@pytest.mark.parametrize("sd_ms", [1, 2, 3])
@pytest.mark.parametrize("chunk", [8, 64])
@pytest.mark.parametrize("seed", [0, 1])
def test_jitter_of_the_chunks_stamps_is_no_gap_in_a_minute(sd_ms, chunk, seed):
    fs_hz = 2048.0
    stamps = jittered(seed, fs_hz, chunk, 60, lambda rng, n: rng.normal(0, sd_ms * 1e-3, n))
    count = feed(stamps, [chunk], fs_hz)
    assert (count.lost, count.repeats, count.timeline.clock_jumps) == (0, 0, 0)
    assert not count.timeline.exact
    assert count.timeline.period == pytest.approx(1 / fs_hz, rel=1e-3)


@pytest.mark.parametrize("sd_ms", [1, 3])
def test_jitter_hides_no_long_gap_and_it_is_estimated_within_the_jitter(sd_ms):
    fs_hz = 2000.0
    stamps = jittered(0, fs_hz, 8, 20, lambda rng, n: rng.normal(0, sd_ms * 1e-3, n))
    stamps[20_000:] += 0.25
    count = feed(stamps, [8], fs_hz)
    assert count.gaps == 1
    assert abs(count.lost - 500) <= 4 * sd_ms * 2 + 1


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, place=st.integers(1100, 5000), repeated=st.integers(1, 900))
def test_repeated_samples_are_dropped_and_counted(sizes, place, repeated):
    number = np.concatenate([np.arange(place), np.arange(place - repeated, 6000)])
    count = feed(5 + number / 2000, sizes, 2000.0)
    assert (count.repeats, count.lost, count.samples_in) == (repeated, 0, 6000)


@pytest.mark.parametrize("jump_s", [-3600.0, -5.0, 5.0, 3600.0, 1.7e9])
@pytest.mark.parametrize("chunk", [1, 8, 50])
def test_a_clock_that_jumps_without_time_passing_is_no_gap(jump_s, chunk):
    stamps = 5000 + np.arange(12_000) / 2000
    arrived = stamps + 1e-3  # on our own clock, which does not jump
    stamps[6003:] += jump_s
    count = feed(stamps, [chunk], 2000.0, arrived)
    assert (count.lost, count.repeats, count.gaps, count.samples_in) == (0, 0, 0, 12_000)
    assert count.timeline.clock_jumps == 1
    assert count.timeline.newest == pytest.approx(stamps[-1], abs=1e-3)


def test_a_real_outage_of_any_length_is_a_gap_and_no_clock_jump():
    for outage_s in (0.5, 5.0, 500.0):
        number = np.arange(8000)
        number[4000:] += int(outage_s * 2000)
        count = feed(5 + number / 2000, [8], 2000.0)
        assert (count.lost, count.gaps, count.timeline.clock_jumps) == (int(outage_s * 2000), 1, 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 7, 800, 4003])
def test_a_stamp_that_is_no_number_spoils_nothing_after_it(bad, place):
    number = np.arange(8000)
    number[6000:] += 33
    stamps = 5 + number / 2000
    stamps[place] = bad
    count = feed(stamps, [8], 2000.0, 5 + number / 2000 + 1e-3)
    assert count.samples_in + count.repeats == 8000
    assert math.isfinite(count.timeline.newest)
    assert count.timeline.newest == pytest.approx(5 + number[-1] / 2000, abs=2e-3)
    assert count.lost == 33


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40), SIZES)
def test_any_stamps_at_all_are_accounted_for(stamps, sizes):
    count = feed(np.array(stamps), sizes, 2000.0, np.arange(len(stamps)) * 1e-3)
    assert count.samples_in + count.repeats == len(stamps)
