"""`myodrive decode`, and every bad recording and decoder that may be given to it."""

import io
import json
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.stream.onnx_file import read_onnx
from myodrive.stream.session import onnxruntime
from myodrive.tools.events import read_events
from myodrive.tools.hdf5_reading import read_recording

PREFIX = "myodrive."


@pytest.fixture
def decode(myodrive, muscle_path, decoder_path, tmp_path):
    """Decode the usual recording, or another, to events.tsv."""

    def call(*options, recording=muscle_path, decoder=decoder_path):
        return myodrive(
            "decode", recording, "--decoder", decoder, "-o", tmp_path / "events.tsv", "--overwrite", *options
        )

    return call


def test_the_planted_units_come_back(decode, myodrive, muscle_path, muscle, tmp_path):
    assert decode("--json").json["units"] == len(muscle.units)
    totals = myodrive("score", tmp_path / "events.tsv", muscle_path, "--json").json["totals"]
    assert totals["recovered_roa"] == len(muscle.units)
    assert totals["false"] == 0


@pytest.mark.parametrize("options", [("--hop", "1"), ("--hop", "7"), ("--hop", "4096"), ("--whitening", "staged")])
def test_the_events_are_the_same_whatever_the_way(decode, tmp_path, options):
    assert decode().code == 0
    usual = (tmp_path / "events.tsv").read_text()
    assert decode(*options).code == 0
    assert (tmp_path / "events.tsv").read_text() == usual


def test_json_counts_what_the_file_lists(decode, tmp_path):
    told = decode("--json").json
    found = read_events(tmp_path / "events.tsv").units
    assert told["discharges"] == {str(unit): len(train) for unit, train in found.items()}
    assert told["spikes"] == sum(map(len, found.values()))
    assert told["output"] == str(tmp_path / "events.tsv")
    assert told["provider"] == "CPUExecutionProvider"


def test_events_are_ordered_by_sample(decode, tmp_path):
    assert decode().code == 0
    rows = [line.split("\t") for line in (tmp_path / "events.tsv").read_text().splitlines()]
    sample = [int(row[rows[0].index("sample")]) for row in rows[1:]]
    assert sample == sorted(sample)


def test_without_json_nothing_stands_on_stdout(decode):
    said = decode()
    assert said.out == ""
    assert "discharges of 4 units" in said.err


@pytest.mark.parametrize("hop", ["0", "-1", "99999"])
def test_a_hop_out_of_range_is_refused(decode, tmp_path, hop):
    assert decode("--hop", hop).refused(hop, "4096")
    assert list(tmp_path.iterdir()) == []


