"""The folder of a guided session."""

import msgspec
import pytest

from myodrive.stream.errors import OptionError, RecordingError
from myodrive.tools.session.folder import Chosen, SessionFolder

CHOSEN = Chosen(subject="S01", stream="emg")


@pytest.fixture
def begun(tmp_path):
    folder = SessionFolder(tmp_path / "S01")
    folder.begin(CHOSEN)
    return folder


def test_what_was_done_is_there_when_it_is_opened_again(begun):
    begun.finish("check", 5.1, {"seconds": 5.0}, {"leave_out": [3]})
    again = SessionFolder(begun.path)
    assert again.kept == begun.kept
    assert again.done("check").result == {"leave_out": [3]}
    assert again.done("record") is None
    assert "not a medical device" in (begun.path / "README.txt").read_text()


def test_a_step_done_again_undoes_what_rests_on_it_and_nothing_else(begun):
    for step in ("check", "reference", "record", "calibrate", "review", "live"):
        begun.finish(step, 1.0, {}, {})
    begun.finish("check", 1.0, {}, {})
    assert set(begun.kept.steps) == {"check", "reference", "record", "calibrate", "review", "live"}
    begun.finish("record", 1.0, {}, {})
    assert set(SessionFolder(begun.path).kept.steps) == {"check", "reference", "record", "live"}


def test_a_step_before_its_turn_says_which_is_missing(begun):
    with pytest.raises(OptionError, match="session record"):
        begun.needs("record", "recorded contraction")


def test_the_folder_of_another_subject_is_refused(begun):
    with pytest.raises(OptionError, match="S01, not of S02"):
        SessionFolder(begun.path).begin(msgspec.structs.replace(CHOSEN, subject="S02"))


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OptionError, match="something else"):
        SessionFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_was_begun_for_nothing_is_taken_away_again(begun, tmp_path):
    begun.forget()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    there = SessionFolder(tmp_path / "empty")
    there.begin(CHOSEN)
    there.forget()
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


def test_what_was_there_before_or_came_in_since_is_not_taken_away(begun):
    SessionFolder(begun.path).forget()
    again = SessionFolder(begun.path)
    again.begin(CHOSEN)
    again.forget()
    assert SessionFolder(begun.path).kept == begun.kept
    again.finish("check", 1.0, {}, {})
    begun.forget()
    assert SessionFolder(begun.path).done("check")
    again.kept.steps.clear()
    again.begin(CHOSEN)
    (begun.path / "channels.svg").write_text("")
    begun.forget()
    assert len(list(begun.path.iterdir())) == 3


@pytest.mark.parametrize("content", [b"{}", b"", b'{"version": 1}', b"\xff\xfe", b"[" * 5000])
def test_a_session_that_cannot_be_read_is_one_sentence(tmp_path, content):
    (tmp_path / "session.json").write_bytes(content)
    with pytest.raises(RecordingError, match="no guided session"):
        SessionFolder(tmp_path)


def test_one_of_another_kind_is_refused(begun):
    path = begun.path / "session.json"
    path.write_bytes(path.read_bytes().replace(b"guided session", b"something"))
    with pytest.raises(RecordingError, match="another program"):
        SessionFolder(begun.path)
