"""``myodrive estimate`` as a user calls it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myodrive.tools import cli, estimation_methods
from myodrive.tools.commands import estimate
from myodrive.tools.hdf5_writing import write_recording

NO_SHIPPED_MODEL = Path("there is none.onnx")


@pytest.fixture
def without_shipped_model(monkeypatch):
    """As in a version that comes without a parameter model."""
    monkeypatch.setattr(estimate, "SHIPPED", NO_SHIPPED_MODEL)


@pytest.fixture
def model_path(parameter_graph, tmp_path):
    """A parameter model of random weights."""
    path = tmp_path / "parameters.onnx"
    path.write_bytes(parameter_graph.parameter_model_bytes())
    return path


def rows_of(table):
    heading, *rows = (line.split("\t") for line in table.read_text().splitlines())
    assert all(len(row) == len(heading) for row in rows)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def test_every_unit_of_the_decoder_is_listed_with_a_number_or_a_reason(myodrive, muscle_path, decoder_path):
    found = myodrive("estimate", muscle_path, "--decoder", decoder_path, "--json")
    assert found.code == 0
    units = found.json["units"]
    assert [one["unit"] for one in units] == list(range(len(units)))
    assert len(units) > 0
    for one in units:
        for name in ("iz_mm", "cv_m_s"):
            assert (one[name] is None) == (one[f"{name}_sd"] is None)
            assert one[name] is not None or one["reason"]


def test_the_table_has_one_row_a_unit_in_the_order_of_its_heading(myodrive, muscle_path, decoder_path, tmp_path):
    table = tmp_path / "pool.tsv"
    found = myodrive(
        "estimate", muscle_path, "--decoder", decoder_path, "--method", "classical", "--table", table, "--json"
    )
    units = found.json["units"]
    rows = rows_of(table)
    assert [row["unit"] for row in rows] == [str(one["unit"]) for one in units]
    for row, one in zip(rows, units, strict=True):
        for name in ("iz_mm", "cv_m_s", "rate_hz", "snr_db"):
            assert row[name] == "n/a" if one[name] is None else float(row[name]) == pytest.approx(one[name], rel=1e-4)


def test_windows_are_rows_of_the_table_with_their_mean_force(myodrive, muscle, recording_like, decoder_path, tmp_path):
    force = np.linspace(0.0, 9.0, muscle.samples, dtype=np.float32)
    table = tmp_path / "pool.tsv"
    found = myodrive(
        "estimate", recording_like(force=force, force_unit="N"), "--decoder", decoder_path, "--method", "classical",
        "--window", "3", "--table", table, "--json",
    )  # fmt: skip
    rows = rows_of(table)
    for one in found.json["units"]:
        own = [row for row in rows if row["unit"] == str(one["unit"])]
        assert [float(row["start_s"]) for row in own] == [0.0, 0.0, 3.0, 6.0]
        assert [float(row["force"]) for row in own] == pytest.approx([4.5, 1.5, 4.5, 7.5], abs=0.01)
        assert [window["force"] for window in one["windows"]] == pytest.approx([1.5, 4.5, 7.5], abs=0.01)
        assert own[1]["recruited_at"] == "n/a"  # of the unit, not of a stretch


def test_the_encoder_is_the_method_or_stands_beside_another(
    myodrive, muscle_path, decoder_path, model_path, monkeypatch
):
    call = ("estimate", muscle_path, "--decoder", decoder_path, "--params", model_path, "--json")
    alone = myodrive(*call, "--method", "encoder").json
    assert alone["method"] == "encoder"
    monkeypatch.setattr(estimation_methods, "has_torch", lambda: False)
    assert myodrive(*call).json == alone  # the best that can be had without PyTorch
    by_encoder = {one["unit"]: one for one in alone["units"]}
    monkeypatch.undo()
    monkeypatch.setattr("myodrive.tools.estimation.by_physics", lambda averages, *_: [
        estimation_methods.nothing("not now") for _ in averages
    ])  # fmt: skip
    beside = myodrive(*call, "--method", "physics").json["units"]
    assert any(one["encoder_cv_m_s"] is not None for one in beside)
    for one in beside:
        assert one["encoder_cv_m_s"] == by_encoder[one["unit"]]["cv_m_s"]
        assert one["encoder_iz_mm_sd"] == by_encoder[one["unit"]]["iz_mm_sd"]
        assert one["reason"] is not None


def test_a_grid_that_the_model_was_not_trained_for_gives_no_number_and_says_which_it_was(
    myodrive, muscle_path, decoder_path, parameter_graph, tmp_path
):
    path, report, table = tmp_path / "other.onnx", tmp_path / "report.html", tmp_path / "pool.tsv"
    trained = parameter_graph.METADATA["trained"] | {"ied_mm": [3, 5]}
    path.write_bytes(parameter_graph.parameter_model_bytes(metadata={"trained": trained}))
    call = ("estimate", muscle_path, "--decoder", decoder_path, "--method", "encoder", "--params", path)
    found = myodrive(*call, "--report", report, "--table", table, "--json")
    words = "electrodes 8 mm apart, the model was trained for 3 to 5 mm"
    for one, row in zip(found.json["units"], rows_of(table), strict=True):
        assert (one["iz_mm"], one["cv_m_s"]) == (None, None)
        assert one["reason"] == row["reason"] == words
    assert words in report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def few_rows(muscle, tmp_path_factory):
    """The recording through its lowest four rows, and its decoder."""
    path = tmp_path_factory.mktemp("few") / "few.h5"
    kept = np.flatnonzero(muscle.geometry.row < 4)
    write_recording(
        path, replace(muscle, emg=np.ascontiguousarray(muscle.emg[:, kept]), geometry=muscle.geometry.select(kept))
    )
    assert cli.main(["calibrate", str(path), "-o", str(path.with_suffix(".onnx")), "--end", "6"]) == 0
    return path, path.with_suffix(".onnx")


@pytest.mark.parametrize("method", ["physics", "classical"])
def test_too_few_rows_give_no_number_and_name_the_least_everywhere(myodrive, few_rows, tmp_path, method):
    if method == "physics":
        pytest.importorskip("torch")
    recording, decoder = few_rows
    report, table = tmp_path / "report.html", tmp_path / "pool.tsv"
    call = ("estimate", recording, "--decoder", decoder, "--method", method)
    found = myodrive(*call, "--report", report, "--table", table, "--json")
    html = report.read_text(encoding="utf-8")
    assert found.json["units"]
    for one, row in zip(found.json["units"], rows_of(table), strict=True):
        assert (one["iz_mm"], one["cv_m_s"]) == (None, None)
        assert "4 neighbouring" in one["reason"]
        assert "at least 5" in one["reason"]
        assert row["reason"] == one["reason"]
        assert one["reason"] in html


def test_all_channels_flat_give_no_number_and_say_so_everywhere(myodrive, changed, decoder_path, tmp_path):
    def silence(file):
        file["emg"][:] = 17.0

    report, table = tmp_path / "report.html", tmp_path / "pool.tsv"
    call = ("estimate", changed(silence), "--decoder", decoder_path, "--method", "classical")
    found = myodrive(*call, "--report", report, "--table", table, "--json")
    assert {one["reason"] for one in found.json["bad_channels"]} == {"flat"}
    for one, row in zip(found.json["units"], rows_of(table), strict=True):
        assert (one["iz_mm"], one["cv_m_s"]) == (None, None)
        assert one["reason"] == row["reason"] == "all 24 channels are bad"
    assert "all 24 channels are bad" in report.read_text(encoding="utf-8")
    said = myodrive(*call).err
    assert "channel 0 left out: flat" in said
    assert "unit 0: all 24 channels are bad" in said


def test_too_few_discharges_give_no_number_and_say_so_everywhere(
    myodrive, muscle, recording_like, decoder_path, tmp_path
):
    short = recording_like(emg=np.ascontiguousarray(muscle.emg[: 2 * 2048]), units={})
    report, table = tmp_path / "report.html", tmp_path / "pool.tsv"
    call = ("estimate", short, "--decoder", decoder_path, "--method", "classical")
    found = myodrive(*call, "--report", report, "--table", table, "--json")
    html = report.read_text(encoding="utf-8")
    for one, row in zip(found.json["units"], rows_of(table), strict=True):
        assert one["spikes_used"] < 20
        assert (one["iz_mm"], one["cv_m_s"]) == (None, None)
        assert one["reason"] == row["reason"] == f"{one['spikes_used']} discharges, 20 are needed"
        assert one["reason"] in html


def test_the_report_has_every_unit(myodrive, muscle_path, decoder_path, tmp_path):
    report = tmp_path / "report.html"
    call = ("estimate", muscle_path, "--decoder", decoder_path, "--method", "classical", "--window", "4", "--json")
    found = myodrive(*call, "--report", report).json
    html = report.read_text(encoding="utf-8")
    assert found["report"] == str(report)
    assert len(found["units"]) > 0
    for one in found["units"]:
        assert f"id='unit-{one['unit']}'" in html


def test_a_report_without_matplotlib_is_refused_and_names_the_extra(
    myodrive, muscle_path, decoder_path, tmp_path, monkeypatch
):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else found(name, *a))
    call = ("estimate", muscle_path, "--decoder", decoder_path, "--report", tmp_path / "r.html")
    assert myodrive(*call).refused("Matplotlib", "plot")
    assert not (tmp_path / "r.html").exists()


def test_without_pytorch_the_physics_is_refused_and_names_the_extra(myodrive, muscle_path, decoder_path, monkeypatch):
    monkeypatch.setattr(estimate, "has_torch", lambda: False)
    asked = myodrive("estimate", muscle_path, "--decoder", decoder_path, "--method", "physics")
    assert asked.refused("PyTorch", "train")


def test_bad_input_is_refused(myodrive, muscle_path, decoder_path, model_path, tmp_path, without_shipped_model):
    good = ("estimate", muscle_path, "--decoder", decoder_path)
    assert myodrive("estimate", tmp_path / "none.h5", "--decoder", decoder_path).refused("no recording")
    assert myodrive("estimate", muscle_path, "--decoder", tmp_path / "none.onnx").refused("no decoder")
    assert myodrive(*good, "--window", "0").refused("window")
    assert myodrive(*good, "--report", tmp_path / "none" / "r.html").refused("no folder")
    assert myodrive(*good, "--params", tmp_path / "none.onnx").refused("no parameter model")
    assert myodrive(*good, "--params", decoder_path).refused("no parameter model")
    assert myodrive(*good, "--params", model_path, "--method", "classical").refused("--params", "classical")
    assert myodrive(*good, "--method", "encoder").refused("--params")
    assert myodrive(*good, "--method", "encoder", "--params", "none").refused("--params")
    assert myodrive(*good, "--method", "guess").wrong_usage("guess")
