"""What a calibration is given: samples as they came, places from a file, a stream or a grid."""

import numpy as np
import pytest

from myodrive.stream.errors import OptionError, RecordingError, StreamError
from myodrive.stream.source_info import SourceInfo
from myodrive.tools.calibration_source import (
    differs,
    elsewhere,
    from_file,
    from_stream,
    geometry_of,
    refuse_what_is_no_number,
)  # fmt: skip
from myodrive.tools.grids import grid


def no_progress(share, note):
    pass


def stream_at(x, z):
    """A stream whose channels lie at these places, mm."""
    positions = np.column_stack([x, np.zeros(len(x)), z]).astype(float)
    return SourceInfo("s", "s", "u", "h", 2048.0, len(x), np.float32, None, ("uv",) * len(x), positions)


def test_a_stream_is_recorded_sample_for_sample(process, unique, muscle_path, muscle):
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    source = from_stream(unique, 1.5, [5, 0, 9, 23], None, None, no_progress, print)
    assert source.emg.shape == (3072, 4)
    first = np.flatnonzero((muscle.emg[:, [5, 0, 9, 23]] == source.emg[0]).all(axis=1))
    assert len(first) == 1
    rows = (first[0] + np.arange(3072)) % muscle.samples
    np.testing.assert_array_equal(source.emg, muscle.emg[rows][:, [5, 0, 9, 23]])
    assert source.index == [5, 0, 9, 23]
    assert source.stream_channels == 24
    assert source.labels is None  # mere numbers claim nothing
    np.testing.assert_array_equal(source.geometry.row, muscle.geometry.row[source.index])
    np.testing.assert_array_equal(source.geometry.col, muscle.geometry.col[source.index])
    assert source.geometry.ied_mm == muscle.geometry.ied_mm


def test_a_stream_that_counts_is_recorded_without_its_counter_and_what_is_lost_is_exact(process, unique, muscle_path):
    process(
        "play", muscle_path, "--name", unique, "--source-id", unique, "--counter", "--seconds", "6", "--fault",
        "jitter@0:6,sd_ms=3", "--fault", "gap@1:37n", "--wait-for-consumers", "60",
    )  # fmt: skip
    said = []
    source = from_stream(unique, 3.0, None, None, None, no_progress, said.append, counter=24)
    assert source.index == list(range(24))
    assert source.stream_channels == 25
    assert said == ["37 samples were lost while recording; the decoder may be worse for it"]


def test_a_counter_that_is_decoded_is_refused(process, unique, muscle_path):
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    with pytest.raises(OptionError, match="--counter"):
        from_stream(unique, 1.0, [0, 1, 2, 3], "LIN4-05", None, no_progress, print, counter=2)


def test_a_grid_that_overrides_other_places_is_told(process, unique, muscle_path, tmp_path):
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    said = []
    from_stream(unique, 1.0, [0, 1, 2, 3], "LIN4-05", None, no_progress, said.append)
    assert len(said) == 1
    assert "LIN4-05" in said[0]
    grid = tmp_path / "same.csv"
    grid.write_text("# ied_mm = 8\nchannel,row,col\n0,1,0\n1,1,1\n2,1,2\n")  # the same, from another origin
    from_stream(unique, 1.0, [0, 1, 2], str(grid), None, no_progress, said.append)
    assert len(said) == 1


def test_how_far_apart_the_electrodes_are_here_and_there_is_said():
    geometry, index = grid("LIN4-05"), np.arange(4)
    said = elsewhere("LIN4-05", geometry, stream_at([0, 8, 16, np.nan], [0, 0, 0, 0]), index)
    assert "5 mm apart here, 8 mm there" in said
    assert "there" not in elsewhere("LIN4-05", geometry, stream_at([3, np.nan, np.nan, np.nan], [0, 0, 0, 0]), index)


def test_places_that_are_not_given_differ_from_none():
    geometry = geometry_of(stream_at([0, 8, 16], [0, 0, 0]), np.arange(3))
    assert not differs(geometry, stream_at([50, 58, 66], [9, 9, 9]), np.arange(3))
    assert differs(geometry, stream_at([50, 58, 76], [9, 9, 9]), np.arange(3))
    assert not differs(geometry, stream_at([np.nan] * 3, [9, 9, 9]), np.arange(3))
    assert not differs(geometry, stream_at([np.nan, 8, 16], [0, 0, 0]), np.arange(3))


def test_a_stream_in_counts_is_scaled_and_warned_of(process, unique, muscle_path, muscle):
    process(
        "play", muscle_path, "--name", unique, "--source-id", unique, "--loop", "--unit", "none", "--step-uv", "0.5"
    )
    said = []
    scaled = from_stream(unique, 1.0, [0], "LIN1-05", 0.5, no_progress, said.append)
    assert said == []
    counts = from_stream(unique, 1.0, [0], "LIN1-05", None, no_progress, said.append)
    assert "--gain" in said[0]
    assert abs(float(scaled.emg.mean()) - muscle.emg[:, 0].mean()) < 1.0
    assert abs(float(counts.emg.mean()) - 2 * muscle.emg[:, 0].mean()) < 2.0


def test_a_stream_that_ends_is_an_error_and_not_a_short_recording(process, unique, muscle_path):
    process(
        "play", muscle_path, "--name", unique, "--source-id", unique, "--seconds", "2", "--wait-for-consumers", "60"
    )
    with pytest.raises(StreamError, match="stopped after"):
        from_stream(unique, 60.0, None, None, None, no_progress, print)


def test_positions_of_any_origin_give_the_grid():
    col, row = (axis.ravel() for axis in np.meshgrid(np.arange(3), np.arange(5)))
    geometry = geometry_of(stream_at(100 + 8 * col, 8 * row - 3), np.arange(15))
    np.testing.assert_array_equal(geometry.row, row)
    np.testing.assert_array_equal(geometry.col, col)
    assert geometry.ied_mm == 8.0
    assert (geometry.grid_rows, geometry.grid_cols) == (5, 3)


@pytest.mark.parametrize(
    ("x", "z", "words"),
    [
        ([0, 0, 0], [0, 0, 0], "at one point"),
        ([0, 0, 0], [0, 8, 8.002], "off a regular grid"),
        ([0, 0, 0], [0, 8, 19], "off a regular grid"),
        ([0, 8, 8], [0, 0, 0], "two channels on one electrode"),
        ([0, np.nan, 8], [0, 0, 0], "does not say"),
    ],
)
def test_positions_that_are_no_grid_are_refused(x, z, words):
    with pytest.raises(OptionError, match=words):
        geometry_of(stream_at(x, z), np.arange(3))


def test_positions_of_channels_that_are_not_selected_do_not_count():
    geometry = geometry_of(stream_at([0, 0, np.nan], [0, 8, np.nan]), np.array([0, 1]))
    assert len(geometry) == 2


def test_the_grid_named_goes_before_the_places_of_the_file(muscle_path):
    source = from_file(str(muscle_path), list(range(16)), "LIN16-05")
    assert source.geometry.ied_mm == 5.0
    np.testing.assert_array_equal(source.geometry.row, np.arange(16))


def test_only_the_channels_asked_for_must_be_numbers():
    emg = np.zeros((10, 3), np.float32)
    emg[4, 1] = np.nan
    refuse_what_is_no_number(emg, [0, 2], "r.h5")
    with pytest.raises(RecordingError, match=r"channel\(s\) 1:"):
        refuse_what_is_no_number(emg, [0, 1, 2], "r.h5")
