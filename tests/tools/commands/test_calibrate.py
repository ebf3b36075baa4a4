"""`myodrive calibrate`: what it writes, what it leaves alone, what it refuses."""

import hashlib

import h5py
import msgspec
import numpy as np
import pylsl
import pytest

from myodrive.stream.decoder_file import read_decoder
from myodrive.tools import calibration_source
from myodrive.tools.calibration_source import from_file
from myodrive.tools.recording import InStream

LABELS = tuple(f"E{c}" for c in range(24))


def test_json_tells_the_units_that_the_file_holds(calibrated):
    path, told = calibrated
    decoder = read_decoder(path)
    assert told["decoder"] == path.name  # as it was asked for, in the folder that it lies in
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() == decoder.sha256
    assert [unit["unit"] for unit in told["units"]] == [unit.id for unit in decoder.info.units]
    assert [unit["threshold"] for unit in told["units"]] == [unit.threshold for unit in decoder.info.units]
    assert told["left_out"] == {}


def test_every_planted_unit_is_found(calibrated, muscle):
    assert len(calibrated[1]["units"]) == len(muscle.units)


def test_the_same_file_and_seed_give_the_same_decoder(myodrive, calibrated, muscle_path, tmp_path):
    said = myodrive("calibrate", muscle_path, "-o", tmp_path / "again.onnx", "--seed", 0, "--json")
    assert said.code == 0
    assert said.json["sha256"] == calibrated[1]["sha256"]


def test_the_decoder_says_what_it_was_made_of(calibrated, muscle_path, muscle):
    info = read_decoder(calibrated[0]).info
    assert info.source_sha256 == hashlib.sha256(muscle_path.read_bytes()).hexdigest()
    assert info.fs_hz == muscle.fs_hz
    assert info.channels.index == list(range(muscle.channels))
    assert info.channels.row == muscle.geometry.row.tolist()
    assert info.created_by["source"] == str(muscle_path)
    assert info.created_by["seed"] == 0


def test_bad_channels_are_not_decoded(myodrive, muscle_path, recording_like, muscle, tmp_path):
    emg = muscle.emg.copy()
    emg[:, 7] = 12.0  # flat
    emg[1000:1010, 2] = np.nan  # named
    out = tmp_path / "d.onnx"
    said = myodrive("calibrate", recording_like(emg=emg), "-o", out, "--bad", "2", "--end", "5", "--json")
    assert said.code == 0, said.err
    assert said.json["left_out"] == {"2": "named as bad", "7": "flat"}
    channels = read_decoder(out).info.channels
    assert channels.index == [c for c in range(24) if c not in (2, 7)]
    assert channels.bad == [2, 7]
    assert channels.row == muscle.geometry.row[channels.index].tolist()


def test_a_recording_without_places_takes_them_from_the_grid_and_can_be_decoded(myodrive, changed, tmp_path):
    def strip(file):
        del file["row"], file["col"]

    path, grid = changed(strip), tmp_path / "grid.csv"
    grid.write_text("# ied_mm = 5\nchannel,row,col\n" + "".join(f"{c},{c // 3},{c % 3}\n" for c in range(24)))
    out = tmp_path / "d.onnx"
    assert myodrive("calibrate", path, "-o", out).refused("row", "--grid")
    said = myodrive("calibrate", path, "-o", out, "--grid", grid, "--end", "5", "--json")
    assert said.code == 0, said.err
    assert read_decoder(out).info.channels.ied_mm == 5.0
    assert myodrive("decode", path, "--decoder", out, "-o", tmp_path / "e.tsv").code == 0


def test_some_channels_of_a_stream_are_named_as_the_stream_has_them(
    myodrive, recording_like, muscle, decoder_path, muscle_path, tmp_path
):
    path = recording_like(in_stream=InStream(tuple(range(10, 34)), 40))
    said = myodrive("calibrate", path, "-o", tmp_path / "d.onnx", "--bad", "13", "--json")
    assert said.json["left_out"] == {"13": "named as bad"}
    channels = read_decoder(tmp_path / "d.onnx").info.channels
    assert channels.index == [c for c in range(10, 34) if c != 13]
    assert channels.stream_channels == 40
    assert myodrive("decode", path, "--decoder", tmp_path / "d.onnx", "-o", tmp_path / "e.tsv").code == 0
    score = myodrive("score", tmp_path / "e.tsv", muscle_path, "--json").json["totals"]
    assert score["recovered_roa"] == len(muscle.units)  # the very channels, or nothing would be found
    assert myodrive("calibrate", path, "-o", tmp_path / "n.onnx", "--channels", "0-9").refused(
        "channel 9", "which has 24 (named as in their stream)"
    )
    assert myodrive("decode", path, "--decoder", decoder_path, "-o", tmp_path / "n.tsv").refused(
        "channel 9", "only 24 of its stream"
    )
    source = from_file(str(path), [12, 30], None)
    np.testing.assert_array_equal(source.emg, muscle.emg[:, [2, 20]])
    assert source.index == [12, 30]


