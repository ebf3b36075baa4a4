"""What `session.json` holds, and the folders that are taken for a session."""

import os

import msgspec
import pytest

from myodrive.stream.errors import RecordingError
from myodrive.tools.formats.reading import read_any
from myodrive.tools.session.folder import RECORDING, Chosen, SessionFolder
from myodrive.tools.session_file import Session, is_session
from myodrive.tools.session_info import INFO, make_folder


def test_a_folder_that_holds_something_is_refused(tmp_path):
    assert make_folder(tmp_path / "new").is_dir()
    assert make_folder(tmp_path / "new") == tmp_path / "new"  # empty still
    (tmp_path / "new" / "x").write_text("")
    with pytest.raises(RecordingError, match="holds something already"):
        make_folder(tmp_path / "new")
    with pytest.raises(RecordingError, match="cannot be made"):
        make_folder(tmp_path / "a" / "b")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "is no recorded session"), (b"", "cannot be read"), (b"{}", "cannot be read"),
        (b"[" * 100_000, "cannot be read"), (b"\xff", "cannot be read"), (b" " * (2 << 20), "larger than any"),
    ],
)  # fmt: skip
def test_what_is_no_session_is_refused_in_one_sentence(tmp_path, text, word):
    if text is not None:
        (tmp_path / INFO).write_bytes(text)
    with pytest.raises(RecordingError, match=word) as error:
        Session(tmp_path)
    assert "\n" not in str(error.value)
    assert is_session(tmp_path) == (text is not None)


def test_of_a_guided_session_the_recordings_in_it_are_named(tmp_path):
    folder = tmp_path / "S01"
    SessionFolder(folder).begin(Chosen(subject="S01", stream="emg"))
    with pytest.raises(RecordingError, match="nothing is recorded yet"):
        Session(folder)
    (folder / RECORDING).write_bytes(b"")
    for name in ("live-01", "live-02"):
        (folder / name).mkdir()
    (folder / "live-01" / INFO).write_text("{}")
    with pytest.raises(RecordingError) as error:
        read_any(folder)
    assert str(error.value) == (
        f'"{folder}" is a guided session: name one recording in it, {folder / RECORDING} or {folder / "live-01"}'
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.timeout(20)
def test_a_pipe_is_no_session_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / INFO)
    with pytest.raises(RecordingError, match="is no file"):
        Session(tmp_path)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"version": 2}, "version 2"), ({"hop": 0}, "no session has"), ({"channels": []}, "no session has"),
        ({"drive_rate_hz": 1e12}, "no session has"), ({"channels": [10**9]}, "no session has"),
        ({"provider": "x" * 10_000}, "no session has"), ({"whitening": "\x1b[2J"}, "no session has"),
    ],
)  # fmt: skip
def test_settings_that_no_session_has_are_refused_in_one_sentence(tmp_path, an_info, fields, word):
    (tmp_path / INFO).write_bytes(msgspec.json.encode(an_info(**fields)))
    with pytest.raises(RecordingError, match=word) as error:
        Session(tmp_path)
    assert "\n" not in str(error.value)
