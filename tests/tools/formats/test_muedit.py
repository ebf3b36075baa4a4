"""MUedit's MATLAB files, of both versions of MATLAB's format."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.errors import RecordingError
from myodrive.stream.geometry import Geometry
from myodrive.tools.formats.muedit import write_muedit
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.wanted import Wanted
from myodrive.tools.grids import grid

from .made_files import make_recording, same


@pytest.mark.parametrize("labels", [None, ("a", "b", "c", "d", "e", "µ")])
def test_a_recording_comes_back_bit_for_bit(tmp_path, recording, labels):
    recording = replace(recording, labels=labels)
    write_muedit(tmp_path / "a.mat", recording)
    found = read_any(tmp_path / "a.mat")
    assert same(recording, found)
    assert found.force.tobytes() == recording.force.tobytes()
    assert found.source == recording.source


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), scale=st.integers(-30, 25))
def test_every_float_comes_back_bit_for_bit_from_millivolts(tmp_path_factory, seed, scale):
    emg = make_recording(600, seed).emg * np.float32(10.0**scale)
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    write_muedit(path, make_recording(600, emg=emg, force=None, force_unit="", units={}))
    assert read_any(path).emg.tobytes() == emg.tobytes()


def test_missing_samples_and_absent_force_and_units_come_back(tmp_path, recording):
    emg = recording.emg.copy()
    emg[100:300] = np.nan
    write_muedit(tmp_path / "a.mat", replace(recording, emg=emg, force=None, force_unit="", units={}))
    found = read_any(tmp_path / "a.mat", Wanted(allow_nan=True))
    assert np.array_equal(found.emg, emg, equal_nan=True)
    assert (found.force, found.units) == (None, {})


def test_a_file_has_what_muedit_reads(tmp_path):
    """Channels by samples in mV, cells of names, discharges from 1."""
    recording = make_recording(1200, emg=np.ones((1200, 64), np.float32), geometry=grid("HD08MM1305"))
    write_muedit(tmp_path / "a.mat", recording)
    signal = scipy.io.loadmat(tmp_path / "a.mat", squeeze_me=True, struct_as_record=False)["signal"]
    assert signal.data.shape == (64, 1200)
    assert signal.data[0, 0] == 1e-3
    assert (signal.fsamp, signal.nChan, signal.ngrid, signal.IED) == (512, 64, 1, 8)
    assert (signal.gridname, signal.muscle) == ("HD08MM1305", "vastus lateralis")
    assert signal.Dischargetimes[1].tolist() == [1, 512]
    assert signal.Pulsetrain.shape == (2, 1200)
    assert np.flatnonzero(signal.Pulsetrain[1]).tolist() == [0, 511]
    assert signal.coordinates.min() == 1
    assert signal.target.shape == (1200,)


def emg_of(channels, samples=1200, seed=0):
    return np.random.default_rng(seed).normal(size=(channels, samples))


def cells(*values):
    found = np.empty((1, len(values)), object)
    found[0] = values
    return found


def two_grids(path):
    """A file of version 5 as MUedit saves it after decomposition: two grids, no unit."""
    data = emg_of(128)
    times = np.empty((2, 2), object)
    times[:] = [[np.array([[1.0, 7.0]]), np.zeros((0, 0))], [np.array([[3.0]]), np.array([[1200.0]])]]
    signal = {
        "data": data, "fsamp": 512.0, "nChan": 130.0, "ngrid": 2.0, "gridname": cells("GR08MM1305", "HD04MM1305"),
        "muscle": cells("VL", "VM"), "auxiliary": emg_of(2, seed=1), "auxiliaryname": cells("Load cell", "AUX 2"),
        "Dischargetimes": times, "IED": np.array([[8.0, 4.0]]), "target": np.zeros((1, 1200)),
    }  # fmt: skip
    scipy.io.savemat(path, {"signal": signal, "parameters": {"fsamp": 512.0}})
    return data


def test_of_two_grids_one_must_be_named(tmp_path):
    path = tmp_path / "a.mat"
    data = two_grids(path)
    with pytest.raises(RecordingError, match=r"GR08MM1305.*HD04MM1305.*--part"):
        read_any(path)
    found = read_any(path, Wanted(part="HD04MM1305"))
    assert np.array_equal(found.emg, (data[64:].T * 1e3).astype(np.float32))
    assert {unit: train.tolist() for unit, train in found.units.items()} == {0: [2], 1: [1199]}
    assert (found.muscle, found.geometry.ied_mm) == ("VM", 4.0)
    assert found.notes == ("the file names no unit: its numbers are taken as mV, as MUedit has them",)
    assert np.array_equal(found.force, emg_of(2, seed=1)[0].astype(np.float32))
    other = read_any(path, Wanted(part="0", force="AUX 2", unit="uV"))
    assert np.array_equal(other.force, emg_of(2, seed=1)[1].astype(np.float32))
    assert np.array_equal(other.emg, data[:64].T.astype(np.float32))
    assert {unit: train.tolist() for unit, train in other.units.items()} == {0: [0, 6]}


def version_7_3(path, data, gridname="GR08MM1305", times=((1, 7), (3,))):
    """The same in MATLAB's other format: HDF5 behind 512 bytes, everything turned round, cells as references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        held = file.create_group("#refs#")

        def text(holder, name, value):
            codes = np.frombuffer(value.encode("utf-16-le"), np.uint16)[:, None]
            holder.create_dataset(name, data=codes).attrs["MATLAB_class"] = np.bytes_("char")
            return holder[name].ref

        def cell(name, references):
            table = np.array(references, dtype=h5py.ref_dtype)
            file["signal"].create_dataset(name, data=table).attrs["MATLAB_class"] = np.bytes_("cell")

        signal = file.create_group("signal")
        signal.attrs["MATLAB_class"] = np.bytes_("struct")
        signal.create_dataset("data", data=data.T, compression="gzip")
        signal.create_dataset("fsamp", data=np.array([[512.0]]))
        cell("gridname", [[text(held, "a", gridname)]])
        cell("muscle", [[text(held, "b", "tibialis anterior")]])
        trains = [
            held.create_dataset(f"t{n}", data=np.array(train, float)[:, None]).ref for n, train in enumerate(times)
        ]
        cell("Dischargetimes", [[train] for train in trains])
        empty = signal.create_dataset("target", data=np.zeros(2, np.uint64))
        empty.attrs["MATLAB_empty"] = np.uint8(1)
    raw = bytearray(path.read_bytes())
    raw[:512] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM" + bytes(384)
    path.write_bytes(bytes(raw))


