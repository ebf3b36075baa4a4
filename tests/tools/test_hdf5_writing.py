"""Recordings as our HDF5: what is written is what is read, and a write that fails changes nothing."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.hdf5_writing import write_recording
from myodrive.tools.recording import Recording

from .small_recording import FS_HZ, small_recording


@pytest.fixture
def path(tmp_path):
    """A good recording file."""
    write_recording(tmp_path / "good.h5", small_recording())
    return tmp_path / "good.h5"


def assert_same(read, written):
    assert np.array_equal(read.emg, written.emg)
    assert np.array_equal(read.force, written.force)
    assert np.array_equal(read.muaps, written.muaps)
    for name in ("row", "col"):
        assert np.array_equal(getattr(read.geometry, name), getattr(written.geometry, name))
    for name in ("ied_mm", "grid_rows", "grid_cols"):
        assert getattr(read.geometry, name) == getattr(written.geometry, name)
    for name in (
        "fs_hz",
        "muscle",
        "source",
        "license",
        "montage",
        "force_unit",
        "labels",
        "unit_attributes",
        "in_stream",
    ):
        assert getattr(read, name) == getattr(written, name)
    assert (read.in_stream, read.marks) == (written.in_stream, written.marks)
    assert list(read.units) == sorted(written.units)
    assert all(np.array_equal(read.units[unit], train) for unit, train in written.units.items())


def test_what_is_written_is_read(path):
    assert_same(read_recording(path), small_recording())


@settings(deadline=None, max_examples=15)
@given(st.integers(1000, 3000), st.integers(1, 40), st.integers(0, 99))
def test_any_size_is_read_as_written(tmp_path_factory, samples, channels, seed):
    path = tmp_path_factory.mktemp("sizes") / "x.h5"
    written = small_recording(samples, channels, seed)
    written = replace(written, units={})
    write_recording(path, replace(written, unit_attributes={}))
    assert_same(read_recording(path), replace(written, unit_attributes={}))


def test_memory_holds_one_sample_of_all_channels_together(path):
    recording = read_recording(path)
    assert recording.emg.shape == (1200, 6)
    assert recording.emg.dtype == np.float32
    assert recording.emg.flags.c_contiguous
    with h5py.File(path) as file:
        assert file["emg"].shape == (6, 1200)
        assert file["emg"].dtype == np.float32


def test_nothing_optional_is_made_up(tmp_path):
    bare = Recording(small_recording().emg, FS_HZ, small_recording().geometry)
    write_recording(tmp_path / "bare.h5", bare)
    read = read_recording(tmp_path / "bare.h5")
    assert read.force is None
    assert read.labels is None
    assert read.muaps is None
    assert read.units == {}
    assert read.montage == "monopolar"


def test_rounding_stays_within_half_a_step(tmp_path):
    write_recording(tmp_path / "rounded.h5", small_recording(), step_uv=0.5)
    read = read_recording(tmp_path / "rounded.h5")
    assert np.abs(read.emg - small_recording().emg).max() <= 0.25
    assert np.array_equal(read.emg * 2, np.round(read.emg * 2))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def disk_full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.File, "create_dataset", disk_full)
    with pytest.raises(RecordingError, match="No space left"):
        write_recording(path, small_recording(seed=1))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["good.h5"]


@pytest.mark.parametrize("target", ["missing/x.h5", "."])
def test_a_place_that_cannot_be_written_is_said(tmp_path, target):
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(tmp_path / target, small_recording())
