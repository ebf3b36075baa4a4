"""Recordings: what is written is what is read, and what cannot be used is refused in one sentence."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.stream.geometry import Geometry
from myodrive.tools.events import Mark
from myodrive.tools.recording import BUNDLED, InStream, Recording, read_recording, write_recording

FS_HZ = 1000.0


def small(samples=1200, channels=6, seed=0):
    """A recording with everything a file can hold."""
    rng = np.random.default_rng(seed)
    row, col = np.divmod(np.arange(channels), 2)
    return Recording(
        emg=rng.normal(0, 50, (samples, channels)).astype(np.float32),
        fs_hz=FS_HZ,
        geometry=Geometry(row, col, 8.0, (channels + 1) // 2, 2),
        muscle="tibialis anterior",
        source="made up",
        license="CC0",
        montage="single-differential",
        force=rng.normal(size=samples).astype(np.float32),
        force_unit="%MVC",
        labels=tuple(f"TA µ{k}" for k in range(channels)),
        units={0: np.array([3, 77, 1199]), 12: np.array([5]), 2: np.array([], dtype=np.int64)},
        unit_attributes={12: {"cv_m_s": 4.25, "by": "simulator"}},
        muaps=rng.normal(size=(3, channels, 40)).astype(np.float32),
        in_stream=InStream(tuple(range(10, 10 + channels)), 200),
        marks=(Mark(-3, "µ"), Mark(700, "")),
    )


@pytest.fixture
def path(tmp_path):
    """A good recording file, to be spoilt."""
    write_recording(tmp_path / "good.h5", small())
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
    assert_same(read_recording(path), small())


@settings(deadline=None, max_examples=15)
@given(st.integers(1000, 3000), st.integers(1, 40), st.integers(0, 99))
def test_any_size_is_read_as_written(tmp_path_factory, samples, channels, seed):
    path = tmp_path_factory.mktemp("sizes") / "x.h5"
    written = small(samples, channels, seed)
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
    bare = Recording(small().emg, FS_HZ, small().geometry)
    write_recording(tmp_path / "bare.h5", bare)
    read = read_recording(tmp_path / "bare.h5")
    assert read.force is None
    assert read.labels is None
    assert read.muaps is None
    assert read.units == {}
    assert read.montage == "monopolar"


def test_rounding_stays_within_half_a_step(tmp_path):
    write_recording(tmp_path / "rounded.h5", small(), step_uv=0.5)
    read = read_recording(tmp_path / "rounded.h5")
    assert np.abs(read.emg - small().emg).max() <= 0.25
    assert np.array_equal(read.emg * 2, np.round(read.emg * 2))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def disk_full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.File, "create_dataset", disk_full)
    with pytest.raises(RecordingError, match="No space left"):
        write_recording(path, small(seed=1))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["good.h5"]


@pytest.mark.parametrize("target", ["missing/x.h5", "."])
def test_a_place_that_cannot_be_written_is_said(tmp_path, target):
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(tmp_path / target, small())


def spoil(path, do):
    with h5py.File(path, "r+") as file:
        do(file)


def swap(name, data):
    def do(file):
        del file[name]
        if data is not None:
            file.create_dataset(name, data=data)

    return do


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


BAD = {
    "no emg": (swap("emg", None), 'no "emg"'),
    "no rate": (lambda file: file.attrs.__delitem__("fs_hz"), 'no attribute "fs_hz"'),
    "rate zero": (attribute("fs_hz", 0.0), "fs_hz = 0.0"),
    "rate negative": (attribute("fs_hz", -2048.0), "positive number"),
    "rate not finite": (attribute("fs_hz", np.nan), "positive number"),
    "rate a word": (attribute("fs_hz", "fast"), "positive number"),
    "no row": (swap("row", None), 'no "row"'),
    "no col": (swap("col", None), 'no "col"'),
    "row too short": (swap("row", [0, 1]), "each of the 6 channels"),
    "row fractions": (swap("row", np.zeros(6)), "whole number"),
    "row negative": (swap("row", [-1, 0, 1, 2, 3, 4]), "negative"),
    "two on one": (swap("row", [0] * 6), "two channels on one electrode"),
    "beyond the grid": (attribute("grid_rows", 2), "grid_rows = 2"),
    "spacing zero": (attribute("ied_mm", 0.0), "ied_mm"),
    "one dimension": (swap("emg", np.zeros(5000, np.float32)), "1 dimension"),
    "three dimensions": (swap("emg", np.zeros((6, 1200, 2), np.float32)), "3 dimension"),
    "transposed": (swap("emg", np.zeros((1200, 6), np.float32)), "transposed"),
    "text": (swap("emg", np.full((6, 1200), b"x")), "expected float32"),
    "empty": (swap("emg", np.zeros((6, 0), np.float32)), "holds nothing"),
    "too short": (swap("emg", np.zeros((6, 900), np.float32)), "lasts 0.90 s"),
    "force length": (swap("force", np.zeros(7)), "force of shape [7]"),
    "label length": (swap("label", [b"a"]), "label of shape [1]"),
    "stream numbers twice": (swap("stream_channel", [0, 1, 2, 3, 4, 4]), "stream_channel"),
    "stream numbers too few": (swap("stream_channel", [0, 1, 2]), "stream_channel"),
    "stream numbers beyond": (attribute("stream_channels", 15), "stream_channels of its stream"),
    "stream numbers of none": (lambda file: file.attrs.__delitem__("stream_channels"), "stream_channels"),
    "stream numbers fractions": (swap("stream_channel", np.zeros(6)), "stream_channel"),
    "stream numbers negative": (swap("stream_channel", [-1, 0, 1, 2, 3, 4]), "stream_channel"),
    "mark fractions": (swap("mark_sample", [0.5, 1.0]), "mark_sample"),
    "mark without label": (swap("mark_label", [b"go"]), "each of the 2 markers"),
    "montage": (attribute("montage", "bipolar-ish"), "bipolar-ish"),
    "unit name": (lambda file: file.create_dataset("units/first/samples", data=[1]), '"first"'),
    "unit outside": (swap("units/0/samples", [5, 1200]), "outside its 1200 samples"),
    "unit fractions": (swap("units/0/samples", [0.5]), "sample numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_content_is_refused_in_one_sentence(path, name):
    do, said = BAD[name]
    spoil(path, do)
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    assert_one_sentence(caught.value, path)
    assert said in str(caught.value)


def assert_one_sentence(error, path):
    text = str(error)
    assert str(path) in text
    assert "\n" not in text
    assert ": " in text.replace(str(path), "")  # what was found: what to do
    assert len(text.replace(str(path), "")) < 250


def test_values_that_are_no_numbers_are_counted_by_channel(path):
    def do(file):
        file["emg"][2, 10:13] = np.nan
        file["emg"][5, 0] = np.inf

    spoil(path, do)
    with pytest.raises(RecordingError, match=r"4 values that are not finite .* channel\(s\) 2, 5:"):
        read_recording(path)
    assert np.isnan(read_recording(path, allow_nan=True).emg[10:13, 2]).all()


def test_a_declared_size_is_refused_before_memory_is_taken(path):
    def do(file):
        del file["emg"]
        file.create_dataset("emg", shape=(6, 1 << 40), dtype=np.float32, chunks=(1, 1 << 16), compression="gzip")

    spoil(path, do)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(RecordingError, match="declares 26388 GB"):
        read_recording(path)


def test_what_is_no_file_or_no_hdf5_is_refused(path, tmp_path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:3000])
    text = tmp_path / "text.h5"
    text.write_text("time,emg\n0,1\n")
    empty = tmp_path / "empty.h5"
    empty.touch()
    expected = {
        tmp_path: "is a folder",
        tmp_path / "none.h5": "no recording at",
        cut: "cut off",
        text: "another format",
    }
    for spoilt, said in (expected | {empty: "another format"}).items():
        with pytest.raises(RecordingError, match=said) as caught:
            read_recording(spoilt)
        assert_one_sentence(caught.value, spoilt)


def test_damaged_values_are_noticed(path):
    """A flipped bit fails the compression's checksum instead of becoming EMG."""
    with h5py.File(path) as file:
        place = file["emg"].id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    raw[place.byte_offset + place.size // 2] ^= 0x10
    path.write_bytes(raw)
    with pytest.raises(RecordingError, match="damaged"):
        read_recording(path)


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


@pytest.mark.parametrize("name", ["vl_trapezoid.h5", "hybrid_ta.h5"])
def test_shared_recordings_are_read_whole(shared_data, name):
    recording = read_recording(shared_data / name)
    with h5py.File(shared_data / name) as file:
        assert recording.emg.shape == file["emg"].shape[::-1]
        assert len(recording.units) == len(file["units"])
        assert (recording.muaps is not None) == ("muaps" in file)