def test_version_7_3_is_read(tmp_path):
    path = tmp_path / "a.mat"
    version_7_3(path, emg_of(64))
    found = read_any(path)
    assert np.array_equal(found.emg, (emg_of(64).T * 1e3).astype(np.float32))
    assert {unit: train.tolist() for unit, train in found.units.items()} == {0: [0, 6], 1: [2]}
    assert (found.muscle, found.geometry.row.tolist()) == ("tibialis anterior", grid("GR08MM1305").row.tolist())


def test_places_may_come_as_coordinates(tmp_path, recording):
    path = tmp_path / "a.mat"
    places = np.array([[1, 1], [2, 1], [1, 2], [2, 2]], float)
    signal = {"data": emg_of(4), "fsamp": 512.0, "gridname": "mine", "coordinates": places, "IED": 3.0}
    scipy.io.savemat(path, {"signal": signal})
    found = read_any(path)
    assert found.geometry.ied_mm == 3.0
    assert found.geometry.row.tolist() == [0, 1, 0, 1]
    assert isinstance(found.geometry, Geometry)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": "text"}, "signal.data"),
        ({"data": np.zeros((0, 0))}, "signal.data"),
        ({"fsamp": -1.0}, "sampling rate"),
        ({"gridname": cells("GR08MM1305", "GR08MM1305")}, "grids of 64, 64"),
        ({"unit": "furlong"}, "furlong"),
        ({"Dischargetimes": cells(np.array([[0.5]]))}, "sample numbers"),
        ({"Dischargetimes": cells(np.array([[0.0]]))}, "outside"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, change, said):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"signal": {"data": emg_of(64), "fsamp": 512.0, "gridname": "GR08MM1305"} | change})
    with pytest.raises(RecordingError, match=said):
        read_any(path)


def test_labels_that_do_not_fit_the_channels_are_left(tmp_path):
    signal = {"data": emg_of(4), "fsamp": 512.0, "label": cells("a", "b")}
    scipy.io.savemat(tmp_path / "a.mat", {"signal": signal})
    assert read_any(tmp_path / "a.mat", Wanted(need_places=False)).labels is None


def test_another_matlab_file_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.zeros(3)})
    with pytest.raises(RecordingError, match="no struct"):
        read_any(tmp_path / "a.mat")


def test_data_in_another_file_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    version_7_3(path, emg_of(64))
    with h5py.File(path, "r+") as file:
        del file["signal/data"]
        file["signal/data"] = h5py.ExternalLink("other.h5", "/emg")
    with pytest.raises(RecordingError, match="link to elsewhere"):
        read_any(path)
