"""A session whose contraction is recorded and calibrated already."""

import shutil

import numpy as np
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.tools.session.folder import ALL_DECODER, DECODER, RECORDING, TARGET, Chosen, SessionFolder


@pytest.fixture
def calibrated_session(tmp_path, muscle_path, decoder_path):
    """Its folder, as `record` and `calibrate` leave it."""
    folder = SessionFolder(tmp_path / "S01")
    folder.begin(Chosen(subject="S01", stream="emg"))
    shutil.copyfile(muscle_path, folder.path / RECORDING)
    for name in (ALL_DECODER, DECODER):
        shutil.copyfile(decoder_path, folder.path / name)
    time_s = np.arange(0.0, 9.0, 0.05)
    np.savetxt(
        folder.path / TARGET, np.column_stack([time_s, time_s, time_s]), delimiter=",", header="a,b,c", comments=""
    )  # fmt: skip
    folder.finish("record", 1.0, {"index": list(range(24)), "stream_channels": 24}, {})
    folder.finish("calibrate", 1.0, {}, {"sha256": read_decoder(decoder_path).sha256, "units": 4})
    return folder
