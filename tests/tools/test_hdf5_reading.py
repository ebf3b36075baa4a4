"""Our HDF5 is read whole, and what cannot be used is refused in one sentence."""

import h5py
import numpy as np
import pytest

from myodrive.stream.errors import RecordingError
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.hdf5_writing import write_recording

from .small_recording import small_recording


@pytest.fixture
def path(tmp_path):
    """A good recording file, to be spoilt."""
    write_recording(tmp_path / "good.h5", small_recording())
    return tmp_path / "good.h5"


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


@pytest.mark.parametrize("name", ["vl_trapezoid.h5", "hybrid_ta.h5"])
def test_shared_recordings_are_read_whole(shared_data, name):
    recording = read_recording(shared_data / name)
    with h5py.File(shared_data / name) as file:
        assert recording.emg.shape == file["emg"].shape[::-1]
        assert len(recording.units) == len(file["units"])
        assert (recording.muaps is not None) == ("muaps" in file)
