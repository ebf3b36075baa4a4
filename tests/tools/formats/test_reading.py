"""Told by content, and hostile or damaged files of every kind: one sentence, bounded, nothing executed."""

import gzip
import json
import sys
import time
import zlib

import numpy as np
import pytest
import scipy.io

from myodrive.stream.errors import RecordingError
from myodrive.tools import recording_reader
from myodrive.tools.damage import damaged
from myodrive.tools.formats.bids import write_bids
from myodrive.tools.formats.muedit import write_muedit
from myodrive.tools.formats.openhdemg import write_openhdemg
from myodrive.tools.formats.reading import kind_of, read_any
from myodrive.tools.formats.table import write_npz
from myodrive.tools.formats.wanted import Wanted
from myodrive.tools.hdf5_writing import write_recording
from myodrive.tools.hostile_files import outcome
from myodrive.tools.recording_reader import read_apart

from .made_files import edf_of, make_recording, otb4, otb_plus, same, tar_of, xdf_of
from .test_muedit import emg_of, version_7_3
from .test_otb import GR08, TRACK, counts

SEEDS = 60
LONGEST_S = 40.0  # of one damaged copy: they take milliseconds, HDF5 at most until it is stopped


def made(kind, folder):
    """A file of a kind, named so that its name says nothing."""
    path, recording = folder / "file.bin", make_recording()
    if kind == "BDF":
        write_bids(folder / "set", recording)
        path.write_bytes(next((folder / "set").rglob("*.bdf")).read_bytes())
    elif kind == "EDF":
        path.write_bytes(edf_of([np.arange(1500).reshape(3, 500)] * 4, 3))
    elif kind == "XDF":
        path.write_bytes(xdf_of(recording.emg))
    elif kind == "XDF, compressed":
        path.write_bytes(gzip.compress(xdf_of(recording.emg)))
    elif kind == "OTB+":
        path.write_bytes(otb_plus(counts(64), [GR08]))
    elif kind == "OTB4":
        path.write_bytes(otb4({"a.sig": counts(64).astype("<i2").tobytes()}, [TRACK]))
    elif kind == "MATLAB 7.3":
        version_7_3(path, emg_of(64))
    elif kind == "table":
        np.savetxt(path, recording.emg, delimiter=",")
    else:
        writers = {"openhdemg": write_openhdemg, "MATLAB 5": write_muedit, "NumPy": write_npz, "ours": write_recording}
        writers[kind](path, recording)
    return path


KINDS = (
    "ours", "XDF", "XDF, compressed", "OTB+", "OTB4", "MATLAB 5", "MATLAB 7.3", "openhdemg", "BDF", "EDF", "NumPy",
    "table",
)  # fmt: skip
STATED = Wanted(allow_nan=True, need_places=False, fs_hz=512.0, unit="uV")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_told_by_its_content(tmp_path, kind):
    path = made(kind, tmp_path)
    told = {"ours": "", "OTB+": "OTB", "OTB4": "OTB", "XDF, compressed": "XDF"}.get(kind, kind)
    assert kind_of(path) == told
    assert read_any(path, STATED).emg.size


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(tmp_path, kind):
    path = made(kind, tmp_path)
    whole = path.read_bytes()
    copy = tmp_path / "copy.bin"
    hdf5 = kind in ("ours", "MATLAB 7.3")  # which may never end on such a file, and is left to the process of its own
    read, copies = (read_apart, SEEDS // 10) if hdf5 else (read_any, SEEDS)
    for seed in range(copies):
        copy.write_bytes(damaged(whole, np.random.default_rng(seed)))
        began = time.monotonic()
        assert outcome(lambda found: read(found, wanted=STATED), copy) in ("read", "refused"), seed
        assert time.monotonic() - began < LONGEST_S, seed


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "table"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, kind):
    path = made(kind, tmp_path)
    whole = path.read_bytes()
    for share in (0.02, 0.5, 0.95):
        path.write_bytes(whole[: int(share * len(whole))])
        assert outcome(lambda found: read_any(found, STATED), path) == "refused", share


