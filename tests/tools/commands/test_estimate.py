"""``myodrive estimate`` as a user calls it."""

from __future__ import annotations

from myodrive.tools.commands import estimate


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
    heading, *rows = (line.split("\t") for line in table.read_text().splitlines())
    assert [row[heading.index("unit")] for row in rows] == [str(one["unit"]) for one in found.json["units"]]
    assert all(len(row) == len(heading) for row in rows)


def test_without_pytorch_the_physics_is_refused_and_names_the_extra(myodrive, muscle_path, decoder_path, monkeypatch):
    monkeypatch.setattr(estimate, "has_torch", lambda: False)
    asked = myodrive("estimate", muscle_path, "--decoder", decoder_path, "--method", "physics")
    assert asked.refused("PyTorch", "train")


def test_bad_input_is_refused(myodrive, muscle_path, decoder_path, tmp_path):
    assert myodrive("estimate", tmp_path / "none.h5", "--decoder", decoder_path).refused("no recording")
    assert myodrive("estimate", muscle_path, "--decoder", tmp_path / "none.onnx").refused("no decoder")
    assert myodrive("estimate", muscle_path, "--decoder", decoder_path, "--window", "0").refused("window")
