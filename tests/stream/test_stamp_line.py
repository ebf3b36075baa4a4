"""The line of the stamps: rate and jitter tracked, and known after some stamps of chunks, not after time alone."""

import numpy as np
import pytest

from myodrive.stream.stamp_line import EVEN_S, KNOWN_STAMPS, LEARN_S, StampLine

FS_HZ = 2000.0


def feed(line, stamps, sizes):
    """Takes chunks of `sizes` as they come; yields after each."""
    begin = 0
    line.begin(stamps[0])
    for size in sizes:
        part = stamps[begin : begin + size]
        begin += size
        last_error = part[-1] - line.next - (len(part) - 1) * line.period
        line.accept(len(part), part[0], part[-1], part[0] - line.next, last_error)
        yield begin


@pytest.mark.parametrize("chunk", [8, 64, 256, 512])
def test_stamps_are_known_after_so_many_chunks_and_so_much_time(chunk):
    chunks = 4000 // chunk + KNOWN_STAMPS
    stamps = 3 + np.arange(chunks * chunk) / FS_HZ
    stamps += np.repeat(np.random.default_rng(1).normal(0, 1e-3, chunks), chunk)
    line = StampLine(FS_HZ)
    for taken in feed(line, stamps, [chunk] * chunks):
        assert line.known == (taken >= max(KNOWN_STAMPS * chunk, LEARN_S * FS_HZ))


def test_stamps_that_count_on_evenly_are_known_after_a_while():
    line = StampLine(FS_HZ)
    for taken in feed(line, 3 + np.arange(3000) / FS_HZ, [8] * 300):
        assert line.known == (taken >= EVEN_S * FS_HZ)
    assert line.clean


@pytest.mark.parametrize("sd_ms", [0.5, 2, 5])
def test_hardly_any_jitter_is_beyond_the_limit_that_it_sets_itself(sd_ms):
    rng = np.random.default_rng(100)
    stamps = 3 + np.arange(100_000) / FS_HZ + np.repeat(rng.normal(0, sd_ms * 1e-3, 12_500), 8)
    line, beyond = StampLine(FS_HZ), 0
    for taken in feed(line, stamps, [8] * 12_499):
        beyond += abs(stamps[taken] - line.next) > line.limit and not line.exact
    assert beyond == 0
    assert line.spread > sd_ms * 1e-3
    assert line.jitter == pytest.approx(0.8 * sd_ms * 1e-3, rel=0.2)
    assert line.period == pytest.approx(1 / FS_HZ, rel=1e-3)


def test_few_stamps_that_are_off_by_little_promise_nothing():
    line = StampLine(FS_HZ)
    list(feed(line, 3 + np.arange(16) / FS_HZ, [8, 8]))
    line.deviates(1e-3)
    assert line.jitter_limit >= 0.1 > line.jitter_seen


@pytest.mark.parametrize("ppm", [-300, 300])
def test_a_long_gap_shows_the_rate(ppm):
    real = FS_HZ * (1 + ppm * 1e-6)
    line = StampLine(FS_HZ)
    list(feed(line, 3 + np.arange(400) / FS_HZ, [8] * 50))
    line.move_good(20_000, 20_000 * (1 / real - 1 / FS_HZ))
    assert 1 / line.period == pytest.approx(real, rel=30e-6)


def test_a_gap_of_whole_periods_is_one_while_stamps_were_even_so_far():
    line = StampLine(FS_HZ)
    list(feed(line, 3 + np.arange(400) / FS_HZ, [8] * 50))
    assert not line.counts_on(0.0)  # too few of them
    list(feed(line, 3.2 + np.arange(400) / FS_HZ, [8] * 50))
    assert line.counts_on(0.0)
    assert not line.counts_on(0.01 / FS_HZ)
    list(feed(line, 3.4001 + np.arange(600) / FS_HZ, [8] * 75))
    assert not line.counts_on(0.0)
