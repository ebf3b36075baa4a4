"""Of an HDF5 file nothing is taken that lies elsewhere, fills memory, or is of another kind than meant."""

import h5py
import numpy as np
import pytest

from myodrive.stream.errors import RecordingError
from myodrive.tools.hdf5_fields import dataset, needed_dataset, positive, text, texts
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.hdf5_writing import write_recording

from .small_recording import small_recording


@pytest.fixture
def path(tmp_path):
    """A good recording file."""
    write_recording(tmp_path / "good.h5", small_recording())
    return tmp_path / "good.h5"


@pytest.fixture
def file(path):
    """The same, open to be changed."""
    with h5py.File(path, "r+") as file:
        yield file


def test_a_declared_size_is_refused_before_memory_is_taken(path):
    with h5py.File(path, "r+") as file:
        del file["emg"]
        file.create_dataset("emg", shape=(6, 1 << 40), dtype=np.float32, chunks=(1, 1 << 16), compression="gzip")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(RecordingError, match="declares 26388 GB"):
        read_recording(path)


def test_what_is_not_there_is_none_unless_it_is_needed(file, path):
    assert dataset(file, "nothing", path) is None
    with pytest.raises(RecordingError, match=r'no "nothing" \(the lot\)'):
        needed_dataset(file, "nothing", path, "the lot")


@pytest.mark.parametrize("link", [h5py.SoftLink("/emg"), h5py.ExternalLink("other.h5", "/emg")])
def test_a_link_is_not_followed(file, path, link):
    file["linked"] = link
    with pytest.raises(RecordingError, match="linked as a link to elsewhere"):
        dataset(file, "linked", path)


def test_values_kept_in_another_file_are_refused(file, path):
    layout = h5py.VirtualLayout((6, 1200), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "emg", (6, 1200))
    file.create_virtual_dataset("virtual", layout)
    file.create_dataset("outside", (3,), np.float32, external=[("other.bin", 0, 12)])
    for name in ("virtual", "outside"):
        with pytest.raises(RecordingError, match=f"keeps {name} in another file"):
            dataset(file, name, path)


def test_a_text_is_text_however_it_was_stored(file, path):
    file.attrs["muscle"] = np.bytes_("µ".encode())
    assert text(file, "muscle") == "µ"
    assert text(file, "nothing") == ""
    assert texts(file["label"], "label", path, 6, "channels")[5] == "TA µ5"
    with pytest.raises(RecordingError, match="of type float32, expected text"):
        texts(file["force"], "force", path, 1200, "samples")


def test_a_number_must_be_positive(file, path):
    assert positive(file, "fs_hz", path) == 1000.0
    for bad in (0.0, -1.0, np.inf, np.nan, "fast"):
        file.attrs["fs_hz"] = bad
        with pytest.raises(RecordingError, match="expected a positive number"):
            positive(file, "fs_hz", path)
