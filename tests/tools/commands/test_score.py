"""`myodrive score`: what it prints and what it refuses; the arithmetic is in tests/tools/test_score.py."""

import pytest

from myodrive.tools.events import write_events


@pytest.fixture
def events(muscle, tmp_path):
    path = tmp_path / "events.tsv"
    write_events(path, muscle.units, muscle.fs_hz)
    return path


def test_json_is_one_object_with_matches_and_totals(myodrive, events, muscle_path, muscle):
    told = myodrive("score", events, muscle_path, "--json").json
    assert {"unit", "reference", "roa", "f1", "shift"} <= set(told["matches"][0])
    assert all(match["unit"] == match["reference"] and match["roa"] == 1.0 for match in told["matches"])
    assert told["totals"]["recovered_roa"] == len(muscle.units)


def test_the_table_goes_to_stdout(myodrive, events, muscle_path):
    said = myodrive("score", events, muscle_path)
    assert said.code == 0
    assert "Agreement" in said.out


@pytest.mark.parametrize(
    ("options", "word"),
    [(("--start", "5", "--end", "2"), "5 s"), (("--start", "nan"), "nan"), (("--fs", "1000"), "Hz")],
)
def test_options_that_do_not_fit_are_refused(myodrive, events, muscle_path, options, word):
    assert myodrive("score", events, muscle_path, *options).refused(word)


def test_files_that_are_none_are_refused(myodrive, events, muscle_path, decoder_path, tmp_path, recording_like):
    assert myodrive("score", tmp_path / "missing.tsv", muscle_path).refused("missing.tsv")
    assert myodrive("score", tmp_path, muscle_path).refused("is a folder")
    assert myodrive("score", muscle_path, muscle_path).refused("events.tsv")
    assert myodrive("score", events, decoder_path).refused("events.tsv")
    assert myodrive("score", events, tmp_path / "missing.h5").refused("missing.h5")
    assert myodrive("score", events, recording_like(units={})).refused("no reference units")
    assert myodrive("score", events, recording_like(fs_hz=1000.0)).refused("sampling rate")
