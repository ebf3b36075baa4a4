"""Files that were damaged or made up: one sentence, bounded memory, nothing executed, no other file touched."""

import os
import subprocess
import sys
import time
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.tools import recording_reader
from myodrive.tools.damage import FAULTS, damaged
from myodrive.tools.formats.reading import read_any
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.hostile_files import READERS, outcome, resident_bytes
from myodrive.tools.parameters import SHIPPED
from myodrive.tools.recording import LARGEST_BYTES
from myodrive.tools.recording_reader import read_apart
from myodrive.tools.synthetic_decoder import synthetic_decoder
from myodrive.tools.synthetic_session import synthetic_session

LIMITED = 1 << 29  # bytes that refusing a file may take at most


@pytest.fixture(scope="module")
def whole(tmp_path_factory, muscle_path):
    """A good file of every kind."""
    decoder = tmp_path_factory.mktemp("decoder") / "small.onnx"
    synthetic_decoder(decoder, 4, 2, 2048.0, 0)
    session = decoder.with_name("session")
    synthetic_session(session, 4, 2, 1.0, 0)
    return {"decoder": decoder, "parameters": SHIPPED, "recording": muscle_path, "session": session}


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=300), seed=st.integers(0, 2**32 - 1))
def test_damage_is_the_same_for_the_same_seed_and_of_every_size(raw, seed):
    assert damaged(raw, np.random.default_rng(seed)) == damaged(raw, np.random.default_rng(seed))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_damages(fault):
    raw = bytes(range(256)) * 40
    assert any(fault(raw, np.random.default_rng(seed)) != raw for seed in range(5))


