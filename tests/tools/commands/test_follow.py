"""`myodrive follow` beside a pipeline."""

import os

import pytest

from myodrive.tools.commands import follow
from myodrive.tools.follow import Hand


@pytest.fixture
def pipeline(process, unique, decoder_path, muscle_path, address):
    process("run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none", "--quiet")
    return process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")


@pytest.mark.usefixtures("pipeline")
def test_it_acts_and_says_how_late_it_was(myodrive, address, until):
    def acts():
        said = myodrive("follow", "--connect", address, "--seconds", 2, "--json")
        return said.json if said.code == 0 and said.json["acted"] > 20 else None  # the first ones see it begin

    told = until(acts)
    assert told["missed"] == 0
    delay, group_ms = told["delay_ms"], told["group_delay_ms"]
    assert 0.0 < delay["p50"] <= delay["p99"] <= delay["max"]
    assert group_ms > 80.0  # the smoothing of `run`, and the look-ahead
    assert told["with_group_delay_ms"]["p50"] == pytest.approx(delay["p50"] + group_ms)
    said = myodrive("follow", "--connect", address, "--seconds", 1)
    assert "from the sample to the hand: p50" in said.err


def test_nobody_there_is_1_and_says_so(myodrive, address):
    said = myodrive("follow", "--connect", address, "--seconds", 0.2)
    assert said.code == 1
    assert "no drive message has come yet" in said.err


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_hand_stays_on_its_line_whatever_the_width(monkeypatch, capsys, columns):
    monkeypatch.setattr(follow.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    for why in ("", "the newest drive message is 1.51 s old " * 3):
        follow._draw(Hand(), 0.5, why)
    first, *turns = capsys.readouterr().err.split("\r")
    assert first == ""
    assert len({len(turn) for turn in turns}) == 1  # the longer one is written over whole
    assert len(turns[0]) < columns
    assert not any("\n" in turn for turn in turns)
