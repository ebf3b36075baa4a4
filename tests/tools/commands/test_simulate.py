"""`myodrive simulate`: the file it writes, the same for the same seed, and what it refuses."""

import json
import sys

import h5py
import numpy as np
import pytest

from myodrive.tools.hdf5_reading import read_recording

SMALL = ("--units", "5", "--seconds", "3", "--rows", "4", "--cols", "3", "--ied", "8", "--fs", "1000")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small simulated file and its picture."""
    from myodrive.tools import cli

    folder = tmp_path_factory.mktemp("simulated")
    path, picture = folder / "s.h5", folder / "s.png"
    assert cli.main(["simulate", "-o", str(path), *SMALL, "--seed", "7", "--plot", str(picture)]) == 0
    return path, picture


def test_the_file_reads_back_as_a_recording_with_its_truth(made):
    found = read_recording(made[0])
    assert found.emg.shape == (3000, 12)
    assert found.fs_hz == 1000.0
    assert (found.geometry.grid_rows, found.geometry.grid_cols, found.geometry.ied_mm) == (4, 3, 8.0)
    assert found.force.shape == (3000,)
    assert found.force_unit == "%max"
    assert found.source.startswith("simulated by myodrive")
    assert found.license
    assert found.muaps.shape[:2] == (5, 12)
    assert list(found.units) == list(found.unit_attributes) == [0, 1, 2, 3, 4]
    for unit, truth in found.unit_attributes.items():
        assert truth["discharges"] == len(found.units[unit])
        assert 2.0 < truth["conduction_velocity_m_s"] < 6.0
        assert truth["muap_peak_to_peak_uv"] == pytest.approx(np.ptp(found.muaps[unit], axis=1).max())


def test_the_file_says_how_it_was_made_and_what_a_discharge_is(made):
    with h5py.File(made[0]) as file:
        how = json.loads(file.attrs["simulation"])
        assert how["settings"]["seed"] == 7
        assert how["settings"]["pool"]["units"] == 5
        assert how["version"]
        assert "innervation" in file.attrs["discharge_instant"]
        first = int(file["muaps"].attrs["first_sample"])
    found = read_recording(made[0])
    # the average over discharges is the waveform where the convention holds, and is not a few samples away
    unit = max(found.units, key=lambda u: len(found.units[u]) * found.unit_attributes[u]["muap_peak_to_peak_uv"] ** 2)
    length = found.muaps.shape[2]

    def likeness(shift):
        starts = [s + first + shift for s in found.units[unit] if 5 < s + first and s + first + length + 5 < 3000]
        mean = np.mean([found.emg[start : start + length].T for start in starts], axis=0)
        return np.corrcoef(mean.ravel(), found.muaps[unit].ravel())[0, 1]

    assert max(range(-4, 5), key=likeness) == 0
    assert likeness(0) > 0.8


def test_the_same_seed_gives_the_same_bytes(myodrive, made, tmp_path):
    again, other = tmp_path / "again.h5", tmp_path / "other.h5"
    assert myodrive("simulate", "-o", again, *SMALL, "--seed", "7").code == 0
    assert myodrive("simulate", "-o", other, *SMALL, "--seed", "8").code == 0
    assert again.read_bytes() == made[0].read_bytes()
    assert other.read_bytes() != made[0].read_bytes()


def test_the_picture_is_drawn(made):
    from PIL import Image

    with Image.open(made[1]) as picture:
        assert picture.size == (1800, 1080)
        assert len(np.unique(np.asarray(picture.convert("L").resize((60, 36))))) > 20  # not blank


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_other_kinds_of_picture_and_few_channels_and_units_can_be_drawn(myodrive, tmp_path, suffix):
    picture = tmp_path / f"s.{suffix}"
    said = myodrive(
        "simulate", "-o", tmp_path / "s.h5", "--units", "1", "--seconds", "2", "--grid", "LIN4-05", "--plot", picture,
        "--profile", "constant", "--artefacts",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert picture.stat().st_size > 10_000


def test_json_tells_what_was_made(myodrive, tmp_path):
    path = tmp_path / "s.h5"
    told = myodrive(
        "simulate", "-o", path, *SMALL, "--conductor", "planar", "--noise", "white,mains", "--profile", "sine", "--json"
    ).json
    assert told["output"] == str(path)
    assert (told["channels"], told["samples"], told["units"]) == (12, 3000, 5)
    found = read_recording(path)
    assert told["discharges"] == sum(map(len, found.units.values()))
    assert told["active_units"] == sum(len(train) > 0 for train in found.units.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--grid", "GR09"), ("GR09", "known grid")),
        (("--rows", "4", "--cols", "3"), ("--ied", "all three")),
        (("--grid", "LIN4-05", "--rows", "4"), ("--grid", "one of them")),
        (("--seconds", "10", "--ramp", "5"), ("plateau", "shorten")),
        (("--level", "0"), ("no unit fires", "raise")),
        (("--seconds", "3600", "--fs", "50000"), ("memory", "shorter")),
        (("--plot", "x.bmp"), ("x.bmp", ".png")),
        (("--plot", "/no/such/folder/x.png"), ("no folder",)),
    ],
)
def test_options_that_contradict_are_refused_and_leave_no_file(myodrive, tmp_path, arguments, words):
    path = tmp_path / "s.h5"
    assert myodrive("simulate", "-o", path, "--units", "3", "--seconds", "2", *arguments).refused(*words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--units", "0"), ("--units", "many"), ("--seconds", "0.5"), ("--level", "101"), ("--fs", "nan"),
        ("--noise", "pink"), ("--noise", "white,white"), ("--noise", ""), ("--conductor", "torus"), ("--mains", "55"),
        ("--profile", "triangle"), ("--fat", "-1"), ("--seed", "-1"), ("--rows", "0"), ("--snr", "inf"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_value_that_an_option_cannot_take_is_wrong_usage(myodrive, arguments):
    assert myodrive("simulate", "-o", "s.h5", *arguments).wrong_usage("error:")


def test_an_output_that_cannot_be_written_is_refused_before_the_work(myodrive, tmp_path):
    assert myodrive("simulate", "-o", tmp_path).refused("is a folder")
    assert myodrive("simulate", "-o", tmp_path / "no" / "s.h5").refused("no folder")


@pytest.mark.parametrize(
    ("module", "extra", "arguments"), [("torch", "train", ()), ("matplotlib", "plot", ("--plot", "s.png"))]
)
def test_what_is_not_installed_is_named_by_its_extra(myodrive, monkeypatch, tmp_path, module, extra, arguments):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not there
    monkeypatch.chdir(tmp_path)
    said = myodrive("simulate", "-o", "s.h5", *SMALL, *arguments)
    assert said.refused(f'{sys.executable}" -m pip install', f'[{extra}]"')
    assert list(tmp_path.iterdir()) == []
