"""openhdemg's JSON: what we write has the shape that openhdemg saves, and what it saves is read."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.tools.formats.openhdemg import write_openhdemg
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.wanted import Wanted
from myodrive.tools.hdf5_reading import read_recording

from .made_files import make_recording, same

SAVED = Path(__file__).parent / "data" / "saved_by_openhdemg.json"  # by openhdemg 0.1.2: 1 s of its sample file
SAVED_FROM = 20480  # its first sample in the bundled recording, which is the same rounded to 0.5 uV
TABLES = ("RAW_SIGNAL", "REF_SIGNAL", "ACCURACY", "IPTS", "BINARY_MUS_FIRING", "EXTRAS")


def test_a_recording_comes_back_bit_for_bit(tmp_path, recording):
    write_openhdemg(tmp_path / "a.json", recording)
    found = read_any(tmp_path / "a.json")
    assert same(recording, found)
    assert found.force.tobytes() == recording.force.tobytes()
    assert found.source == recording.source


def test_what_openhdemg_saved_is_read_sample_for_sample(excerpt_path):
    found, bundled = read_any(SAVED, Wanted(grid="GR08MM1305")), read_recording(excerpt_path)
    part = slice(SAVED_FROM, SAVED_FROM + found.samples)
    assert found.fs_hz == bundled.fs_hz
    assert found.emg.shape == (2101, 64)
    assert np.abs(found.emg - bundled.emg[part]).max() <= 0.25
    assert np.corrcoef(found.force, bundled.force[part])[0, 1] > 0.999
    assert set(found.units) == set(bundled.units)
    for unit, train in found.units.items():
        there = bundled.units[unit]
        expected = there[(there >= part.start) & (there < part.stop)] - part.start
        assert train.tolist() == expected.tolist()
        assert len(train) > 5


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), scale=st.integers(-30, 25))
def test_every_float_comes_back_bit_for_bit(tmp_path_factory, seed, scale):
    emg = make_recording(600, seed).emg * np.float32(10.0**scale)
    path = tmp_path_factory.mktemp("json") / "a.json"
    write_openhdemg(path, make_recording(600, emg=emg, force=None, units={}))
    assert read_any(path).emg.tobytes() == emg.tobytes()


def test_missing_samples_and_absent_force_and_units_come_back(tmp_path, recording):
    emg = recording.emg.copy()
    emg[100:300] = np.nan
    write_openhdemg(tmp_path / "a.json", replace(recording, emg=emg, force=None, force_unit="", units={}))
    found = read_any(tmp_path / "a.json", Wanted(allow_nan=True))
    assert np.array_equal(found.emg, emg, equal_nan=True)
    assert (found.force, found.units) == (None, {})


def test_a_file_has_what_openhdemg_reads(tmp_path, recording):
    write_openhdemg(tmp_path / "a.json", recording)
    with gzip.open(tmp_path / "a.json", "rt", encoding="utf-8") as file:
        held = {name: json.loads(value) for name, value in json.load(file).items()}
    assert held["SOURCE"] == "CUSTOMCSV"
    assert (held["FSAMP"], held["IED"], held["EMG_LENGTH"], held["NUMBER_OF_MUS"]) == (512.0, 8.0, 1200, 2)
    assert held["MUPULSES"] == [[3, 400, 1199], [0, 511]]
    for name in TABLES:
        assert set(held[name]) == {"columns", "index", "data"}
        assert len(held[name]["index"]) == len(held[name]["data"])
    firing = np.array(held["BINARY_MUS_FIRING"]["data"])
    assert firing.shape == (1200, 2)
    assert np.flatnonzero(firing[:, 1]).tolist() == [0, 511]


def theirs(path, packed=True, **changes):
    """A file as openhdemg saves one: ten decimals, channel numbers as columns, no places."""
    emg = np.round(np.random.default_rng(1).normal(size=(1200, 4)) * 50, 10)
    table = {"columns": [0, 1, 2, 3], "index": list(range(1200)), "data": emg.tolist()}
    force = {"columns": [0], "index": list(range(1200)), "data": [[n / 10] for n in range(1200)]}
    held = {
        "SOURCE": "OTB", "FILENAME": "otb_testfile.mat", "RAW_SIGNAL": table, "REF_SIGNAL": force,
        "ACCURACY": {"columns": [0], "index": [0], "data": [[0.95]]}, "IPTS": force, "MUPULSES": [[5, 6, 700]],
        "FSAMP": 512.0, "IED": 8.0, "EMG_LENGTH": 1200, "NUMBER_OF_MUS": 1, "BINARY_MUS_FIRING": force,
        "EXTRAS": {"columns": [0], "index": [], "data": []},
    } | changes  # fmt: skip
    text = json.dumps({name: json.dumps(value) for name, value in held.items()}).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    return emg


@pytest.mark.parametrize("packed", [True, False])
def test_what_openhdemg_saves_is_read_with_a_grid(tmp_path, packed):
    path = tmp_path / "a.json"
    emg = theirs(path, packed)
    with pytest.raises(RecordingError, match=r"8 mm.*--grid"):
        read_any(path)
    found = read_any(path, Wanted(grid="LIN04-8"))
    assert np.array_equal(found.emg, emg.astype(np.float32))
    assert found.units[0].tolist() == [5, 6, 700]
    assert (found.force_unit, found.force[10], found.source) == ("%MVC", np.float32(1), "otb_testfile.mat")
    assert found.notes
    assert np.array_equal(read_any(path, Wanted(grid="LIN04-8", unit="mV")).emg, (emg * 1e3).astype(np.float32))


def test_rows_and_columns_in_another_order_are_put_in_theirs(tmp_path):
    path = tmp_path / "a.json"
    emg = theirs(path)
    order = np.random.default_rng(0).permutation(1200)
    table = {"columns": ["2", "0", "1", "3"], "index": order.tolist(), "data": emg[order][:, [2, 0, 1, 3]].tolist()}
    theirs(path, RAW_SIGNAL=table)
    assert np.array_equal(read_any(path, Wanted(need_places=False)).emg, emg.astype(np.float32))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"RAW_SIGNAL": {"columns": [0, 1], "index": [0], "data": [[1.0]]}}, "another length"),
        ({"RAW_SIGNAL": {"columns": [0], "index": [], "data": [[1.0]]}}, "index"),
        ({"RAW_SIGNAL": "text"}, "damaged"),
        ({"MUPULSES": [[1.5]]}, "sample numbers"),
        ({"MUPULSES": [[5000]]}, "outside"),
        ({"FSAMP": "fast"}, "sampling rate"),
        ({"FSAMP": 0}, "sampling rate"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, changes, said):
    theirs(tmp_path / "a.json", **changes)
    with pytest.raises(RecordingError, match=said):
        read_any(tmp_path / "a.json", Wanted(need_places=False))


def test_other_json_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"hello": "world"}')
    with pytest.raises(RecordingError, match="RAW_SIGNAL"):
        read_any(tmp_path / "a.json")