def test_channels_pick_their_labels_and_places(recording_like, muscle):
    source = from_file(str(recording_like(labels=LABELS)), [3, 1, 20], None, 1.0, 3.0)
    assert source.labels == ["E3", "E1", "E20"]
    assert source.index == [3, 1, 20]
    assert source.stream_channels == 24
    np.testing.assert_array_equal(source.geometry.row, muscle.geometry.row[[3, 1, 20]])
    np.testing.assert_array_equal(source.emg, muscle.emg[2048:6144, [3, 1, 20]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--channels", "20-30"), ("channel 30", "24", "--channels")),
        (("--channels", "0-5", "--bad", "7"), ("channel 7", "--bad")),
        (("--channels", "0-2"), ("3 of 3 channels", "4 needed")),
        (("--bad", "0-21"), ("2 of 24 channels", "4 needed")),
        (("--grid", "GR08MM1305"), ("64 electrodes", "24 channels")),
        (("--grid", "NOGRID"), ("NOGRID", "GR08MM1305")),
        (("--start", "5", "--end", "2"), ("5 s", "2 s")),
        (("--start", "100"), ("100 s",)),
        (("--start", "nan"), ("nan",)),
        (("--start", "-2"), ("-2 s",)),
        (("--end", "2"), ("2.0 s long",)),
        (("--start", "8.95", "--end", "inf"), ("0.0 s long",)),
    ],
    ids=lambda value: " ".join(value),
)
def test_options_that_do_not_fit_the_recording_are_refused(myodrive, muscle_path, tmp_path, arguments, words):
    said = myodrive("calibrate", muscle_path, "-o", tmp_path / "d.onnx", *arguments)
    assert said.refused(*words)
    assert list(tmp_path.iterdir()) == []


def test_noise_gives_no_decoder(myodrive, recording_like, muscle, rng, tmp_path):
    noise = rng.normal(0.0, 10.0, muscle.emg.shape).astype(np.float32)
    path = recording_like(emg=noise)
    assert myodrive("calibrate", path, "-o", tmp_path / "d.onnx").refused("no motor unit")
    assert not (tmp_path / "d.onnx").exists()


@pytest.mark.parametrize("value", [0.0, 1e30])
def test_a_recording_that_cannot_hold_units_gives_no_decoder(myodrive, recording_like, muscle, tmp_path, value):
    path = recording_like(emg=np.full_like(muscle.emg, value))
    assert myodrive("calibrate", path, "-o", tmp_path / "d.onnx").refused("channels are usable")


def test_a_place_that_cannot_be_written_is_refused_before_the_work(myodrive, muscle_path, tmp_path, monkeypatch):
    from myodrive.tools.commands import calibrate

    monkeypatch.setattr(calibrate, "calibrate", lambda *_: pytest.fail("it calibrated first"))
    assert myodrive("calibrate", muscle_path, "-o", tmp_path / "no" / "d.onnx").refused("no folder")
    assert myodrive("calibrate", muscle_path, "-o", tmp_path).refused("is a folder")
    assert myodrive("calibrate", muscle_path, "-o", "").refused("give a file name")


def test_a_failed_calibration_leaves_the_old_decoder_alone(myodrive, decoder_path, muscle_path, tmp_path):
    kept = tmp_path / "d.onnx"
    kept.write_bytes(decoder_path.read_bytes())
    assert myodrive("calibrate", muscle_path, "-o", kept, "--end", "2").refused()
    assert kept.read_bytes() == decoder_path.read_bytes()
    assert list(tmp_path.iterdir()) == [kept]


def test_a_stream_that_never_appears_is_refused(myodrive, unique, tmp_path, monkeypatch):
    monkeypatch.setattr("myodrive.tools.calibration_source.describe_stream.__defaults__", (0.5,))
    assert myodrive("calibrate", "--stream", unique, "-o", tmp_path / "d.onnx").refused(unique, "LSL")


