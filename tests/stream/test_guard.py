"""What is no discharge is held back: the definition, any chunking, and what disturbs sources and what does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.detect import Detector
from myodrive.stream.guard import (
    DEAF_TIMES,
    LATCH_S,
    LEAST_TIMES,
    MEMORY_S,
    MOST_BLANKS,
    MOST_TIMES,
    SMALLEST_CROWD,
    Guard,
    guard_reference,
)

FS_HZ = 2000.0
LOOKAHEAD, REFRACTORY = 4, 20
THRESHOLD, HEIGHT = np.float32(0.7), np.float32(1.0)
LATCH = int(LATCH_S * FS_HZ)


class Sieved:
    """Detector and guard over sources, hop by hop."""

    def __init__(self, units, longest=64, settled_at=0):
        self.detector = Detector(np.full(units, THRESHOLD), LOOKAHEAD, REFRACTORY, longest)
        self.guard = Guard(np.full(units, THRESHOLD), np.full(units, HEIGHT), FS_HZ, LOOKAHEAD, longest)
        self.guard.reset(settled_at)
        self.kept, self.sound = [], []

    def __call__(self, sources, sizes=(8,), first_sample=0):
        start, i = 0, 0
        while start < len(sources):
            hop = sources[start : start + sizes[i % len(sizes)]]
            first = first_sample + start
            self.guard.follow(hop, first)
            self.detector(hop, first)
            count = self.guard.sieve(self.detector)
            found = self.detector
            assert count == found.count
            self.kept += zip(
                found.sample[:count].tolist(), found.unit[:count].tolist(), found.height[:count].tolist(), strict=True
            )
            self.sound += [self.guard.sound_at(first + row) for row in range(len(hop))]
            assert self.guard.sound == self.sound[-1]
            start, i = start + len(hop), i + 1
        return self


def discharging(units=6, seconds=2.0, noise=0.1, seed=0):
    """Sources with discharges of height 1, and their places as (sample, unit)."""
    rng = np.random.default_rng(seed)
    sources = rng.normal(0.0, noise, (int(seconds * FS_HZ), units))
    places = []
    for unit in range(units):
        for at in range(50 + 31 * unit, len(sources) - 50, 170 + 14 * unit):
            sources[at - 1 : at + 2, unit] += (0.4, 1.0, 0.4)
            places.append((at, unit))
    return sources.astype(np.float32), sorted(places)


def all_found(sources):
    """Every peak that the detector takes, without a guard."""
    detector = Detector(np.full(sources.shape[1], THRESHOLD), LOOKAHEAD, REFRACTORY, len(sources))
    count = detector(sources, 0)
    return list(
        zip(
            detector.sample[:count].tolist(),
            detector.unit[:count].tolist(),
            detector.height[:count].tolist(),
            strict=True,
        )
    )


def of(found):
    return [(sample, unit) for sample, unit, _ in found]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 9), st.floats(0.05, 1.5), st.floats(0.0, 0.02),
    st.lists(st.integers(1, 64), min_size=1, max_size=5),
)  # fmt: skip
def test_any_chunking_gives_what_the_reference_gives(seed, units, noise, none, sizes):
    rng = np.random.default_rng(seed)
    sources, _ = discharging(units, 0.7, 0.1, seed)
    sources[500:900] += rng.normal(0.0, noise, (400, units)).astype(np.float32)
    sources[rng.random(sources.shape) < none] = np.nan
    found = all_found(sources)
    every = np.full(units, THRESHOLD), np.full(units, HEIGHT)
    kept, sound = guard_reference(sources, found, *every, LOOKAHEAD, FS_HZ)
    sieved = Sieved(units)(sources, sizes)
    assert sieved.kept == kept
    assert sieved.sound == sound.tolist()
    assert sieved.guard.held_back == len(found) - len(kept)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.15])
def test_discharges_of_a_contraction_are_kept_and_the_sources_are_sound(noise):
    sources, places = discharging(noise=noise)
    sieved = Sieved(6)(sources)
    assert sieved.kept == all_found(sources)
    assert len(sieved.kept) == pytest.approx(len(places), rel=0.02)
    assert sieved.guard.held_back == 0
    assert all(sieved.sound)


def test_a_louder_background_takes_nothing_from_discharges_that_stand_out():
    rng = np.random.default_rng(4)
    sources, places = discharging(noise=0.05)
    sources += rng.normal(0.0, 0.15, sources.shape).astype(np.float32)  # ten times the power
    found = set(of(all_found(sources))) & set(places)
    kept = set(of(Sieved(6)(sources).kept))
    assert len(found) > 0.6 * len(places)  # the others peak a sample beside
    assert len(kept & found) > 0.98 * len(found)


def test_what_does_not_stand_out_from_its_own_source_is_held_back_and_the_other_units_stay():
    sources, _ = discharging()
    rest = [place for place in of(all_found(sources)) if place[1] != 2]
    sources[1000:2000, 2] = np.random.default_rng(1).normal(0.0, 0.6, 1000)
    sieved = Sieved(6)(sources)
    false = [place for place in of(sieved.kept) if place[1] == 2 and 1000 <= place[0] < 2000]
    there = [place for place in of(all_found(sources)) if place[1] == 2 and 1000 <= place[0] < 2000]
    assert len(there) > 20
    assert len(false) < 0.1 * len(there)
    assert [place for place in of(sieved.kept) if place[1] != 2] == rest
    assert all(sieved.sound)  # one unit that is deaf is not all


@pytest.mark.parametrize(("height", "kept"), [(0.98 * MOST_TIMES, True), (1.02 * MOST_TIMES, False), (np.inf, False)])
def test_what_is_higher_than_any_discharge_is_held_back(height, kept):
    sources, _ = discharging(noise=0.0)
    at = 960
    assert not sources[at - 20 : at + 20, 3].any()
    sources[at, 3] = height
    assert ((at, 3) in of(Sieved(6)(sources).kept)) == kept


@pytest.mark.parametrize("up", [1.0, -1.0])
def test_discharges_in_a_crowd_are_held_back(up):
    units = 9
    for others in (SMALLEST_CROWD, 4):  # of 8 others, 4 are a crowd
        sources = np.zeros((600, units), np.float32)
        sources[300, 0] = 1.0
        sources[301, 1 : 1 + others] = 0.5 * up
        assert of(Sieved(units)(sources).kept) == ([(300, 0)] if others < 4 else [])


@pytest.mark.parametrize("units", [1, 2, 3])
def test_few_units_make_no_crowd(units):
    sources = np.zeros((600, units), np.float32)
    sources[300] = 1.0
    assert of(Sieved(units)(sources).kept) == [(300, unit) for unit in range(units)]


def test_the_sources_are_unsound_while_units_are_deaf_and_a_while_after():
    sources, _ = discharging(seconds=3.0)
    rng = np.random.default_rng(2)
    sources[2000:3000, :2] = rng.normal(0.0, 1.0, (1000, 2))  # two of six
    sound = np.array(Sieved(6)(sources).sound)
    first, last = np.flatnonzero(~sound)[[0, -1]]
    assert 2000 < first < 2000 + 2 * MEMORY_S * FS_HZ
    assert 3000 + LATCH <= last < 3000 + LATCH + 3 * MEMORY_S * FS_HZ
    assert not sound[first:last].any()


def test_a_unit_that_is_lost_is_not_deaf():
    sources = np.random.default_rng(3).normal(0.0, 1.0, (600, 2)).astype(np.float32)
    for lost in (0, 1):
        sieved = Sieved(2)
        threshold = np.full(2, THRESHOLD)
        threshold[:lost] = np.inf
        sieved.guard.exchange(threshold)
        assert all(sieved(sources).sound) == bool(lost)  # of two units, both must be deaf


def test_a_reset_forgets_the_background_and_keeps_the_count_and_the_verdict():
    loud = np.random.default_rng(5).normal(0.0, 1.5, (600, 6)).astype(np.float32)
    sieved = Sieved(6)(loud)
    held_back = sieved.guard.held_back
    assert held_back > 0
    assert not sieved.guard.sound
    sieved.guard.reset(700)
    sieved.detector.reset(700)
    sieved.kept.clear()
    quiet = np.zeros((1000, 6), np.float32)
    quiet[200, 1] = 1.0  # sample 800
    sieved(quiet, first_sample=600)
    assert of(sieved.kept) == [(800, 1)]
    assert sieved.guard.held_back == held_back
    assert sieved.sound[600 + 0] is False  # what was loud a moment ago is so still
    assert sieved.sound[-1]
    sieved.guard.forgive()
    assert (sieved.guard.held_back, sieved.guard.sound) == (0, True)


def test_before_it_has_settled_nothing_counts():
    sources = np.zeros((400, 4), np.float32)
    sources[:200] = 5.0  # as a filter rings
    sources[300, 2] = 1.0
    sieved = Sieved(4, settled_at=200)
    sieved.detector.reset(200)
    sieved(sources)
    assert of(sieved.kept) == [(300, 2)]
    assert all(sieved.sound)


def test_the_numbers_leave_room_for_a_doublet():
    """Two discharges of 1.5 ms in 10 ms stand out from the background that they make themselves."""
    sources = np.zeros((400, 4), np.float32)
    for at in (200, 220):
        sources[at - 1 : at + 2, 0] = (0.7, 1.0, 0.7)
    assert of(Sieved(4)(sources).kept) == [(200, 0), (220, 0)]
    assert LEAST_TIMES > DEAF_TIMES  # what is deaf would be held back


def test_in_blank_stretches_there_are_no_discharges_and_no_background():
    sources, places = discharging(noise=0.0)
    sources[1000:1100] = np.random.default_rng(6).normal(0.0, 1.5, (100, 6))  # what a pulse leaves
    plain, blanked = Sieved(6)(sources), Sieved(6)
    blanked.guard.blank(1000, 1099)
    blanked.guard.blank(1500, 1520)
    blanked(sources)
    assert not all(plain.sound)
    assert all(blanked.sound)
    kept = of(blanked.kept)
    inside = [sample for sample, _ in kept if 1000 <= sample < 1100 or 1500 <= sample <= 1520]
    assert inside == []
    outside = [one for one in places if not (980 <= one[0] < 1120 or 1500 <= one[0] <= 1520)]
    assert [one for one in kept if not 980 <= one[0] < 1120] == outside
    assert blanked.guard.blanked > 0
    assert blanked.guard.held_back + blanked.guard.blanked == len(all_found(sources)) - len(kept)
    blanked.guard.forgive()
    assert blanked.guard.blanked == 0


def test_of_many_blank_stretches_the_newest_are_remembered():
    sources, _ = discharging(units=2, seconds=3.0, noise=0.0)
    sieved = Sieved(2)
    for n in range(MOST_BLANKS + 10):
        sieved.guard.blank(10 * n, 10 * n)  # single samples
    sieved.guard.blank(4000, 5000)
    kept = of(sieved(sources).kept)
    assert not [sample for sample, _ in kept if 4000 <= sample <= 5000]
    assert [sample for sample, _ in kept if sample > 5000]