@pytest.mark.parametrize(("kind", "copies"), [("decoder", 80), ("parameters", 40), ("recording", 100), ("session", 60)])
def test_damaged_files_are_read_or_refused_in_one_sentence_and_memory_does_not_grow(whole, kind, copies):
    command = [sys.executable, "-m", "myodrive.tools.hostile_files", kind, str(whole[kind]), "0", str(copies)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    *lines, memory = done.stdout.splitlines()
    assert done.returncode == 0, (lines[-1:], done.stderr[-2000:])
    ends = [line.split(" ", 1)[1] for line in lines]
    assert len(ends) == copies
    assert set(ends) <= {"read", "refused"}
    assert "refused" in ends
    settled, final = map(int, memory.split()[1:])
    assert final <= 1.05 * settled + (8 << 20)


def test_what_is_whole_is_read(whole):
    assert {outcome(READERS[kind], path) for kind, path in whole.items()} == {"read"}


# --- recordings that are well formed and lie --------------------------------------------------------------------------


def replaced(name, **how):
    """A change of an open file: another dataset in the place of `name`."""

    def change(file):
        del file[name]
        file.create_dataset(name, **how)

    return change


def linked(name, link):
    def change(file):
        del file[name]
        file[name] = link

    return change


def external(file):
    del file["emg"]
    file.create_dataset("emg", (24, 5000), "u1", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    layout = h5py.VirtualLayout((24, 5000), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "emg", (24, 5000))
    del file["emg"]
    file.create_virtual_dataset("emg", layout)


def bomb(file):
    del file["emg"]
    emg = file.create_dataset("emg", (24, 20_000_000), "f4", chunks=(1, 5_000_000), compression="gzip")
    emg[0, :5_000_000] = 0.0


def inflating(file):
    """A chunk of 125 kB that unpacks to 128 MB, and declares half a megabyte."""
    del file["emg"]
    emg = file.create_dataset("emg", (24, 5000), "f4", chunks=(24, 5000), compression="gzip")
    emg.id.write_direct_chunk((0, 0), zlib.compress(bytes(128 << 20), 9))


def large_text(file):
    file.attrs["montage"] = "mono\npolar\x1b[31m" * 1000


LIES = {
    "emg in a file outside": (external, "another file"),
    "emg put together of other files": (virtual, "another file"),
    "emg by a link to another file": (linked("emg", h5py.ExternalLink("/etc/other.h5", "/emg")), "link"),
    "emg by a link to itself": (linked("emg", h5py.SoftLink("/emg")), "link"),
    "row by a link": (linked("row", h5py.SoftLink("/col")), "link"),
    "a unit by a link to its parent": (lambda file: file.__setitem__("units/77", h5py.SoftLink("/units")), "link"),
    "a huge emg of nothing": (replaced("emg", shape=(64, 2**40), dtype="f4", chunks=(1, 4096)), "GB"),
    "an emg just small enough of nothing": (
        replaced("emg", shape=(8, LARGEST_BYTES // 64), dtype="f4", chunks=(1, 4096)),
        "fill memory",
    ),
    "emg that unpacks a thousandfold": (bomb, "fill memory"),
    "a chunk larger than all": (
        replaced("emg", shape=(24, 5000), maxshape=(24, None), dtype="f4", chunks=(24, 10**8 // 3)),
        "fill memory",
    ),
    "huge places": (replaced("row", shape=(2**50,), dtype="i8", chunks=(4096,)), "GB"),
    "huge force": (lambda file: file.create_dataset("force", (2**50,), "f4", chunks=(4096,)), "GB"),
    "huge waveforms": (lambda file: file.create_dataset("muaps", (2**20, 2**20, 4), "f4", chunks=(1, 1, 4)), "GB"),
    "huge discharges": (lambda file: file.create_dataset("units/88/samples", (2**50,), "i8", chunks=(4096,)), "GB"),
    "objects for emg": (replaced("emg", shape=(24, 5000), dtype=h5py.ref_dtype), "type object"),
    "text for emg": (replaced("emg", shape=(24, 5000), dtype="S3"), "type"),
    "references for labels": (lambda file: file.create_dataset("label", (24,), h5py.ref_dtype), "type object"),
    "records for force": (lambda file: file.create_dataset("force", (18432,), [("a", "f4"), ("b", "i8")]), "type"),
    "waveforms of text": (lambda file: file.create_dataset("muaps", (1, 24, 4), "S2"), "expected numbers"),
    "emg without values": (replaced("emg", dtype="f4", shape=None, data=h5py.Empty("f4")), "without any values"),
    "a rate of infinity": (lambda file: file.attrs.__setitem__("fs_hz", np.inf), "positive"),
    "a rate of a thousand numbers": (lambda file: file.attrs.__setitem__("fs_hz", np.ones(1000)), "positive"),
    "a grid without end": (lambda file: file.attrs.__setitem__("grid_rows", 10**15), "at most"),
    "control characters": (large_text, "montage"),
    "a unit with a name of digits without end": (
        lambda file: file.create_dataset(f"units/{'9' * 5000}/samples", data=[1]),
        "whole number",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_recording_is_refused_in_one_sentence_without_taking_memory(changed, lie):
    change, said = LIES[lie]
    path = changed(change)
    before = resident_bytes(os.getpid())
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    sentence = str(caught.value)
    assert said in sentence
    assert len(sentence) < 600
    assert sentence.isprintable()
    assert resident_bytes(os.getpid()) - before < LIMITED


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory so")
def test_a_chunk_that_unpacks_beyond_what_it_declares_is_bounded_and_refused(changed, monkeypatch):
    path = changed(inflating)
    began = time.monotonic()
    monkeypatch.setattr(recording_reader, "TIME_S", 30.0)
    assert outcome(read_apart, path) in ("read", "refused")  # HDF5 may take what fits and let go of the rest
    assert time.monotonic() - began < 40


# --- in a process of its own ------------------------------------------------------------------------------------------


def test_read_apart_gives_what_reading_here_gives(muscle_path):
    apart, here = read_apart(muscle_path), read_recording(muscle_path)
    assert apart.emg.dtype == here.emg.dtype
    assert apart.emg.tobytes() == here.emg.tobytes()
    assert apart.emg.shape == here.emg.shape
    assert apart.geometry.row.tolist() == here.geometry.row.tolist()
    assert {unit: train.tolist() for unit, train in apart.units.items()} == {
        unit: train.tolist() for unit, train in here.units.items()
    }
    for name in ("fs_hz", "muscle", "montage", "labels", "force", "muaps", "unit_attributes", "path"):
        assert getattr(apart, name) == getattr(here, name), name


def test_read_apart_refuses_with_the_same_sentence(changed, tmp_path):
    for path in (changed(lambda file: file.attrs.__delitem__("fs_hz")), tmp_path, tmp_path / "none.h5"):
        with pytest.raises(RecordingError) as here:
            read_any(path)
        with pytest.raises(RecordingError) as apart:
            read_apart(path)
        assert str(apart.value) == str(here.value)


def test_a_reader_that_never_ends_is_stopped(muscle_path, monkeypatch):
    monkeypatch.setattr(recording_reader, "TIME_S", -100.0)  # no time at all stands in for no end
    with pytest.raises(RecordingError, match="busy"):
        read_apart(muscle_path)


def test_a_reader_that_dies_is_told_in_one_sentence(muscle_path, monkeypatch):
    monkeypatch.setattr(recording_reader, "__name__", "myodrive.tools.no_such_module")
    with pytest.raises(RecordingError, match="crash"):
        read_apart(muscle_path)


def test_modules_beside_the_user_are_not_run(muscle_path, tmp_path, monkeypatch):
    (tmp_path / "h5py.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    assert read_apart(muscle_path).channels == 24
