"""Recordings in memory: named as in their stream, checked in one place; the bundled one is good for a demo."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myodrive.stream.errors import RecordingError
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.recording import BUNDLED, check_size, in_a_row, refuse_not_finite, shown

from .small_recording import small_recording


def test_channels_are_named_as_in_the_stream_that_they_came_from():
    recording = small_recording()
    assert recording.numbers == (10, 11, 12, 13, 14, 15)
    assert replace(recording, in_stream=None).numbers == (0, 1, 2, 3, 4, 5)
    assert (recording.samples, recording.channels, recording.duration_s) == (1200, 6, 1.2)


@pytest.mark.parametrize(
    ("channels", "samples", "said"),
    [(0, 100, "holds nothing"), (3, 0, "holds nothing"), (1200, 6, "transposed"), (6, 999, "lasts 1.00 s")],
)
def test_emg_that_is_good_for_nothing_is_refused(channels, samples, said):
    with pytest.raises(RecordingError, match=said):
        check_size(Path("x.h5"), channels, samples, 1000.0)
    check_size(Path("x.h5"), 6, 1000, 1000.0)


def test_more_than_memory_holds_is_refused():
    with pytest.raises(RecordingError, match="more than the 8 GiB read at once"):
        check_size(Path("x.h5"), 64, 1 << 26, 2048.0)


def test_only_so_many_bad_channels_are_named():
    emg = np.zeros((20, 12), np.float32)
    refuse_not_finite(emg, Path("x.h5"))
    emg[3, :10] = np.nan
    with pytest.raises(RecordingError, match=r"10 values .* channel\(s\) 0, 1, 2, 3, 4, 5, 6, 7 and 2 more:"):
        refuse_not_finite(emg, Path("x.h5"))


def test_unknown_places_are_one_row_without_two_on_one_electrode():
    geometry = in_a_row(5)
    assert len(set(zip(geometry.row.tolist(), geometry.col.tolist(), strict=True))) == 5
    assert (geometry.grid_rows, geometry.grid_cols) == (5, 1)


def test_what_a_file_says_is_shown_short_on_one_line_without_control_characters():
    assert shown("a\n\tb") == "a b"
    assert shown("\x1b[2J\x07").isprintable()
    assert len(shown("x" * 1000)) == 120


def test_the_bundled_recording_is_good_for_a_demo(excerpt_path):
    assert excerpt_path.samefile(BUNDLED)
    assert excerpt_path.stat().st_size < 5.5e6
    recording = read_recording(excerpt_path)
    assert (recording.channels, recording.fs_hz) == (64, 2048.0)
    assert recording.duration_s > 20
    assert "BSD-3-Clause" in recording.license
    assert sum(len(train) > 100 for train in recording.units.values()) == 5
    rest, plateau = recording.force[:1024].mean(), recording.force[20480:40960].mean()
    assert rest < 3 < 25 < plateau
    assert recording.emg[:1024].std() < recording.emg[20480:40960].std() / 2


def test_the_bundled_recording_is_the_start_of_the_complete_one(excerpt_path, shared_data):
    part, whole = read_recording(excerpt_path), read_recording(shared_data / "vl_trapezoid.h5")
    quattrocento_step_uv = 5e6 / 2**16 / 150
    same = whole.emg[: part.samples]
    assert np.array_equal(np.round(part.emg / quattrocento_step_uv), np.round(same / quattrocento_step_uv))
    assert np.array_equal(part.force, whole.force[: part.samples])
    for unit, train in whole.units.items():
        assert np.array_equal(part.units[unit], train[train < part.samples])
