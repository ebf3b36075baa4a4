"""`myodrive convert`, and the commands that read a recording on files of other programs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myodrive.tools.events import Mark, read_events, read_marks
from myodrive.tools.formats.reading import read_any
from myodrive.tools.hdf5_reading import read_recording
from myodrive.tools.hdf5_writing import write_recording
from myodrive.tools.recording import InStream

from ..formats.made_files import otb_plus, xdf_channels, xdf_header, xdf_marks, xdf_of, xdf_samples

GRID = "# ied_mm = 8\n# rows = 8\n# cols = 3\nchannel,row,col\n"
SUFFIXES = (".h5", ".json", ".mat", ".npz", "")


@pytest.fixture
def xdf_path(muscle, tmp_path):
    """The recording as LabRecorder would have written it."""
    path = tmp_path / "muscle.xdf"
    stamps = 77.0 + np.arange(muscle.samples) / muscle.fs_hz
    entries = []
    for channel in range(muscle.channels):
        x, z = muscle.geometry.across_mm()[channel], muscle.geometry.along_mm()[channel]
        place = f"<location><X>{x}</X><Y>0</Y><Z>{z}</Z></location>"
        entries.append(f"<channel><label>{channel}</label><type>EMG</type><unit>uV</unit>{place}</channel>")
    desc = f"<channels>{''.join(entries)}</channels>"
    path.write_bytes(xdf_of(muscle.emg, stamps, rate=muscle.fs_hz, desc=desc))
    return path


@pytest.fixture
def otb_path(muscle, tmp_path):
    """The recording as OTBioLab+ would have written it, of a grid that it has no name for."""
    path = tmp_path / "muscle.otb+"
    counts = np.rint(muscle.emg / (5.0 / 2**16 / 150 * 1e6)).astype(np.int64)
    path.write_bytes(otb_plus(counts, [("General", 150, 0, "CUSTOM24", "VL", muscle.channels)]))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_there_and_back_keeps_every_sample_place_unit_and_the_force(myodrive, muscle, tmp_path, suffix):
    """BIDS rounds to 24 bits and says how far; the others keep every bit."""
    force = np.linspace(0, 30, muscle.samples, dtype=np.float32)
    write_recording(tmp_path / "in.h5", replace(muscle, force=force, force_unit="%MVC", license="CC0-1.0"))
    there = tmp_path / f"there{suffix}"
    said = myodrive("convert", tmp_path / "in.h5", there, "--json")
    assert said.code == 0, said.err
    assert (said.json["samples"], said.json["channels"], said.json["units"]) == (muscle.samples, 24, 4)
    back = myodrive("convert", there, tmp_path / "back.h5", "--json")
    assert back.code == 0, back.err
    one, other = read_recording(tmp_path / "in.h5"), read_recording(tmp_path / "back.h5")
    assert np.abs(one.emg - other.emg).max() <= said.json["rounding_uv"]
    assert (said.json["rounding_uv"] == 0) == (suffix != "")
    assert said.json["rounding_uv"] < 1e-3
    assert np.array_equal(one.geometry.row, other.geometry.row)
    assert np.array_equal(one.geometry.col, other.geometry.col)
    assert np.allclose(one.force, other.force, atol=1e-5)
    assert (one.fs_hz, one.force_unit, one.muscle, one.license) == (
        other.fs_hz, other.force_unit, other.muscle, other.license,
    )  # fmt: skip
    assert {unit: train.tolist() for unit, train in one.units.items()} == {
        unit: train.tolist() for unit, train in other.units.items()
    }


def test_it_says_what_came_over(myodrive, muscle_path, tmp_path):
    said = myodrive("convert", muscle_path, tmp_path / "set")
    assert said.code == 0
    assert said.out == ""
    assert "24 channels at 2048 Hz" in said.err
    assert "8x3 electrodes 8 mm apart" in said.err
    assert "no sample differs by more than" in said.err


def test_discharges_alone_become_events(myodrive, muscle, muscle_path, tmp_path):
    assert myodrive("convert", muscle_path, tmp_path / "events.tsv", "--json").json["left_out"] == ["emg"]
    found = read_events(tmp_path / "events.tsv").units
    assert {unit: train.tolist() for unit, train in found.items()} == {
        unit: train.tolist() for unit, train in muscle.units.items()
    }


def test_missing_samples_are_told_and_kept(myodrive, muscle, tmp_path):
    emg = muscle.emg.copy()
    emg[5000:5100] = np.nan
    write_recording(tmp_path / "in.h5", replace(muscle, emg=emg))
    said = myodrive("convert", tmp_path / "in.h5", tmp_path / "set")
    assert "100 samples are missing" in said.err
    assert myodrive("convert", tmp_path / "set", tmp_path / "back.h5", "--json").json["missing_samples"] == 100
    back = read_recording(tmp_path / "back.h5", allow_nan=True)
    assert np.array_equal(np.isnan(back.emg), np.isnan(emg))


def test_calibrate_takes_the_part_without_a_gap(myodrive, muscle, tmp_path):
    emg = muscle.emg.copy()
    emg[11_000:11_100] = np.nan
    write_recording(tmp_path / "in.h5", replace(muscle, emg=emg))
    decoder = tmp_path / "d.onnx"
    assert myodrive("calibrate", tmp_path / "in.h5", "-o", decoder).refused("--start", "--end")
    assert myodrive("calibrate", tmp_path / "in.h5", "-o", decoder, "--end", "5.3").code == 0


def test_files_of_other_programs_are_calibrated_and_decoded(
    myodrive, xdf_path, otb_path, muscle_path, decoder_path, tmp_path
):
    """The same units as from our own file; the amplifier's counts round the samples."""
    grid = tmp_path / "grid.csv"
    places = [f"{channel},{channel // 3},{channel % 3}" for channel in range(24)]
    grid.write_text(GRID + "\n".join(places) + "\n")
    events = {}
    for name, path in (("ours", muscle_path), ("xdf", xdf_path), ("otb", otb_path)):
        out = tmp_path / f"{name}.tsv"
        assert myodrive("decode", path, "--decoder", decoder_path, "-o", out).code == 0
        events[name] = out
    assert events["xdf"].read_bytes() == events["ours"].read_bytes()
    totals = myodrive("score", events["otb"], events["ours"], "--json").json["totals"]
    assert totals["matched"] == totals["references"] == totals["recovered_roa"]
    said = myodrive("calibrate", otb_path, "-o", tmp_path / "d.onnx", "--grid", grid, "--json")
    assert said.code == 0, said.err
    assert len(said.json["units"]) >= 3


