"""Scoring: RoA, F1, shifts, matches one to one, duplicates and false units."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from myodrive.stream.errors import OptionError, RecordingError
from myodrive.tools.events import write_events
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.score import score, score_trains

FS_HZ = 2048.0


def train(seed, spikes=200, rate=12.0, variation=0.15):
    """A unit that fires regularly."""
    rng = np.random.default_rng(seed)
    intervals = rng.normal(FS_HZ / rate, variation * FS_HZ / rate, spikes)
    return (200 + np.cumsum(np.maximum(intervals, 40))).astype(np.int64)


TRUTH = {k: train(k) for k in range(6)}


def test_a_decomposition_agrees_with_itself_completely():
    result = score_trains(TRUTH, TRUTH, FS_HZ)
    assert [(m.unit, m.reference, m.roa, m.f1, m.shift) for m in result.matches] == [(k, k, 1, 1, 0) for k in TRUTH]
    assert (result.recovered_roa, result.recovered_f1, result.sum_f1) == (6, 6, 6.0)
    assert (result.extra, result.missed, result.false, result.between) == ((), (), (), ())


@settings(deadline=None, max_examples=25)
@given(shift=st.integers(-102, 102), order=st.permutations(range(6)))
def test_a_common_shift_of_50_ms_and_other_numbers_cost_nothing(shift, order):
    found = {10 + new: TRUTH[old] - shift for new, old in enumerate(order)}
    result = score_trains(found, TRUTH, FS_HZ)
    assert [(m.unit, m.reference) for m in result.matches] == [(10 + order.index(k), k) for k in range(6)]
    assert all(m.roa == 1 and m.shift == shift for m in result.matches)


def test_a_longer_shift_is_no_agreement():
    result = score_trains({0: TRUTH[0] + 110}, {0: TRUTH[0]}, FS_HZ)
    assert len(result.false) == 1


def test_missing_and_added_spikes_count_as_defined():
    found = np.sort(np.concatenate([TRUTH[0][20:], TRUTH[0][20:50] + 60]))  # 20 missed, 30 added
    (match,) = score_trains({0: found}, {0: TRUTH[0]}, FS_HZ).matches
    assert (match.common, match.only_unit, match.only_reference) == (180, 30, 20)
    assert match.roa == pytest.approx(180 / 230)
    assert match.f1 == pytest.approx(360 / 410)


def test_a_spike_off_by_more_than_a_millisecond_is_a_miss_and_an_addition():
    found = TRUTH[0].copy()
    found[::10] += 5  # 2.4 ms: no shift brings these and the others within 1 ms
    (match,) = score_trains({0: found}, {0: TRUTH[0]}, FS_HZ).matches
    assert (match.common, match.only_unit, match.only_reference) == (180, 20, 20)


def test_units_are_matched_one_to_one_for_the_largest_sum():
    """Unit 0 is the best for both references; it goes where the sum of F1 is largest."""
    half = TRUTH[0][::2]
    result = score_trains({0: TRUTH[0], 1: TRUTH[1]}, {0: half, 1: TRUTH[0]}, FS_HZ)
    assert result.matches[-1].reference == 1
    assert result.matches[-1].unit == 0
    assert result.matches[-1].f1 == 1


def test_a_unit_found_twice_counts_once_and_the_regular_one_stays():
    rng = np.random.default_rng(5)
    shaky = np.sort(np.concatenate([TRUTH[2][rng.random(200) > 0.4], rng.integers(300, 30000, 60)]))
    result = score_trains({**TRUTH, 40: np.unique(shaky) + 7}, TRUTH, FS_HZ)
    assert result.duplicates == ((40, 2),)
    assert result.recovered_roa == 6
    assert result.extra == ()


def test_a_unit_of_few_spikes_is_false_and_no_duplicate():
    result = score_trains({**TRUTH, 9: np.array([700])}, TRUTH, FS_HZ)
    assert [best.unit for best in result.false] == [9]
    assert [best.unit for best in result.extra] == [9]
    assert result.duplicates == ()


def test_false_units_and_those_between_are_told_apart():
    part = np.sort(np.concatenate([TRUTH[0][:140], train(77, 60) + 22000]))
    result = score_trains({0: part, 1: TRUTH[1], 8: train(88)}, TRUTH, FS_HZ)
    assert [best.unit for best in result.between] == [0]
    assert result.between[0].reference == 0
    assert [best.unit for best in result.false] == [8]
    assert set(result.missed) <= {2, 3, 4, 5}
    assert result.recovered_roa == 1


def test_nothing_found_misses_everything():
    result = score_trains({}, TRUTH, FS_HZ)
    assert result.missed == tuple(range(6))
    assert result.as_json()["totals"]["sum_f1"] == 0


def test_json_and_table_say_the_same():
    result = score_trains({0: TRUTH[0] + 4, 8: train(88)}, TRUTH, FS_HZ)
    data = json.loads(json.dumps(result.as_json()))
    first = data["matches"][0]
    assert {"unit", "reference", "roa", "f1", "shift"} <= set(first)
    assert (first["unit"], first["reference"], first["roa"], first["shift"]) == (0, 0, 1.0, -4)
    totals = data["totals"]
    assert totals["references"] == 6
    assert totals["matched"] + totals["missed"] == 6
    assert totals["matched"] + totals["extra"] == totals["units"] == 2
    console = Console(width=120)
    with console.capture() as shown:
        console.print(result.as_table())
    assert "1 of 6 recovered at RoA > 0.9" in " ".join(shown.get().split())


def test_files_are_scored_as_the_trains_in_them(tmp_path, excerpt_path):
    recording = read_recording(excerpt_path)
    write_events(tmp_path / "a.tsv", {k: t + 5 for k, t in recording.units.items()}, recording.fs_hz)
    write_events(tmp_path / "b.tsv", recording.units, recording.fs_hz)
    by_recording, by_events = score(tmp_path / "a.tsv", excerpt_path), score(tmp_path / "a.tsv", tmp_path / "b.tsv")
    assert by_recording.recovered_roa == 5
    assert all(match.shift == -5 for match in by_recording.matches)
    assert by_recording.as_json() == by_events.as_json()


def test_a_part_of_the_time_can_be_scored(tmp_path):
    late = {k: t[t >= 10 * FS_HZ] for k, t in TRUTH.items()}
    write_events(tmp_path / "late.tsv", late, FS_HZ)
    write_events(tmp_path / "all.tsv", TRUTH, FS_HZ)
    assert score(tmp_path / "late.tsv", tmp_path / "all.tsv").recovered_roa == 0
    assert score(tmp_path / "late.tsv", tmp_path / "all.tsv", start_s=10.0).sum_f1 == 6
    with pytest.raises(OptionError, match="start before the end"):
        score(tmp_path / "late.tsv", tmp_path / "all.tsv", start_s=5, end_s=5)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    write_events(tmp_path / "a.tsv", TRUTH, 2048.0)
    write_events(tmp_path / "b.tsv", TRUTH, 2000.0)
    write_events(tmp_path / "none.tsv", {}, 2000.0)
    with pytest.raises(RecordingError, match="do not share a sampling rate"):
        score(tmp_path / "a.tsv", tmp_path / "b.tsv")
    with pytest.raises(RecordingError, match="no reference units"):
        score(tmp_path / "a.tsv", tmp_path / "none.tsv")
    write_events(tmp_path / "zero.tsv", {0: np.array([0])}, 2048.0)
    with pytest.raises(RecordingError, match="tells the sampling rate"):
        score(tmp_path / "zero.tsv", tmp_path / "zero.tsv")
