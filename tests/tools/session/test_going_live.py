"""The command that a session goes live with."""

import pytest

from myodrive.tools.session.folder import Chosen, SessionFolder
from myodrive.tools.session.going_live import run_command


@pytest.fixture
def folder(tmp_path):
    """Function that makes a folder whose session has a decoder."""

    def make(**chosen):
        made = SessionFolder(tmp_path / "S01")
        made.begin(Chosen(subject="S01", stream="emg", **chosen))
        made.finish("calibrate", 1.0, {}, {})
        return made

    return make


@pytest.mark.parametrize("force", ["7", "cell:2"])
def test_the_force_of_the_session_goes_along(folder, force):
    command, record = run_command(folder(force=force), "tcp://127.0.0.1:5570", None, None)
    assert command[command.index("--signal") + 1] == force
    assert command[command.index("--record") + 1] == str(record)


def test_without_a_force_there_is_no_signal(folder):
    assert "--signal" not in run_command(folder(), "tcp://127.0.0.1:5570", 5.0, "cues")[0]
