"""BIDS-EMG: a data set that is whole, says what the standard asks, and comes back as it was."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import OptionError, RecordingError
from myodrive.tools.events import Missing, read_events
from myodrive.tools.formats import bids_reading
from myodrive.tools.formats.bids import gaps, rounding_uv, write_bids
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.wanted import Wanted
from myodrive.tools.hostile_files import outcome

from .made_files import edf_of, make_recording, same


def rows(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]


def close(one, other):
    """Within the rounding stated, channel by channel."""
    for channel, back in zip(one.T, other.T, strict=True):
        known = np.isfinite(channel)
        assert np.array_equal(known, np.isfinite(back))
        assert np.abs(channel[known] - back[known]).max(initial=0) <= rounding_uv(np.where(known, channel, 0))
    return True


def test_a_recording_comes_back(tmp_path, recording):
    stated = write_bids(tmp_path / "set", recording)
    found = read_any(tmp_path / "set")
    assert same(recording, found, emg=False)
    assert close(recording.emg, found.emg)
    assert np.abs(recording.emg - found.emg).max() <= stated
    assert np.allclose(found.force, recording.force, atol=1e-5)
    assert found.source == recording.source


def test_labels_of_any_length_come_back(tmp_path, recording):
    labels = ("a", "b" * 40, "µ", "d d", "e", "f")
    write_bids(tmp_path / "set", replace(recording, labels=labels))
    assert read_any(tmp_path / "set").labels == labels


def test_a_differential_montage_comes_back(tmp_path, recording):
    write_bids(tmp_path / "set", replace(recording, montage="single-differential"))
    assert read_any(tmp_path / "set").montage == "single-differential"


def test_a_data_set_says_what_the_standard_asks(tmp_path, recording):
    write_bids(tmp_path / "set", recording, subject="07", task="ramp")
    folder = tmp_path / "set" / "sub-07" / "emg"
    told = json.loads((folder / "sub-07_task-ramp_emg.json").read_text(encoding="utf-8"))
    needed = {
        "TaskName",
        "EMGPlacementScheme",
        "EMGReference",
        "SamplingFrequency",
        "PowerLineFrequency",
        "SoftwareFilters",
    }
    assert needed <= set(told)
    assert told["RecordingDuration"] == recording.duration_s
    channels = rows(folder / "sub-07_task-ramp_channels.tsv")
    assert list(channels[0])[:3] == ["name", "type", "units"]
    assert [row["type"] for row in channels] == ["EMG"] * 6 + ["MISC"]
    electrodes = rows(folder / "sub-07_electrodes.tsv")
    assert list(electrodes[0])[:4] == ["name", "x", "y", "coordinate_system"]
    assert [(float(row["x"]), float(row["y"])) for row in electrodes[:2]] == [(0.0, 8.0), (0.0, 16.0)]
    space = json.loads((folder / "sub-07_space-grid1_coordsystem.json").read_text(encoding="utf-8"))
    assert (space["EMGCoordinateSystem"], space["EMGCoordinateUnits"]) == ("Other", "mm")
    data_set = json.loads((tmp_path / "set" / "dataset_description.json").read_text(encoding="utf-8"))
    assert {"Name", "BIDSVersion"} <= set(data_set)
    assert data_set["License"] == "CC0-1.0"
    events = read_events(folder / "sub-07_task-ramp_events.tsv")
    assert {unit: train.tolist() for unit, train in events.units.items()} == {
        unit: train.tolist() for unit, train in recording.units.items()
    }


@settings(max_examples=20)
@given(data=st.data())
def test_missing_samples_come_back_missing(tmp_path_factory, data):
    recording = make_recording()
    emg = recording.emg.copy()
    for _ in range(data.draw(st.integers(0, 4))):
        first = data.draw(st.integers(0, 1198))
        emg[first : data.draw(st.integers(first + 1, 1199))] = np.nan
    for _ in range(data.draw(st.integers(0, 3))):
        first, channel = data.draw(st.integers(0, 1198)), data.draw(st.integers(0, 5))
        emg[first : data.draw(st.integers(first + 1, 1199)), channel] = np.nan
    folder = tmp_path_factory.mktemp("bids") / "set"
    write_bids(folder, replace(recording, emg=emg))
    assert close(emg, read_any(folder, Wanted(allow_nan=True)).emg)


def test_a_gap_of_all_channels_is_told_once(recording):
    emg = recording.emg.copy()
    emg[100:300], emg[250:400, 2] = np.nan, np.nan
    assert gaps(emg, list("abcdef")) == [Missing(100, 200, None), Missing(300, 100, "c")]


@settings(max_examples=20)
@given(samples=st.integers(1100, 1700), fs_hz=st.sampled_from([512.0, 1000.0, 500.5, 333.33, 1024.25]))
def test_every_sample_is_kept_and_none_is_added(tmp_path_factory, samples, fs_hz):
    folder = tmp_path_factory.mktemp("bids") / "set"
    recording = make_recording(samples, fs_hz=fs_hz, units={})
    write_bids(folder, recording)
    found = read_any(folder)
    assert (found.samples, found.fs_hz) == (samples, fs_hz)


def test_a_file_alone_is_read_with_its_sidecars(tmp_path, recording):
    write_bids(tmp_path / "set", recording)
    file = next((tmp_path / "set").rglob("*.bdf"))
    assert same(recording, read_any(file), emg=False)


def test_a_folder_that_holds_something_is_not_written_to(tmp_path, recording):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(OptionError, match="not empty"):
        write_bids(tmp_path / "set", recording)
    assert [file.name for file in tmp_path.rglob("*")] == ["set", "mine.txt"]


def test_a_name_that_bids_does_not_take_is_refused(tmp_path, recording):
    with pytest.raises(OptionError, match="letters and digits"):
        write_bids(tmp_path / "set", recording, subject="../x")
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_of_a_data_set_that_cannot_be_written(tmp_path, recording):
    with pytest.raises(RecordingError, match="force"):
        write_bids(tmp_path / "set", replace(recording, force=np.full(1200, np.nan, np.float32)))
    assert not list(tmp_path.iterdir())


def foreign(folder, table=True, space="mm", scale=1.0):
    """A data set as others write one: EDF, sidecars at several levels, cues as events."""
    emg = folder / "sub-01" / "ses-a" / "emg"
    emg.mkdir(parents=True)
    (folder / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.11.0", "License": "CC0"}')
    numbers = np.random.default_rng(0).integers(-32768, 32767, (5, 3, 256))
    raw = edf_of(list(numbers), 3, labels=["A1", "A2", "B1", "B2", "Trig"], unit="mV", physical=(-5, 5))
    (emg / "sub-01_ses-a_task-grip_emg.edf").write_bytes(raw)
    (folder / "task-grip_emg.json").write_text('{"SamplingFrequency": 256, "EMGReference": "wrist"}')
    channels = [
        "name\ttype\tunits\ttarget_muscle",
        *(f"{n}\tEMG\tmV\tFDS" for n in ("A1", "A2", "B1", "B2")),
        "Trig\tTRIG\tV\tn/a",
    ]
    (emg / "sub-01_ses-a_task-grip_channels.tsv").write_text("\n".join(channels) + "\n")
    (emg / "sub-01_ses-a_task-grip_events.tsv").write_text("onset\tduration\ttrial_type\n0.5\t1\tgrip\n")
    if table:
        places = ["name\tx\ty\tcoordinate_system", *(f"{n}\t{x * scale}\t{y * scale}\tarm" for n, x, y in (
            ("A1", 0, 0), ("A2", 0, 4), ("B1", 4, 0), ("B2", 4, 4)))]  # fmt: skip
        (folder / "sub-01" / "ses-a" / "emg" / "sub-01_ses-a_electrodes.tsv").write_text("\n".join(places) + "\n")
        told = json.dumps({"EMGCoordinateSystem": "Other", "EMGCoordinateUnits": space})
        (emg / "sub-01_ses-a_space-arm_coordsystem.json").write_text(told)
    return numbers


@pytest.mark.parametrize(("space", "scale"), [("mm", 1.0), ("cm", 0.1), ("m", 0.001)])
def test_a_foreign_data_set_is_read(tmp_path, space, scale):
    numbers = foreign(tmp_path, space=space, scale=scale)
    found = read_any(tmp_path)
    step = 10 / 65535
    expected = ((numbers[:4].reshape(4, -1) + 32768) * step - 5) * 1e3
    assert np.allclose(found.emg.T, expected, rtol=1e-6, atol=1e-3)
    assert found.geometry.row.tolist() == [0, 1, 0, 1]
    assert found.geometry.col.tolist() == [0, 0, 1, 1]
    assert found.geometry.ied_mm == pytest.approx(4.0)
    assert (found.muscle, found.license, found.labels) == ("FDS", "CC0", ("A1", "A2", "B1", "B2"))
    assert not found.units


def test_without_places_a_grid_is_asked_for(tmp_path):
    foreign(tmp_path, table=False)
    with pytest.raises(RecordingError, match="--grid"):
        read_any(tmp_path)
    assert read_any(tmp_path, Wanted(grid="LIN04-5")).channels == 4


def test_of_two_recordings_one_must_be_named(tmp_path):
    foreign(tmp_path)
    folder = tmp_path / "sub-01" / "ses-a" / "emg"
    (folder / "sub-01_ses-a_task-rest_emg.edf").write_bytes((folder / "sub-01_ses-a_task-grip_emg.edf").read_bytes())
    with pytest.raises(RecordingError, match=r"task-grip.*task-rest.*--part"):
        read_any(tmp_path)
    assert read_any(tmp_path, Wanted(part="grip")).fs_hz == 256


def test_a_sidecar_of_another_recording_does_not_hold(tmp_path):
    foreign(tmp_path)
    (tmp_path / "task-rest_emg.json").write_text('{"SamplingFrequency": 999}')
    assert read_any(tmp_path).fs_hz == 256


def test_a_sidecar_that_contradicts_its_file_is_refused(tmp_path):
    foreign(tmp_path)
    (tmp_path / "task-grip_emg.json").write_text('{"SamplingFrequency": 2048}')
    with pytest.raises(RecordingError, match="2048"):
        read_any(tmp_path)


@pytest.mark.parametrize("name", ["_emg.json", "_channels.tsv", "_electrodes.tsv", "_events.tsv", "_coordsystem.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{" * 9000, b"name\tx\nE001\n", b"[1]"])
def test_a_damaged_sidecar_is_refused_or_left(tmp_path, recording, name, content):
    write_bids(tmp_path / "set", recording)
    next((tmp_path / "set").rglob(f"*{name}")).write_bytes(content)
    assert outcome(read_any, tmp_path / "set") in ("read", "refused")


def test_a_folder_with_too_many_files_is_named_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setattr(bids_reading, "MOST_ENTRIES", 3)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for n in range(4):
        (inner / f"{n}.txt").write_text("")
    with pytest.raises(RecordingError, match="more than 3 files") as error:
        read_any(tmp_path)
    assert str(error.value).startswith(f'"{tmp_path}" is a folder')
