"""Samples against time stamps: gaps counted to the sample, no false ones from jitter or drift, repeats, clock jumps."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from myodrive.stream.seen_stamps import print_rows
from myodrive.stream.timeline import Timeline


class Count:
    """What an inlet does with a timeline: passes stamps in pulls, and counts."""

    def __init__(self, fs_hz):
        self.timeline = Timeline(fs_hz)
        self.samples_in = self.lost = self.gaps = self.repeats = 0
        self.gap_places = []

    def pull(self, stamps, now, prints=None):
        taken = 0
        while taken < len(stamps):
            stretch = self.timeline.account(stamps[taken:], now, None if prints is None else prints[taken:])
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


def feed(stamps, sizes, fs_hz, arrived=None, prints=None):
    """Pull `stamps` in pieces of `sizes`; each piece is received 1 ms after its newest stamp unless `arrived` says."""
    count = Count(fs_hz)
    if arrived is None:
        arrived = np.fmax.accumulate(stamps) + 1e-3
    start, i = 0, 0
    while start < len(stamps):
        part = slice(start, min(len(stamps), start + sizes[i % len(sizes)]))
        start = part.stop
        i += 1
        count.pull(stamps[part], arrived[start - 1], None if prints is None else prints[part])
    return count


RATES = st.sampled_from([1000.0, 2000.0, 2048.0, 5120.0, 999.7])
SIZES = st.lists(st.integers(1, 70), min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
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


@settings(max_examples=30, deadline=None)
@given(fs_hz=RATES, sizes=SIZES, place=st.integers(71, 1000), lost_s=st.floats(0.03, 2.0))
def test_while_jitter_is_learnt_a_gap_beyond_any_jitter_costs_exactly_its_samples(fs_hz, sizes, place, lost_s):
    number = np.arange(4000)
    lost = round(lost_s * fs_hz)
    number[place:] += lost
    count = feed(7 + number / fs_hz, sizes, fs_hz)
    assert (count.lost, count.gaps, count.sample) == (lost, 1, number[-1])


@settings(max_examples=30, deadline=None)
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
    count = feed(50 + np.arange(60_000) / real, [chunk], fs_hz)
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


@settings(max_examples=30, deadline=None)
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


@settings(max_examples=35, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40), SIZES)
def test_any_stamps_at_all_are_accounted_for(stamps, sizes):
    count = feed(np.array(stamps), sizes, 2000.0, np.arange(len(stamps)) * 1e-3)
    assert count.samples_in + count.repeats == len(stamps)


@pytest.mark.parametrize("place", [1, 8, 100, 300, 490, 990])
@pytest.mark.parametrize("lost", [1, 5, 19, 39, 150])
@pytest.mark.parametrize("sizes", [[1], [8], [5, 13], [64]])
def test_a_short_gap_at_the_very_start_is_counted_too(place, lost, sizes):
    number = np.arange(6000)
    number[place:] += lost
    count = feed(7 + number / 2000, sizes, 2000.0)
    assert (count.lost, count.repeats, count.sample) == (lost, 0, number[-1])


@pytest.mark.parametrize("ppm", [0, -5000, 5000])
@pytest.mark.parametrize("chunk", [1, 8, 64])
def test_a_thousand_gaps_are_exact_under_drift_with_good_stamps(ppm, chunk):
    rng, samples = np.random.default_rng(100), 100_000
    number = np.arange(samples)
    rate_known = 6400 if ppm else chunk
    for place in rng.choice(np.arange(rate_known // chunk, samples // chunk), 1000, replace=False) * chunk:
        number[place:] += rng.integers(1, 5001)
    real = 2000.0 * (1 + ppm * 1e-6)
    last = (50 + number / real)[chunk - 1 :: chunk]
    within = np.arange(chunk)[::-1] / 2000.0  # liblsl makes the stamps of a chunk even, at the nominal rate
    count = feed((last[:, None] - within).ravel(), [8], 2000.0, np.repeat(last, chunk) + 1e-3)
    assert (count.lost, count.repeats) == (number[-1] + 1 - samples, 0)
    assert count.timeline.timing == "exact"


@pytest.mark.parametrize("seed", range(100, 105))
@pytest.mark.parametrize("chunk", [8, 20, 64])
def test_stamps_good_to_half_a_sample_are_exact(seed, chunk):
    rng, samples = np.random.default_rng(seed), 60_000
    number = np.arange(samples // chunk * chunk)
    for place in rng.choice(np.arange(1000 // chunk, samples // chunk - 1), 30, replace=False) * chunk:
        number[place:] += rng.integers(1, 1000)
    off = np.repeat(rng.uniform(-0.3, 0.3, samples // chunk), chunk)
    count = feed(10 + (number + off) / 2000, [8], 2000.0)
    assert (count.lost, count.gaps, count.repeats) == (number[-1] + 1 - len(number), 30, 0)


@pytest.mark.parametrize("seed", range(100, 104))
@pytest.mark.parametrize("spread", [2, 5, 16])
@pytest.mark.parametrize("sizes", [[1], [8], [3, 40]])
def test_jitter_of_every_sample_by_several_is_no_gap_and_no_repeat(seed, spread, sizes):
    off = np.random.default_rng(seed).normal(0, spread, 20_000)
    count = feed(10 + (np.arange(20_000) + off) / 2000, sizes, 2000.0)
    assert (count.lost, count.repeats, count.timeline.clock_jumps) == (0, 0, 0)
    assert count.timeline.timing == "estimated"


@pytest.mark.parametrize("chunk", [8, 20, 64])
@pytest.mark.parametrize("pull", [1, 8, 64])
@pytest.mark.parametrize("jitter_ms", [0, 0.5])
def test_chunks_whose_samples_carry_one_stamp_are_no_gap_and_no_repeat(chunk, pull, jitter_ms):
    chunks = 40_000 // chunk
    last = 10 + np.arange(1, chunks + 1) * chunk / 2000 + np.random.default_rng(100).normal(0, jitter_ms * 1e-3, chunks)
    count = feed(np.repeat(last, chunk), [pull], 2000.0)
    assert (count.lost, count.repeats) == (0, 0)
    assert count.timeline.timing == "estimated"


@pytest.mark.parametrize("seed", range(100, 105))
def test_a_program_that_stamps_as_it_sends_costs_one_false_gap_at_most_and_is_found_out(seed):
    rng, chunks = np.random.default_rng(seed), 15_000
    late = np.abs(rng.normal(0, 5e-5, chunks))
    hiccup = rng.random(chunks) < 1e-3
    late[hiccup] += 1e-3 + rng.exponential(5e-3, hiccup.sum())
    count = feed(10 + np.arange(8 * chunks) / 2000 + np.repeat(late, 8), [8], 2000.0)
    assert count.gaps <= 1
    assert count.repeats == 0
    assert count.timeline.timing == "estimated"


@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize("jitter_ms", [0, 2])
@pytest.mark.parametrize("sizes", [[8], [3, 20]])
def test_chunks_sent_twice_are_dropped(share, jitter_ms, sizes):
    rng = np.random.default_rng(100)
    stamps = (10 + np.arange(20_000) / 2000 + np.repeat(rng.normal(0, jitter_ms * 1e-3, 2500), 8)).reshape(-1, 8)
    twice = np.where(rng.random(2500) < share, 2, 1)
    count = feed(np.repeat(stamps, twice, axis=0).ravel(), sizes, 2000.0)
    more = 8 * (twice - 1).sum()
    assert (count.lost, count.samples_in + count.repeats) == (0, 20_000 + more)
    edges = 0.02 * more if jitter_ms and sizes != [8] else 0  # a single sample between two pulls
    assert more - edges <= count.repeats <= more


@pytest.mark.parametrize("jump_s", [-0.7003, -0.3004, 0.1, 0.5])
@pytest.mark.parametrize("chunk", [1, 8])
def test_a_clock_that_jumps_by_less_than_a_second_is_no_gap_and_no_repeat(jump_s, chunk):
    stamps = 5000 + np.arange(12_000) / 2000
    arrived = stamps + 1e-3
    stamps[6003:] += jump_s
    count = feed(stamps, [chunk], 2000.0, arrived)
    assert (count.lost, count.repeats, count.timeline.clock_jumps) == (0, 0, 1)


def test_a_clock_set_back_by_whole_periods_costs_little_and_every_period_ends_somewhere():
    stamps = 5000 + np.arange(12_000) / 2000
    arrived = stamps + 1e-3
    stamps[6003:] -= 0.5  # only the pace tells it from samples sent again
    count = feed(stamps, [8], 2000.0, arrived)
    assert count.timeline.clock_jumps == 1
    assert count.sample == 11_999
    assert count.lost == count.repeats < 0.07 * 2000


@pytest.mark.parametrize("other_clock", [0.0, -4000.0, 77.7])
def test_the_amplifiers_absence_is_lost_whatever_its_clock_says_after_it(other_clock):
    number = np.arange(8000)
    number[4000:] += 5000
    arrived = 50 + number / 2000 + 1e-3
    stamps = 50 + (number + np.where(number < 4000, 0, 0.3)) / 2000 + np.where(number < 4000, 0, other_clock)
    count = Count(2000.0)
    for i in range(0, 8000, 8):
        if i == 4000:
            count.timeline.returned()
        count.pull(stamps[i : i + 8], arrived[i + 7])
    assert abs(count.lost - 5000) <= (0 if not other_clock else 8)  # by our own clock to a pull
    assert (count.gaps, count.repeats) == (1, 0)


EQUAL_SIZES = st.one_of(st.sampled_from([[8], [1], [16], [64]]), SIZES)


def played(chunk, chunks, equal, lost=(0, 0), twice=()):
    """Chunks of which those from `equal[0]` up to `equal[1]` carry their last stamp only; some are sent twice.

    Returns the stamps and when they arrive, s, and the number of each sample; `lost` is (chunk, samples before it).
    """
    number = np.arange(chunk * chunks).reshape(chunks, chunk)
    number[lost[0] :] += lost[1]
    stamps = 10 + number / 2000
    arrived = np.repeat(stamps[:, -1:] + 1e-3, chunk, axis=1)
    stamps[slice(*equal)] = stamps[slice(*equal), -1:]
    order = np.sort(np.concatenate([np.arange(chunks), np.array(twice, int)]))
    return stamps[order].ravel(), arrived[order].ravel(), number


@settings(max_examples=35, deadline=None)
@given(
    sizes=EQUAL_SIZES, chunk=st.sampled_from([2, 4, 8, 20, 64]), begin_s=st.floats(0.3, 2), seconds=st.floats(0.1, 2)
)
def test_samples_that_begin_to_share_a_stamp_are_new_and_the_timing_is_estimated(sizes, chunk, begin_s, seconds):
    begin = int(begin_s * 2000) // chunk
    stamps, arrived, number = played(chunk, 8000 // chunk, (begin, begin + max(2, int(seconds * 2000) // chunk)))
    count = feed(stamps, sizes, 2000.0, arrived)
    assert count.timeline.timing == "estimated"
    assert count.timeline.clock_jumps == 0
    assert count.sample == number[-1, -1]
    assert count.lost == count.repeats
    assert count.repeats in (0, chunk - 1)  # these where a pull ended after the very first
    if count.repeats:
        assert (count.gap_places[0] - begin * chunk) % chunk == 0


@pytest.mark.parametrize("chunk", [4, 8, 20, 64])
@pytest.mark.parametrize("where", ["last", "first"])
def test_the_timing_is_estimated_with_the_first_chunk_of_one_stamp(chunk, where):
    stamps, arrived, _ = played(chunk, 6000 // chunk, (0, 0))
    begin = 4000 // chunk * chunk
    one = stamps[begin : begin + chunk]
    one[:] = one[-1 if where == "last" else 0]
    assert feed(stamps[:begin], [8], 2000.0, arrived).timeline.timing == "exact"
    count = feed(stamps[: begin + min(8, chunk)], [8], 2000.0, arrived)
    assert (count.timeline.timing, count.lost, count.repeats) == ("estimated", 0, 0)


@settings(max_examples=30, deadline=None)
@given(sizes=EQUAL_SIZES, chunk=st.sampled_from([4, 8, 20, 64]), lost=st.integers(300, 5000))
def test_a_long_gap_among_samples_that_share_stamps_is_counted_to_a_chunk(sizes, chunk, lost):
    begin, end, gap = 2000 // chunk, 14_000 // chunk, 9000 // chunk
    stamps, arrived, number = played(chunk, 18_000 // chunk, (begin, end), (gap, lost))
    count = feed(stamps, sizes, 2000.0, arrived)
    assert count.timeline.clock_jumps == 0
    assert abs(count.sample - number[-1, -1]) <= chunk
    assert count.repeats in (0, chunk - 1)


@settings(max_examples=30, deadline=None)
@given(
    sizes=EQUAL_SIZES,
    chunk=st.sampled_from([4, 8, 20, 64]),
    before=st.lists(st.integers(1500, 3900), max_size=8),
    after=st.lists(st.integers(7000, 11_000), max_size=8),
)
def test_chunks_sent_twice_before_and_after_samples_that_share_stamps_are_dropped(sizes, chunk, before, after):
    twice = sorted({place // chunk for place in before + after})
    stamps, arrived, number = played(chunk, 12_000 // chunk, (4000 // chunk, 6000 // chunk), twice=twice)
    count = feed(stamps, sizes, 2000.0, arrived)
    assert count.samples_in + count.repeats == len(stamps)
    assert count.timeline.clock_jumps == 0
    edges = len({place // chunk for place in after})  # a single sample between two pulls
    assert abs(count.sample - number[-1, -1]) <= edges
    assert abs(count.repeats - count.lost - chunk * len(twice)) <= edges


@pytest.mark.parametrize("chunk", [4, 8, 20, 64])
@pytest.mark.parametrize("apart", [1, 3])
def test_a_chunk_of_one_stamp_sent_again_is_dropped_unless_it_follows_itself(chunk, apart):
    stamps, arrived, number = played(chunk, 12_000 // chunk, (4000 // chunk, 10_000 // chunk))
    place = 8000 // chunk * chunk
    again, after = slice(place, place + chunk), place + apart * chunk
    stamps = np.concatenate([stamps[:after], stamps[again], stamps[after:]])
    arrived = np.concatenate([arrived[:after], arrived[after - chunk : after], arrived[after:]])
    count = feed(stamps, [chunk], 2000.0, arrived)
    assert (count.lost, count.repeats) == (0, chunk if apart > 1 else 0)
    assert count.sample == number[-1, -1] + (chunk if apart == 1 else 0)


@pytest.mark.parametrize("valued", [True, False])
@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, twice=st.lists(st.integers(1100, 5900), min_size=1, max_size=40), lost=st.integers(0, 300))
@example(sizes=[1], twice=[3000], lost=1)
@example(sizes=[2], twice=[3000], lost=1)
@example(sizes=[2], twice=[3000], lost=7)
def test_chunks_of_one_sample_sent_twice_are_dropped_and_the_timing_stays_exact(valued, sizes, twice, lost):
    """Where only the stamps tell, the first sample after a gap may also be two that share one: then not that one."""
    twice = np.unique([place for place in twice if valued or not lost or place != 3000]).astype(int)
    number = np.arange(6000)
    number[3000:] += lost
    order = np.sort(np.concatenate([np.arange(6000), twice]))
    count = feed(10 + number[order] / 2000, sizes, 2000.0, prints=number[order] + 1 if valued else None)
    assert (count.lost, count.repeats, count.sample) == (lost, len(twice), number[-1])
    assert count.timeline.timing == "exact"


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, periods=st.integers(50, 1990), part=st.floats(0.01, 0.99))
def test_a_clock_set_back_by_no_whole_number_of_periods_costs_nothing(sizes, periods, part):
    stamps = 5000 + np.arange(9000) / 2000
    arrived = stamps + 1e-3
    stamps[6003:] -= (periods + part) / 2000
    count = feed(stamps, sizes, 2000.0, arrived)
    assert (count.lost, count.repeats, count.samples_in, count.timeline.clock_jumps) == (0, 0, 9000, 1)


def test_a_counted_stream_whose_stamps_are_in_a_wrong_unit_is_followed_through_every_jump():
    timeline = Timeline(2000.0)
    stamps = 1000.0 + np.arange(4096) / 2.0  # milliseconds where seconds belong
    timeline.follow(stamps, 0, 1000.0)
    assert timeline.clock_jumps > 1000
    assert timeline.newest == pytest.approx(stamps[-1], abs=1e-3)


JITTERS = {
    "0.06 of a period": lambda rng, n: rng.normal(0, 3e-5, n),
    "1 period": lambda rng, n: rng.normal(0, 5e-4, n),
    "1 ms": lambda rng, n: rng.normal(0, 1e-3, n),
    "5 ms": lambda rng, n: rng.normal(0, 5e-3, n),
    "late": lambda rng, n: rng.exponential(1e-3, n),
}


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("chunk", [8, 32, 128, 256, 512])
@pytest.mark.parametrize("pull", [8, 512])
def test_jitter_is_no_gap_from_the_first_chunk_on_however_long_chunks_are(jitter, chunk, pull):
    for seed in range(100, 105):
        stamps = jittered(seed, 2048.0, chunk, 4, JITTERS[jitter])
        count = feed(stamps, [min(pull, chunk)], 2048.0)
        assert (count.lost, count.repeats, count.timeline.clock_jumps) == (0, 0, 0)
        assert count.timeline.exact == (jitter == "0.06 of a period")


@pytest.mark.parametrize("chunk", [64, 256, 512])
@pytest.mark.parametrize("place", [1, 4, 7])
@pytest.mark.parametrize("lost", [1, 5, 60])
def test_a_gap_while_good_stamps_are_learnt_is_counted_to_the_sample_once_they_are(chunk, place, lost):
    for seed in range(100, 105):
        stamps = jittered(seed, 2048.0, chunk, 16 * chunk / 2048, JITTERS["0.06 of a period"])
        stamps[place * chunk :] += lost / 2048
        early = feed(stamps[: place * chunk + 16], [8], 2048.0)
        assert early.lost == (0 if early.timeline.timing == "estimated" else lost)
        count = feed(stamps, [8], 2048.0)
        assert (count.lost, count.repeats, count.timeline.timing) == (lost, 0, "exact")


@pytest.mark.parametrize("chunk", [64, 256, 512])
@pytest.mark.parametrize("jitter", ["1 period", "1 ms"])
@pytest.mark.parametrize("place", [1, 4, 7])
def test_a_gap_beyond_jitter_that_is_being_learnt_is_estimated_once_it_is(chunk, jitter, place):
    for seed in range(100, 105):
        stamps = jittered(seed, 2048.0, chunk, 16 * chunk / 2048, JITTERS[jitter])
        stamps[place * chunk :] += 80 / 2048
        count = feed(stamps, [8], 2048.0)
        assert count.timeline.timing == "estimated"
        assert abs(count.lost - 80) <= 15
        assert count.repeats == 0


def values_of(samples, channels=8, seed=100):
    """The prints of that many samples of noise."""
    signal = np.random.default_rng(seed).normal(0, 50, (samples, channels)).astype(np.float32)
    prints = np.zeros(samples, np.int64)
    print_rows(signal.view(np.int32), samples, prints)
    return prints


@settings(max_examples=35, deadline=None)
@given(sizes=SIZES, periods=st.lists(st.integers(1, 1990), min_size=1, max_size=4), part=st.sampled_from([0.0, 0.3]))
def test_with_its_values_a_clock_set_back_costs_nothing_whatever_it_is_set_back_by(sizes, periods, part):
    stamps = 5000 + np.arange(12_000) / 2000
    arrived = stamps + 1e-3
    for i, back in enumerate(periods):
        stamps[3003 + 2000 * i :] -= (back + part) / 2000
    count = feed(stamps, sizes, 2000.0, arrived, values_of(12_000))
    assert (count.lost, count.repeats, count.samples_in) == (0, 0, 12_000)
    if part == 0.0 and min(periods) > 1:  # back by one period: as if a stamp came twice
        assert count.timeline.clock_jumps == len(periods)
        assert count.timeline.timing == "exact"


@pytest.mark.parametrize("jitter_ms", [1, 3])
@pytest.mark.parametrize("back_s", [0.1, 0.5, 0.9])
def test_with_its_values_a_clock_set_back_under_jitter_costs_nothing(jitter_ms, back_s):
    stamps = jittered(100, 2000.0, 8, 6, lambda rng, n: rng.normal(0, jitter_ms * 1e-3, n))
    arrived = 10 + np.arange(12_000) / 2000 + 0.01
    stamps[8000:] -= back_s
    count = feed(stamps, [8], 2000.0, arrived, values_of(12_000))
    assert (count.lost, count.repeats, count.timeline.clock_jumps) == (0, 0, 1)


@settings(max_examples=35, deadline=None)
@given(
    sizes=SIZES,
    twice=st.dictionaries(st.integers(1100, 5900), st.integers(2, 300), min_size=1, max_size=12),
    set_back=st.one_of(st.none(), st.integers(41, 1500)),
    late_s=st.sampled_from([0.0, 0.1]),
)
def test_with_their_values_samples_sent_again_are_still_dropped_however_late(sizes, twice, set_back, late_s):
    stamps, arrived = 50 + np.arange(6000) / 2000, 50 + np.arange(6000) / 2000 + 1e-3
    if set_back is not None:
        stamps[3000:] -= set_back / 2000
    order, waited = [], []
    for i in range(6000):
        order.append(i)
        waited.append(late_s * (len(order) > i + 1))
        if i in twice:
            again = [k for k in range(i + 1 - twice[i], i + 1) if set_back is None or k >= 3000 or i < 3000]
            order += again
            waited += [late_s] * len(again)
    arrived = np.maximum.accumulate(arrived[order]) + waited
    count = feed(stamps[order], sizes, 2000.0, arrived, values_of(6000)[order])
    assert (count.samples_in, count.lost, count.repeats) == (6000, 0, len(order) - 6000)


@settings(max_examples=50, deadline=None)
@given(
    sizes=SIZES,
    twice=st.lists(st.integers(2900, 3100), min_size=1, max_size=40),
    gaps=st.lists(st.tuples(st.integers(2900, 3100), st.integers(1, 6)), max_size=6),
)
def test_with_their_values_single_samples_lost_and_sent_twice_side_by_side_are_counted_each(sizes, twice, gaps):
    number = np.arange(6000)
    for place, lost in gaps:
        number[place:] += lost
    order = np.sort(np.concatenate([np.arange(6000), np.unique(twice)]))
    count = feed(10 + number[order] / 2000, sizes, 2000.0, prints=values_of(6000)[order])
    assert count.lost == sum(lost for _, lost in gaps)
    assert (count.repeats, count.sample) == (len(order) - 6000, number[-1])
    assert count.timeline.timing == "exact"


@pytest.mark.parametrize("begin", [0, 4000])
@pytest.mark.parametrize("chunk", [8, 20])
@pytest.mark.parametrize("pull", [1, 8, 64])
def test_values_that_are_often_the_same_do_not_make_samples_of_one_stamp_repeats(begin, chunk, pull):
    stamps, arrived, number = played(chunk, 8000 // chunk, (begin // chunk, 8000 // chunk))
    for seed in range(100, 103):
        few = np.random.default_rng(seed).integers(1, 3, len(stamps))  # one channel of whole numbers at rest
        count = feed(stamps, [pull], 2000.0, arrived, few)
        assert count.sample == number[-1, -1]
        assert count.lost == count.repeats <= (chunk - 1 if begin else 0)


def test_dead_channels_say_nothing_and_the_pace_tells_a_clock_set_back():
    stamps = 5000 + np.arange(12_000) / 2000
    arrived = stamps + 1e-3
    stamps[6003:] -= 0.5
    count = feed(stamps, [8], 2000.0, arrived, np.full(12_000, 1))
    assert count.timeline.clock_jumps == 1
    assert count.lost == count.repeats < 0.07 * 2000
    assert count.sample == 11_999


@pytest.mark.parametrize("back_s", [0.5, 0.5003, 7.0])
def test_a_clock_that_was_set_back_and_is_set_right_again_costs_nothing(back_s):
    stamps = 5000 + np.arange(16_000) / 2000
    arrived = stamps + 1e-3
    stamps[4003:9001] -= back_s
    count = feed(stamps, [8], 2000.0, arrived, values_of(16_000))
    assert (count.lost, count.repeats, count.timeline.clock_jumps) == (0, 0, 2)
    number = np.arange(16_000)
    number[12_000:] += 900  # a gap that takes its time, after all that
    count = feed(
        stamps + (number - np.arange(16_000)) / 2000, [8], 2000.0, 5000 + number / 2000 + 1e-3, values_of(16_000)
    )
    assert (count.lost, count.repeats, count.timeline.clock_jumps) == (900, 0, 2)
