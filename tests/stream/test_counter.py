"""A counter channel against the truth: exact whatever the stamps do, at every wrap and format; refused if none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.counter import PROBED, SampleCounter, _unbroken_kernel, check_counts, unbroken_reference
from myodrive.stream.errors import StreamError
from myodrive.stream.timeline import Timeline

FS_HZ = 2000.0
FORMATS = [
    (np.float64, 2**53), (np.float32, 2**24), (np.float32, 2**16), (np.int16, 2**16), (np.int8, 2**8),
    (np.float32, 2**8), (np.int32, 2**32), (np.int32, 2**24),
]  # fmt: skip


def in_format(number, dtype, wrap):
    """What a counter of that wrap sends: signed where the format leaves no other way."""
    value = number % wrap
    if np.issubdtype(dtype, np.signedinteger) and wrap > np.iinfo(dtype).max:
        value = np.where(value >= wrap // 2, value - wrap, value)
    return value.astype(dtype)


class Count:
    """What an inlet does with a counter: every sample gets its number, or is dropped as seen before."""

    def __init__(self, dtype):
        self.timeline = Timeline(FS_HZ)
        self.counter = SampleCounter(self.timeline, FS_HZ, 70)
        self.counter.begin(dtype)
        self.samples_in = self.lost = self.repeats = 0
        self.number = []

    def pull(self, values, stamps, now):
        taken = 0
        while taken < len(values):
            stretch = self.counter.account(values[taken:], stamps[taken:], now)
            assert min(stretch.samples, stretch.repeats, stretch.lost) >= 0
            assert stretch.samples + stretch.repeats > 0
            self.repeats += stretch.repeats
            self.lost += stretch.lost
            first = self.samples_in + self.lost
            self.number += range(first, first + stretch.samples)
            self.samples_in += stretch.samples
            taken += stretch.repeats + stretch.samples

    def feed(self, values, stamps, arrived, sizes=(8,)):
        start, i = 0, 0
        while start < len(values):
            end = min(len(values), start + sizes[i % len(sizes)])
            i += 1
            self.pull(values[start:end], stamps[start:end], arrived[end - 1])
            start = end


def with_gaps(seed, samples, gaps):
    rng = np.random.default_rng(seed)
    number = np.arange(samples)
    for place in rng.choice(np.arange(300, samples - 100, 20), gaps, replace=False):
        number[place:] += rng.integers(1, 5001)
    return number


def spoil(kind, number, seed):
    """Time stamps as bad as they come; their samples arrive in time."""
    rng, count = np.random.default_rng(seed), len(number)
    true = 50 + number / FS_HZ
    if kind == "gaussian":
        return true + rng.normal(0, 3 / FS_HZ, count), true + 1e-3
    if kind == "chunks":
        return true + np.repeat(rng.normal(0, 5e-3, count // 8 + 1), 8)[:count], true + 1e-3
    if kind == "equal":
        return np.repeat(true[::20], 20)[:count], true + 1e-3
    if kind == "jumps":
        jumped = np.where(np.arange(count) > count // 3, -0.4, 0.0) + np.where(np.arange(count) > count // 2, 0.9, 0.0)
        return true + jumped, true + 1e-3
    if kind == "drift":
        return 50 + number / (FS_HZ * 1.005), true + 1e-3
    return true, true + 1e-3


@pytest.mark.parametrize(("dtype", "wrap"), FORMATS)
@pytest.mark.parametrize("kind", ["good", "gaussian", "chunks", "equal", "jumps", "drift"])
def test_every_gap_is_exact_whatever_the_stamps_do(dtype, wrap, kind):
    number = with_gaps(100, 30_000, 40)
    stamps, arrived = spoil(kind, number, 101)
    count = Count(dtype)
    begin = wrap - 250 if wrap <= 2**32 else 0
    count.feed(in_format(number + begin, dtype, wrap), stamps, arrived, (8, 3, 1))
    assert count.number == number.tolist()
    assert (count.lost, count.repeats, count.timeline.timing) == (number[-1] + 1 - len(number), 0, "counted")


def test_a_thousand_gaps_under_jitter_are_exact():
    number = with_gaps(102, 120_000, 1000)
    stamps, arrived = spoil("gaussian", number, 103)
    count = Count(np.int16)
    count.feed(in_format(number, np.int16, 2**16), stamps, arrived)
    assert count.number == number.tolist()


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 70), min_size=1, max_size=5),
    seed=st.integers(100, 199),
    form=st.sampled_from(FORMATS),
)
def test_any_chunking_gives_the_same_numbers(sizes, seed, form):
    number = with_gaps(seed, 4000, 6)
    stamps, arrived = spoil("chunks", number, seed)
    count = Count(form[0])
    count.feed(in_format(number, *form), stamps, arrived, sizes)
    assert count.number == number.tolist()


@settings(max_examples=40, deadline=None)
@given(place=st.integers(300, 1500), back=st.integers(1, 120), kind=st.sampled_from(["good", "gaussian"]))
def test_samples_seen_before_are_dropped_and_counted(place, back, kind):
    number = np.concatenate([np.arange(place), np.arange(place - back, 2000)])
    stamps, _ = spoil(kind, number, 1)
    count = Count(np.int16)
    count.feed(in_format(number, np.int16, 2**16), stamps, np.maximum.accumulate(50 + number / FS_HZ) + 1e-3)
    assert (count.repeats, count.lost, count.samples_in) == (back, 0, 2000)


@pytest.mark.parametrize("away", [100, 3000, 60_000])
def test_after_an_absence_a_count_that_went_on_is_exact(away):
    number = np.arange(8000)
    number[4000:] += away
    stamps, arrived = spoil("chunks", number, 3)
    values = in_format(number, np.int16, 2**16)
    count = Count(np.int16)
    count.feed(values[:4000], stamps[:4000], arrived[:4000])
    count.counter.begin(np.int16)
    count.timeline.returned()
    count.feed(values[4000:], stamps[4000:], arrived[4000:])
    assert count.number == number.tolist()


@pytest.mark.parametrize("other_clock", [0.0, -40.0])
def test_after_an_absence_a_count_that_starts_anew_leaves_it_to_the_time(other_clock):
    number = np.arange(8000)
    number[4000:] += 5000
    true = 50 + number / FS_HZ
    stamps = true + np.where(number >= 4000, other_clock, 0.0)
    values = np.concatenate([np.arange(4000), np.arange(4000)]).astype(np.float32)
    count = Count(np.float32)
    count.feed(values[:4000], stamps[:4000], true[:4000] + 1e-3)
    count.counter.begin(np.float32)
    count.timeline.returned()
    count.feed(values[4000:], stamps[4000:], true[4000:] + 1e-3)
    assert abs(count.lost - 5000) <= (0 if not other_clock else 8)  # by our own clock to a pull
    assert (count.repeats, count.samples_in, count.timeline.timing) == (0, 8000, "counted")


def test_a_count_that_gets_stuck_hands_over_to_the_time_stamps():
    number = np.arange(12_000)
    stamps, arrived = spoil("good", number, 0)
    count = Count(np.float32)
    count.feed(np.minimum(number, 4000).astype(np.float32), stamps, arrived)
    assert count.timeline.timing == "exact"
    assert count.samples_in + count.lost == 12_000
    assert count.lost < 1200  # what was dropped as seen before until it was clear


def test_a_float_that_can_count_no_further_hands_over_to_the_time_stamps():
    number = np.arange(2**24 - 1000, 2**24 + 1000)
    stamps, arrived = spoil("good", number, 0)
    count = Count(np.float32)
    count.feed(number.astype(np.float32), stamps, arrived)
    assert (count.samples_in, count.lost, count.repeats, count.timeline.timing) == (2000, 0, 0, "exact")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_count_that_is_no_number_is_the_one_expected(bad):
    number = np.arange(4000)
    values = number.astype(np.float32)
    values[1000:1100] = bad
    stamps, arrived = spoil("good", number, 0)
    count = Count(np.float32)
    count.feed(values, stamps, arrived)
    assert (count.samples_in, count.lost, count.repeats) == (4000, 0, 0)


@pytest.mark.parametrize("kind", ["good", "gaussian", "chunks"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_count_that_turns_into_no_number_for_good_hands_over_to_the_time_stamps(bad, kind):
    number = np.arange(16_000)
    number[4040:] += 200
    number[10_000:] += 2500
    values = number.astype(np.float32)
    values[4003:] = bad
    stamps, arrived = spoil(kind, number, 1)
    count = Count(np.float32)
    count.feed(values, stamps, arrived)
    assert count.timeline.timing == ("exact" if kind == "good" else "estimated")
    assert abs(count.lost - 2700) <= {"good": 0, "gaussian": 10, "chunks": 40}[kind]
    assert (count.samples_in, count.repeats) == (16_000, 0)


@pytest.mark.parametrize(("dtype", "wrap"), [(np.float64, 2**53), (np.float32, 2**8), (np.float32, 2**16)])
def test_what_is_lost_while_the_count_is_no_number_is_counted_and_the_count_goes_on(dtype, wrap):
    number = np.arange(8000)
    number[4100:] += 300
    number[6000:] += 70
    values = in_format(number, dtype, wrap)
    values[4003:4400] = np.nan
    stamps, arrived = spoil("good", number, 0)
    count = Count(dtype)
    count.feed(values, stamps, arrived)
    assert count.number == number.tolist()
    assert (count.repeats, count.timeline.timing) == (0, "counted")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(100, 199), kind=st.sampled_from(["good", "gaussian", "chunks", "equal"]))
def test_single_counts_that_are_no_numbers_leave_the_periods_exact(seed, kind):
    number = with_gaps(seed, 6000, 8)
    values = number.astype(np.float64)
    values[np.random.default_rng(seed).integers(300, 5900, 100)] = np.nan
    stamps, arrived = spoil(kind, number, seed)
    count = Count(np.float64)
    count.feed(values, stamps, arrived)
    assert (count.samples_in + count.lost, count.timeline.timing) == (number[-1] + 1, "counted")
    assert count.samples_in + count.repeats == 6000
    assert count.repeats <= (0 if kind == "good" else 60)  # beside a gap, stamps that are off may see it too large


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=40))
def test_any_values_at_all_are_accounted_for(values):
    count = Count(np.float32)
    stamps, arrived = spoil("good", np.arange(len(values)), 0)
    count.feed(np.array(values, np.float32), stamps, arrived)
    assert count.samples_in + count.repeats == len(values)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.full(PROBED, 7.0, np.float32), "stays at 7"),
        (np.arange(PROBED) * 8.0, "goes up by 8 a sample"),
        (np.random.default_rng(0).normal(0, 50, PROBED), "does not go up by one"),
        (np.full(PROBED, np.nan), "does not go up by one"),
    ],
)
def test_a_channel_that_counts_no_samples_is_refused_in_one_sentence(values, found):
    with pytest.raises(StreamError, match=found) as caught:
        check_counts(values, 64, "emg")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("dtype", "wrap"), FORMATS)
def test_a_counter_is_taken_for_one_at_its_wrap_and_across_a_gap(dtype, wrap):
    number = np.arange(PROBED) + (wrap - 10 if wrap <= 2**32 else 0)
    number[20:] += 100
    check_counts(in_format(number, dtype, wrap), 64, "emg")


@settings(max_examples=300, deadline=None)
@given(
    begin=st.integers(-300, 2**32),
    steps=st.lists(st.sampled_from([1] * 12 + [0, -7, 2, 9, 257, -255, 1 - 2**16, np.nan, np.inf, 2**60]), max_size=30),
    wrap=st.sampled_from([0, 2**8, 2**16, 2**32]),
)
def test_the_kernel_and_its_twin_find_the_same_break(begin, steps, wrap):
    values = [float(begin)]
    for step in steps:
        odd = not abs(step) < 2**53
        values.append(step if odd else next(v for v in reversed(values) if abs(v) < 2**53) + step)
    values = np.array(values)
    assert _unbroken_kernel(values, len(values), wrap) == unbroken_reference(values, wrap) > 0
