"""Spike trains as events.tsv."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.tools.events import Mark, Missing, read_events, read_marks, read_missing, write_events

HEADING = "onset\tduration\tsample\tunit_id\tevent_type\n"

trains = st.dictionaries(
    st.integers(0, 300),
    st.lists(st.integers(0, 10_000_000), min_size=1, max_size=30, unique=True).map(sorted),
    max_size=8,
)


@settings(deadline=None)
@given(trains, st.sampled_from([1000.0, 2000.0, 2048.0, 2222.2222, 4096.0, 10240.0]))
def test_what_is_written_is_read(tmp_path_factory, units, fs_hz):
    path = tmp_path_factory.mktemp("events") / "events.tsv"
    write_events(path, {unit: np.array(train) for unit, train in units.items()}, fs_hz)
    read = read_events(path)
    assert {unit: train.tolist() for unit, train in read.units.items()} == units
    if read.fs_hz is not None:
        latest = max(train[-1] for train in units.values())
        assert abs(read.fs_hz - fs_hz) * latest / fs_hz < 0.01 * fs_hz


def test_rows_are_bids_and_in_the_order_of_samples(tmp_path):
    write_events(tmp_path / "e.tsv", {7: np.array([10, 2048]), 3: np.array([10, 4000])}, 2048.0)
    assert (tmp_path / "e.tsv").read_bytes().decode() == (
        HEADING
        + "0.004883\tn/a\t10\t3\tmotor-unit-spike\n"
        + "0.004883\tn/a\t10\t7\tmotor-unit-spike\n"
        + "1.000000\tn/a\t2048\t7\tmotor-unit-spike\n"
        + "1.953125\tn/a\t4000\t3\tmotor-unit-spike\n"
    )
    assert read_events(tmp_path / "e.tsv").fs_hz == 2048.0


def test_no_spikes_is_a_heading_alone(tmp_path):
    write_events(tmp_path / "e.tsv", {}, 2048.0)
    assert (tmp_path / "e.tsv").read_text() == HEADING
    assert read_events(tmp_path / "e.tsv").units == {}
    assert read_events(tmp_path / "e.tsv").fs_hz is None


def test_other_columns_orders_and_event_types_are_taken(tmp_path):
    path = tmp_path / "e.tsv"
    path.write_text(
        "\ufeffunit_id\tsample\tonset\tevent_type\tnote\n"
        "n/a\tn/a\t0.5\tcue\tgo\n"
        "4\t2000\t1.0\tmotor-unit-spike\t\n"
        "4\t1000\t0.5\tmotor-unit-spike\t\n",
        encoding="utf-8",
    )
    assert read_events(path).units[4].tolist() == [1000, 2000]
    assert read_events(path).fs_hz == 2000.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column onset"),
        ("onset\tduration\tsample\n", "no column unit_id"),
        ("onset,duration,sample,unit_id\n", "no column onset"),
        (HEADING + "0.5\tn/a\t1000\t4\n", "4 values in line 2"),
        (HEADING + "0.5\tn/a\t1000.5\t4\tmotor-unit-spike\n", "line 2"),
        (HEADING + "0.5\tn/a\t-1000\t4\tmotor-unit-spike\n", "line 2"),
        (HEADING + "0.5\tn/a\t1000\t-4\tmotor-unit-spike\n", "line 2"),
        (HEADING + "nan\tn/a\t1000\t4\tmotor-unit-spike\n", "line 2"),
        (HEADING + "0.5\tn/a\tn/a\t4\tmotor-unit-spike\n", "line 2"),
        (HEADING + "0.5\tn/a\t99999999999999999999\t4\tmotor-unit-spike\n", "line 2"),
        (HEADING + "0.0\tn/a\t1000\t4\tmotor-unit-spike\n", "onset 0 s"),
        (HEADING + "0.5\tn/a\t1000\t4\tmotor-unit-spike\n" * 2, "twice"),
        (HEADING + "0.1\tn/a\t1000\t4\tmotor-unit-spike\n2.0\tn/a\t4000\t4\tmotor-unit-spike\n", "does not fit"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "events.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match=said) as caught:
        read_events(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_file_is_refused(tmp_path, excerpt_path):
    for path, said in [(tmp_path, "folder"), (tmp_path / "no.tsv", "no events file"), (excerpt_path, "as text")]:
        with pytest.raises(RecordingError, match=said):
            read_events(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "e.tsv"
    write_events(path, {0: np.array([5])}, 2048.0)
    with pytest.raises(ZeroDivisionError):
        write_events(path, {0: np.array([5])}, 0)
    assert read_events(path).units[0].tolist() == [5]
    assert [entry.name for entry in tmp_path.iterdir()] == ["e.tsv"]


def test_markers_stand_between_the_discharges_and_are_taken_for_none(tmp_path):
    path = tmp_path / "e.tsv"
    marks = [Mark(2048, "go"), Mark(-20, "before"), Mark(15, "a\ttab,\nand lines "), Mark(16, " ")]
    write_events(path, {3: np.array([10, 2048])}, 2048.0, [Missing(30, 2, "A1")], marks)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert lines[0] == ["onset", "duration", "sample", "unit_id", "event_type", "trial_type", "channel"]
    assert all(len(line) == 7 for line in lines)
    assert [line[2] for line in lines[1:-1]] == ["-20", "10", "15", "16", "2048", "2048"]  # by time
    assert lines[1] == ["-0.009766", "n/a", "-20", "n/a", "marker", "before", "n/a"]
    assert [line[5] for line in lines if line[4] == "motor-unit-spike"] == ["n/a"] * 2
    assert {unit: train.tolist() for unit, train in read_events(path).units.items()} == {3: [10, 2048]}
    assert read_events(path).fs_hz == 2048.0
    assert read_marks(path, 2048.0) == [(-20, "before"), (15, "a tab, and lines"), (2048, "go")]
    assert read_missing(path, 2048.0) == [Missing(30, 2, "A1")]


def test_cues_of_other_programs_are_markers_and_rows_without_a_unit_no_discharges(tmp_path):
    path = tmp_path / "e.tsv"
    path.write_text(
        "onset\tduration\ttrial_type\tsample\tunit_id\n"
        "0.5\t2\tgo\tn/a\tn/a\nn/a\tn/a\tnever\tn/a\tn/a\n1.0\tn/a\tn/a\t2000\t4\n",
    )
    assert read_marks(path, 2000.0) == [(1000, "go")]
    assert read_events(path).units[4].tolist() == [2000]