@pytest.mark.parametrize("kind", KINDS)
def test_reading_apart_gives_the_same(tmp_path, kind):
    path = made(kind, tmp_path)
    here, apart = read_any(path, STATED), read_apart(path, wanted=STATED)
    assert same(here, apart)
    assert (here.places_known, here.notes, here.source) == (apart.places_known, apart.notes, apart.source)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 600, b"hello", b"\x89PNG\r\n\x1a\n" + bytes(900), b"{", b"PK\x03\x04"]
)
def test_a_file_of_no_known_format_is_refused(tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    assert outcome(read_any, tmp_path / "a.bin") == "refused"


def test_a_text_is_told_what_is_known(tmp_path):
    (tmp_path / "notes.md").write_text("# A heading\n\nand words\n")
    with pytest.raises(RecordingError, match=r"no format that is known.*XDF.*OTB4"):
        read_any(tmp_path / "notes.md")


def test_a_compressed_archive_is_told_to_be_unpacked(tmp_path):
    (tmp_path / "a.otb+").write_bytes(gzip.compress(tar_of({"a.sig": b"x"})))
    with pytest.raises(RecordingError, match="gunzip"):
        read_any(tmp_path / "a.otb+")


# --- made to fill memory ----------------------------------------------------------------------------------------------


def gzip_of(head, zeros):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(head)] + [packer.compress(b"0" * (1 << 20)) for _ in range(zeros)]
    return b"".join([*parts, packer.flush()])


def matlab_bomb(path):
    """A variable that unpacks to 120 MB of zeros."""
    packed = zlib.compress(bytes(120 << 20), 9)
    path.write_bytes(
        b"MATLAB 5.0 MAT-file".ljust(124)
        + b"\0\1IM"
        + (15).to_bytes(4, "little")
        + len(packed).to_bytes(4, "little")
        + packed
    )


BOMBS = {
    "openhdemg": lambda path: path.write_bytes(gzip_of(b'{"RAW_SIGNAL": "', 120)),
    "XDF": lambda path: path.write_bytes(gzip_of(b"XDF:", 120)),
    "MATLAB 5": matlab_bomb,
    "OTB+": lambda path: path.write_bytes(
        tar_of({"a.sig": b"x", "a.xml": b"<Device " + b"a='1' " + b">" * 10 + b"<a>" * 200_000})
    ),
    "OTB4": lambda path: path.write_bytes(
        otb4({"a.sig": bytes(1 << 16)}, [TRACK | {"NumberOfChannels": 60_000, "SampleSize": 2}] * 2000)
    ),
    "EDF": lambda path: path.write_bytes(edf_of([np.zeros((1, 500))], 1)[:252] + b"4096" + b" " * 4096 * 256),
    "JSON": lambda path: path.write_text(json.dumps({"RAW_SIGNAL": "[" * 100_000})),
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory so")
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_in_bounded_time_and_memory(tmp_path, kind, monkeypatch):
    path = tmp_path / "bomb.bin"
    BOMBS[kind](path)
    monkeypatch.setattr(recording_reader, "MEMORY", 700 << 20)
    began = time.monotonic()
    assert outcome(lambda found: read_apart(found, wanted=STATED), path) == "refused"
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("kind", ["openhdemg", "XDF", "MATLAB 5"])
def test_what_unpacks_to_a_thousand_times_its_size_is_refused_before_it_is_held(tmp_path, kind):
    path = tmp_path / "bomb.bin"
    BOMBS[kind](path)
    with pytest.raises(RecordingError, match="fill memory"):
        read_any(path, STATED)


def test_a_matlab_object_is_not_run(tmp_path):
    """What is no number, text, cell or struct is passed over."""
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"signal": {"data": emg_of(4), "fsamp": 512.0, "muscle": 1 + 2j, "source": True}})
    assert read_any(path, STATED).muscle == ""