def test_a_wrong_name_is_told_the_streams_that_are_there(myodrive, unique, tmp_path, monkeypatch):
    out = outlet(unique)
    monkeypatch.setattr("myodrive.tools.calibration_source.describe_stream.__defaults__", (2.5,))
    said = myodrive("calibrate", "--stream", unique + "x", "-o", tmp_path / "d.onnx")
    assert out
    assert (said.code, said.out) == (1, "")
    assert "still waiting" in said.err
    assert said.err.count(f'"{unique}"') == 2  # at once, and in the end


def test_a_counter_is_for_a_stream(myodrive, muscle_path, tmp_path):
    assert myodrive("calibrate", muscle_path, "-o", tmp_path / "d.onnx", "--counter", "3").refused("--stream")


@pytest.mark.parametrize("seconds", ["0", "-3", "nan", "1e9"])
def test_a_stream_is_not_recorded_for_an_impossible_time(myodrive, unique, tmp_path, seconds):
    said = myodrive("calibrate", "--stream", unique, "--seconds", seconds, "-o", tmp_path / "d.onnx")
    assert said.refused("calibrated on")


def test_too_short_a_recording_is_refused_before_it_is_made(myodrive, unique, tmp_path):
    """There is no such stream, and nobody looks for it."""
    said = myodrive("calibrate", "--stream", unique, "--seconds", "3", "-o", tmp_path / "d.onnx")
    assert said.refused("the recording is 3.0 s long", "at least 4 s")
    assert unique not in said.err


def outlet(name, *, fs_hz=2048.0, form=pylsl.cf_float32, channels=8, source_id=None):
    return pylsl.StreamOutlet(pylsl.StreamInfo(name, "EMG", channels, fs_hz, form, source_id or name))


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ({"form": pylsl.cf_string}, ("not numbers",)),
        ({"fs_hz": 0.0}, ("no regular rate",)),
        ({"channels": 3}, ("channel 7", "has 3")),
        ({}, ("--grid",)),  # it does not say where its electrodes are
    ],
    ids=["strings", "no rate", "too few channels", "no places"],
)
def test_a_stream_that_cannot_be_calibrated_on_is_refused(myodrive, unique, tmp_path, stream, words):
    out = outlet(unique, **stream)
    said = myodrive("calibrate", "--stream", unique, "--channels", "0-7", "-o", tmp_path / "d.onnx")
    assert out
    assert said.refused(*words)


@pytest.mark.parametrize("channels", [(), ("--channels", "0-3")])
def test_a_bad_channel_that_is_none_is_refused_before_anything_is_recorded(
    myodrive, unique, tmp_path, monkeypatch, channels
):
    def record(*arguments):
        raise AssertionError("it was recorded")

    monkeypatch.setattr(calibration_source, "blocks", record)
    out = outlet(unique, channels=4)
    said = myodrive(
        "calibrate", "--stream", unique, *channels, "--grid", "LIN4-05", "--gain", "1", "--bad", "99", "-o",
        tmp_path / "d.onnx",
    )  # fmt: skip
    assert out
    assert said.refused("channel 99 of --bad")


def test_two_streams_of_one_name_are_refused(myodrive, unique, tmp_path):
    both = [outlet(unique, source_id=f"{unique}-{n}", channels=4) for n in range(2)]
    said = myodrive("calibrate", "--stream", unique, "--grid", "LIN4-05", "--gain", "1", "-o", tmp_path / "d.onnx")
    assert both
    assert said.refused("2 streams are named", unique)


def test_the_metadata_is_json(decoder_path):
    from myodrive.stream.onnx_file import read_onnx

    metadata = read_onnx(decoder_path.read_bytes(), "d").metadata
    for key in ("schema", "fs_hz", "channels", "montage", "filter", "extension", "whitening", "units", "command"):
        msgspec.json.decode(metadata[f"myodrive.{key}"])


def test_a_channel_that_is_no_number_is_refused_by_name(myodrive, changed, tmp_path):
    def poison(file: h5py.File):
        file["emg"][5, 100] = np.inf

    path = changed(poison)
    out = tmp_path / "d.onnx"
    assert myodrive("calibrate", path, "-o", out).refused("channel(s) 5", "--bad")
    assert myodrive("calibrate", path, "-o", out, "--channels", "0-4,6-23", "--end", "5").code == 0