def test_a_reference_may_be_of_any_format(myodrive, muscle_path, decoder_path, tmp_path):
    events = tmp_path / "events.tsv"
    assert myodrive("decode", muscle_path, "--decoder", decoder_path, "-o", events).code == 0
    expected = myodrive("score", events, muscle_path, "--json").json
    for name in ("a.mat", "a.json", "set"):
        assert myodrive("convert", muscle_path, tmp_path / name).code == 0
        assert myodrive("score", events, tmp_path / name, "--json").json["totals"] == expected["totals"]


def test_a_file_that_does_not_say_where_its_electrodes_are_names_the_option(myodrive, otb_path, tmp_path):
    assert myodrive("convert", otb_path, tmp_path / "a.h5").refused("--grid")
    assert myodrive("calibrate", otb_path, "-o", tmp_path / "d.onnx").refused("--grid")


def test_of_two_streams_one_is_taken_out(myodrive, muscle, tmp_path):
    from ..formats.made_files import xdf_file, xdf_header, xdf_samples

    stamps = 5.0 + np.arange(3000) / 512
    parts = []
    for number, name in ((1, "left arm"), (2, "right arm")):
        parts += [xdf_header(number, name, desc=xdf_channels()), xdf_samples(number, muscle.emg[:3000, :4], stamps)]
    path = tmp_path / "two.xdf"
    path.write_bytes(xdf_file(*parts))
    assert myodrive("convert", path, tmp_path / "a.h5").refused("left arm", "right arm", "--part")
    assert myodrive("convert", path, tmp_path / "a.h5", "--part", "left").code == 0
    assert "left arm" in read_recording(tmp_path / "a.h5").source


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("a.xlsx", "ends in nothing that is written"),
        ("a.bdf", "give a folder"),
        ("none/a.h5", "no folder"),
        ("", "not empty"),
    ],
)
def test_what_cannot_be_written_is_refused_before_reading(myodrive, tmp_path, out, said):
    (tmp_path / "mine.txt").write_text("mine")
    assert myodrive("convert", tmp_path / "missing.h5", tmp_path / out).refused(said if out else "missing.h5")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_file_of_each_kind_gives_one_sentence(myodrive, apart, muscle_path, tmp_path):
    for name in ("a.h5", "a.mat", "a.json", "a.npz", "set"):
        assert myodrive("convert", muscle_path, tmp_path / name).code == 0
    files = [tmp_path / name for name in ("a.h5", "a.mat", "a.json", "a.npz")] + list((tmp_path / "set").rglob("*.bdf"))
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        assert myodrive("convert", file, tmp_path / "out.h5").refused(Path(file).name)