def test_cuda_is_refused_where_there_is_none(decode, tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert decode("--provider", "cuda").refused("without CUDA", "provider cpu")
    assert list(tmp_path.iterdir()) == []


# recordings


def without(name):
    def change(file):
        del file[name]

    return change


def with_attribute(name, value):
    def change(file):
        file.attrs[name] = value

    return change


def without_attribute(name):
    def change(file):
        del file.attrs[name]

    return change


def reshaped(shape):
    def change(file):
        del file["emg"]
        file["emg"] = np.zeros(shape, np.float32)

    return change


def poisoned(file):
    file["emg"][3, 500] = np.nan


def words(file):
    del file["emg"]
    file["emg"] = np.full((24, 4096), b"text")


BAD_RECORDINGS = {
    "without emg": (without("emg"), "emg"),
    "without a rate": (without_attribute("fs_hz"), "fs_hz"),
    "a rate of 0": (with_attribute("fs_hz", 0.0), "fs_hz"),
    "a rate in words": (with_attribute("fs_hz", "fast"), "fs_hz"),
    "with NaN": (poisoned, "not finite"),
    "one dimension": (reshaped((4096,)), "dimension"),
    "three dimensions": (reshaped((2, 12, 4096)), "dimension"),
    "no sample": (reshaped((24, 0)), "holds nothing"),
    "transposed": (reshaped((4096, 24)), "transposed"),
    "too short": (reshaped((24, 100)), "lasts"),
    "text as samples": (words, "float32"),
    "another montage": (with_attribute("montage", "bipolar"), "montage"),
    "places of other channels": (reshaped((23, 4096)), "row"),
}


@pytest.fixture(params=["calibrate", "decode", "play"])
def use(request, myodrive, decoder_path, tmp_path, unique):
    """Give a recording to a command that reads one; nothing may be left behind."""

    def call(recording):
        before = sorted(tmp_path.iterdir())
        if request.param == "calibrate":
            said = myodrive("calibrate", recording, "-o", tmp_path / "d.onnx")
        elif request.param == "decode":
            said = myodrive("decode", recording, "--decoder", decoder_path, "-o", tmp_path / "e.tsv")
        else:
            said = myodrive("play", recording, "--name", unique, "--source-id", unique, "--seconds", "0.1")
        assert sorted(tmp_path.iterdir()) == before
        return said

    return call


@pytest.mark.parametrize(("change", "word"), BAD_RECORDINGS.values(), ids=BAD_RECORDINGS)
def test_a_bad_recording_is_refused(use, changed, change, word):
    path = changed(change)
    assert use(path).refused(str(path), word)


def test_what_is_no_recording_is_refused(use, muscle_path, tmp_path):
    whole = muscle_path.read_bytes()
    files = {"text.h5": b"1,2,3\n", "empty.h5": b"", "cut.h5": whole[: len(whole) // 2], "head.h5": whole[:40]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert use(tmp_path / name).refused(name, "cannot be read")
    assert use(tmp_path).refused("is a folder")
    assert use(tmp_path / "missing.h5").refused("missing.h5", "check the path")


# decoders


def with_metadata(raw, **fields):
    """The same file with other metadata."""
    model = read_onnx(raw, "decoder")
    shapes = {name: tuple(shape) for name, shape in {**model.inputs, **model.outputs}.items()}
    metadata = {**model.metadata, **{PREFIX + key: json.dumps(value) for key, value in fields.items()}}
    return model.with_changes({}, metadata, shapes)


def foreign(raw):
    model = read_onnx(raw, "decoder")
    shapes = {name: tuple(shape) for name, shape in {**model.inputs, **model.outputs}.items()}
    return model.with_changes({}, {"producer": "somebody"}, shapes)


def archive(raw):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", "x")
    return file.getvalue()


def hdf5(raw):
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5["emg"] = np.zeros(3)
    return file.getvalue()


BAD_DECODERS = {
    "empty": (lambda raw: b"", "an empty file"),
    "text": (lambda raw: b"not a decoder\n", "a text file"),
    "zip": (archive, "a zip archive"),
    "HDF5": (hdf5, "an HDF5 file"),
    "cut off": (lambda raw: raw[: len(raw) // 2], "decoder"),
    "cut off at the end": (lambda raw: raw[:-1], "decoder"),
    "noise": (lambda raw: np.random.default_rng(1).bytes(4096), "decoder"),
    "of another program": (foreign, "another program"),
    "of a later schema": (lambda raw: with_metadata(raw, schema=99), "schema 99"),
    "no rate": (lambda raw: with_metadata(raw, fs_hz="fast"), "metadata"),
    "no units": (lambda raw: with_metadata(raw, units=[]), "graph"),
}


@pytest.mark.parametrize(("spoil", "word"), BAD_DECODERS.values(), ids=BAD_DECODERS)
def test_a_bad_decoder_is_refused_by_decode_and_run(decode, myodrive, decoder_path, tmp_path, unique, spoil, word):
    path = tmp_path / "spoilt.onnx"
    path.write_bytes(spoil(decoder_path.read_bytes()))
    assert decode(decoder=path).refused("spoilt.onnx")
    said = myodrive("run", "--stream", unique, "--decoder", path, "--wait", "1")
    assert said.refused("spoilt.onnx")
    assert word in said.err or word == "graph"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("where", ["missing.onnx", "."])
def test_a_decoder_that_is_not_there_is_refused(decode, tmp_path, where):
    assert decode(decoder=tmp_path / where).refused("no decoder")


# decoder and recording


def test_a_decoder_of_another_recording_is_refused(decode, recording_like, muscle):
    slower = recording_like(fs_hz=2000.0)
    assert decode(recording=slower).refused("2048 Hz", "2000 Hz")
    turned = recording_like(geometry=replace(muscle.geometry, row=muscle.geometry.row[::-1].copy()))
    assert decode(recording=turned).refused("different electrodes")
    fewer = recording_like(emg=muscle.emg[:, :20], geometry=muscle.geometry.select(np.arange(20)))
    assert decode(recording=fewer).refused("channel 23", "20")
    differential = recording_like(montage="single-differential")
    assert decode(recording=differential).refused("monopolar", "single-differential")


def test_a_place_that_cannot_be_written_is_refused(myodrive, muscle_path, decoder_path, tmp_path):
    for where, word in ((tmp_path / "no" / "e.tsv", "no folder"), (tmp_path, "is a folder")):
        assert myodrive("decode", muscle_path, "--decoder", decoder_path, "-o", where).refused(str(where), word)
    assert list(tmp_path.iterdir()) == []


def test_only_the_channels_of_the_decoder_must_be_numbers(decode, myodrive, changed, decoder_path, tmp_path):
    path = changed(poisoned)
    out = tmp_path / "d.onnx"
    assert myodrive("calibrate", path, "-o", out, "--bad", "3").code == 0
    assert decode(recording=path, decoder=out).code == 0
    assert decode(recording=path, decoder=decoder_path).refused("channel(s) 3")


def test_the_recording_and_the_decoder_were_made_for_each_other(muscle_path, decoder_path):
    assert read_recording(muscle_path).fs_hz == read_decoder(decoder_path).info.fs_hz
