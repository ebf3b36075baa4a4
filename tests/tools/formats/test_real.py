"""A real recording through every format that is written, and back."""

import numpy as np
import pytest

from myodrive.tools.formats.bids import rounding_uv
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.writing import writer_for
from myodrive.tools.grids import name_of
from myodrive.tools.hdf5_reading import read_recording

from .made_files import same


@pytest.mark.parametrize("suffix", [".h5", ".json", ".mat", ".npz", ""])
def test_the_bundled_recording_comes_back(excerpt_path, tmp_path, suffix):
    real = read_recording(excerpt_path)
    path = tmp_path / f"there{suffix}"
    written = writer_for(path, "01", "trapezoid")(real)
    back = read_any(path)
    assert same(real, back, emg=suffix != "")
    assert back.source == real.source
    bound = np.array([rounding_uv(channel) for channel in real.emg.T]) if suffix == "" else np.zeros(64)
    assert (np.abs(real.emg - back.emg).max(axis=0) <= bound).all()
    assert written.rounding_uv == bound.max()
    assert np.allclose(real.force, back.force, atol=1e-5 if suffix == "" else 0)


def test_the_bundled_recording_is_known_by_its_grid(excerpt_path):
    assert name_of(read_recording(excerpt_path).geometry) == "GR08MM1305"
