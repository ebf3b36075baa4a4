"""The way through all steps."""

import io
import sys

import pytest

from myodrive.stream.errors import StreamError
from myodrive.tools.session.folder import STEPS, Chosen, SessionFolder
from myodrive.tools.session.guide import guide
from myodrive.tools.session.talk import Talk

RESULTS = {
    "check": {"notch": True, "mains_hz": 50.0, "leave_out": [5]},
    "review": {"units": [{}, {}, {}], "kept": [0, 1, 2]},
}


@pytest.fixture
def folder(tmp_path):
    folder = SessionFolder(tmp_path / "S01")
    folder.begin(Chosen(subject="S01", stream="emg", bad=[5]))
    return folder


@pytest.fixture
def steps(folder):
    """Steps that note what was asked of them, and are done at once."""

    class Steps:
        def __init__(self):
            self.asked = []
            self.failing = {}

        def __call__(self, step, **changes):
            self.asked.append((step, changes))
            if self.failing.pop(step, None):
                raise StreamError("the stream stopped")
            folder.finish(step, 0.0, {}, {})
            return RESULTS.get(step, {})

    return Steps()


@pytest.fixture
def typed(monkeypatch):
    """Someone at the keyboard who types these lines."""

    def type_(*lines):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return Talk(asks=True)

    return type_


def names(steps):
    return [step for step, _ in steps.asked]


def test_without_anybody_to_ask_every_step_is_done_once_and_live_is_told_not_done(folder, steps, capsys):
    guide(folder, steps, Talk(asks=False), goes_live=False)
    assert names(steps) == list(STEPS)
    assert steps.asked[-1] == ("live", {"print": True})
    assert folder.chosen.bad == [5]
    assert folder.chosen.mains == 50.0
    assert capsys.readouterr() == ("", "")


def test_a_reference_hardly_above_rest_is_done_again_unless_a_person_insists(folder, steps, typed, monkeypatch):
    monkeypatch.setitem(RESULTS, "reference", {"hardly_above_rest": True})
    folder.finish("check", 1.0, {}, {})
    guide(folder, steps, typed("", "", "", "", "y", "", "", "", "n"), goes_live=False)
    assert names(steps) == ["reference", "reference", "record", "calibrate", "review", "live"]


def test_what_was_done_is_kept_and_the_rest_goes_on_from_there(folder, steps):
    for step in ("check", "reference", "record"):
        folder.finish(step, 1.0, {}, {})
    guide(folder, steps, Talk(asks=False), goes_live=True)
    assert steps.asked == [("calibrate", {}), ("review", {}), ("live", {})]


def test_answers_steer_it(folder, steps, typed):
    talk = typed(
        "", "y", "5,6", "n",  # check: begin, keep it, leave these out, no notch
        "", "n", "", "y",  # reference: begin, not content, begin again, content
        "", "y",  # record
        "1,9", "x", "1",  # review: no such unit, no list, this one
        "n",  # not live
    )  # fmt: skip
    guide(folder, steps, talk, goes_live=False)
    assert names(steps) == ["check", "reference", "reference", "record", "calibrate", "review", "review", "live"]
    assert ("review", {"drop": [1]}) in steps.asked
    assert folder.chosen.bad == [5, 6]
    assert folder.chosen.mains is None


def test_a_step_done_before_is_done_again_when_one_says_so(folder, steps, typed):
    for step in STEPS:
        folder.finish(step, 1.0, {}, {})
    guide(folder, steps, typed("y", "y", "n", "", "y", "none", "n"), goes_live=False)
    assert names(steps) == ["record", "calibrate", "review", "live"]


def test_a_step_that_fails_may_be_tried_again_by_a_person_alone(folder, steps, typed):
    steps.failing = {"check": True}
    with pytest.raises(StreamError):
        guide(folder, steps, Talk(asks=False), goes_live=False)
    steps.failing = {"check": True}
    with pytest.raises(KeyboardInterrupt):  # the input ends
        guide(folder, steps, typed("", "y", "", "y"), goes_live=False)
    assert names(steps) == ["check", "check", "check"]


def test_what_is_no_answer_is_asked_again(typed, capsys):
    assert typed("maybe", "N").yes("well?") is False
    assert "answer y or n" in capsys.readouterr().err
    assert typed("").yes("well?") is True