@pytest.fixture
def two_streams(xdf_path, muscle):
    """The same beside a second stream of EMG, "leg"."""
    stamps = 77.0 + np.arange(muscle.samples) / muscle.fs_hz
    leg = xdf_header(5, "leg", "EMG", 4, muscle.fs_hz, desc=xdf_channels())
    xdf_path.write_bytes(xdf_path.read_bytes() + leg + xdf_samples(5, muscle.emg[:, :4], stamps))
    return xdf_path


@pytest.mark.parametrize(
    "command",
    [
        ("calibrate", "--overwrite", "-o", "{}/d.onnx"),
        ("decode", "--decoder", "{decoder}", "--overwrite", "-o", "{}/e.tsv"),
        ("estimate", "--decoder", "{decoder}", "--method", "classical"),
        ("play", "--seconds", "0.2", "--name", "{unique}", "--source-id", "{unique}"),
    ],
    ids=lambda command: command[0],
)
def test_of_several_streams_of_a_file_one_is_named_to_any_command(
    myodrive, two_streams, muscle_path, decoder_path, tmp_path, unique, command
):
    name, *options = [word.format(tmp_path, decoder=decoder_path, unique=unique) for word in command]
    assert myodrive(name, two_streams, *options).refused("emg", "leg", "--part")
    said = myodrive(name, two_streams, *options, "--part", "emg")
    assert said.code == 0, said.err
    assert myodrive(name, muscle_path, *options, "--part", "emg").refused("holds one recording", "leave --part out")


def test_a_live_stream_has_no_parts(myodrive, tmp_path):
    said = myodrive("calibrate", "--stream", "emg", "--part", "arm", "-o", tmp_path / "d.onnx")
    assert said.refused("--part is for a file")


def test_some_channels_of_a_stream_keep_their_numbers(myodrive, recording_like, muscle, tmp_path):
    path, out = recording_like(in_stream=InStream(tuple(range(10, 34)), 40)), tmp_path / "out.h5"
    assert myodrive("convert", path, out, "--channels", "12,30", "--grid", "LIN2-05").code == 0
    found = read_recording(out)
    np.testing.assert_array_equal(found.emg, muscle.emg[:, [2, 20]])
    assert found.in_stream == InStream((12, 30), 40)
    assert myodrive("convert", path, tmp_path / "same.h5").code == 0
    assert read_recording(tmp_path / "same.h5").in_stream == InStream(tuple(range(10, 34)), 40)
    assert myodrive("convert", path, tmp_path / "no.h5", "--channels", "0-3").refused(
        "channel 0 of it is not among them"
    )


def test_markers_of_an_xdf_file_come_over_or_are_told_to_stay(myodrive, xdf_path, decoder_path, tmp_path):
    xdf_path.write_bytes(xdf_path.read_bytes() + xdf_marks(9, [(78.0, "go"), (80.5, "stop")]))
    marks = (Mark(2048, "go"), Mark(7168, "stop"))
    assert read_any(xdf_path).marks == marks
    for name in ("set", "out.h5"):
        assert myodrive("convert", xdf_path, tmp_path / name, "--json").json["markers"] == 2
        assert read_any(tmp_path / name).marks == marks
    said = myodrive("convert", xdf_path, tmp_path / "out.json")
    assert "left out: 2 markers" in said.err
    events = tmp_path / "events.tsv"
    assert myodrive("decode", xdf_path, "--decoder", decoder_path, "-o", events, "--json").json["markers"] == 2
    assert tuple(read_marks(events, 2048.0)) == marks
    assert myodrive("score", events, events, "--json").json["totals"]["recovered_roa"] == 4
    assert myodrive("convert", xdf_path, tmp_path / "only.tsv").code == 0
    assert tuple(read_marks(tmp_path / "only.tsv", 2048.0)) == marks
