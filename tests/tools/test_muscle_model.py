"""Files of muscle models: what is written is read, and what is none is refused."""

import h5py
import numpy as np
import pytest

from myodrive.models.bmiss.muscle_model import MuscleModelError
from myodrive.models.bmiss.table import LeadFields
from myodrive.models.bmiss.waveform_table import WaveformTable
from myodrive.tools.muscle_model import read_muscle_model, write_lead_fields, write_waveform_table


@pytest.fixture
def fields():
    rng = np.random.default_rng(0)
    return LeadFields(
        np.arange(5.0), 1.0 + np.arange(6.0), np.arange(-40.0, 41.0, 2.0), rng.random((5, 6, 4, 41), np.float32),
        np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 8.0,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path, fields):
    write_lead_fields(tmp_path / "fields.h5", fields, "made up")
    return tmp_path / "fields.h5"


def test_what_is_written_is_read(path, fields):
    found = read_muscle_model(path)
    for name in ("lateral_mm", "depth_mm", "along_mm", "potential", "row", "col"):
        assert np.array_equal(getattr(found, name), getattr(fields, name))
    assert (found.ied_mm, found.montage) == (8.0, "monopolar")
    assert found.potential.dtype == np.float32


def test_the_same_table_gives_the_same_bytes(tmp_path, path, fields):
    write_lead_fields(tmp_path / "again.h5", fields, "made up")
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_numbers_of_other_precision_and_no_spacing_will_do(path):
    with h5py.File(path, "r+") as file:
        for name in ("potential", "row", "lateral_mm"):
            values = file[name][()]
            del file[name]
            file[name] = values.astype({"potential": "f8", "row": "u1", "lateral_mm": "i4"}[name])
        del file.attrs["ied_mm"], file.attrs["unit"], file.attrs["montage"], file.attrs["source"]
    assert read_muscle_model(path).ied_mm is None


def attribute(name, value):
    def change(file):
        file.attrs[name] = value

    return change


def dataset(name, value):
    def change(file):
        del file[name]
        if value is not None:
            file[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (attribute("schema", "myodrive.leadfield/7"), "schema"),
        (lambda file: file.attrs.clear(), "no schema"),
        (attribute("unit", "mV"), 'unit is "mV"'),
        (attribute("montage", "bipolar"), "bipolar"),
        (attribute("ied_mm", -1.0), "ied_mm"),
        (attribute("ied_mm", "wide"), "ied_mm"),
        (attribute("schema", "myodrive.waveforms/1"), "names"),
        *((dataset(name, None), f'no dataset "{name}"') for name in ("potential", "lateral_mm", "along_mm", "col")),
        (dataset("row", np.arange(4.0)), "row is float64"),
        (dataset("depth_mm", np.array([b"deep"])), "depth_mm"),
        (dataset("potential", np.ones((5, 6, 4), np.float32)), "4 dimension"),
        (dataset("potential", np.ones((5, 6, 3, 41), np.float32)), "potential has the shape"),
        (dataset("potential", np.full((5, 6, 4, 41), np.inf, np.float32)), "not finite"),
        (dataset("along_mm", np.arange(41.0) * 9.0), "step of 9 mm"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence_that_names_it(path, change, reason):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(MuscleModelError, match=reason) as caught:
        read_muscle_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_declared_size_is_refused_before_it_is_read(path):
    with h5py.File(path, "r+") as file:
        del file["potential"]
        file.create_dataset("potential", (5000, 6000, 400, 41), "f4", chunks=(1, 1, 400, 41))
    with pytest.raises(MuscleModelError, match="GB"):
        read_muscle_model(path)


def test_what_is_no_file_of_the_kind_is_refused(tmp_path, path):
    (tmp_path / "text.h5").write_text("lateral, depth")
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:3000])
    for name, reason in (("none.h5", "no muscle model"), ("text.h5", "HDF5"), ("cut.h5", "HDF5"), (".", "folder")):
        with pytest.raises(MuscleModelError, match=reason):
            read_muscle_model(tmp_path / name)


@pytest.fixture
def waveforms_path(tmp_path):
    rng = np.random.default_rng(0)
    table = WaveformTable(
        ("depth_mm", "lateral_mm"), rng.random((20, 2)), rng.random((20, 4, 30), np.float32), 2000.0, 5.0,
        np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]),
    )  # fmt: skip
    write_waveform_table(tmp_path / "waveforms.h5", table)
    return tmp_path / "waveforms.h5", table


def test_waveforms_that_are_written_are_read(waveforms_path):
    path, table = waveforms_path
    found = read_muscle_model(path)
    assert (found.names, found.fs_hz, found.fires_at, found.ied_mm) == (table.names, 2000.0, 5.0, None)
    for name in ("parameters", "waveforms", "row", "col"):
        assert np.array_equal(getattr(found, name), getattr(table, name))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (dataset("names", np.arange(2)), "names"),
        (dataset("waveforms", None), 'no dataset "waveforms"'),
        (dataset("parameters", np.ones((19, 2))), "expected 19 units"),
        (lambda file: file.attrs.pop("fs_hz"), "fs_hz"),
        (attribute("fs_hz", 0.0), "fs_hz"),
        (attribute("fires_at", np.nan), "fires_at"),
    ],
)
def test_bad_waveforms_are_refused_in_one_sentence(waveforms_path, change, reason):
    path, _ = waveforms_path
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(MuscleModelError, match=reason) as caught:
        read_muscle_model(path)
    assert "\n" not in str(caught.value)
