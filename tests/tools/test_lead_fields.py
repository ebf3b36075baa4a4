"""The command line that makes a table of one of our conductors."""

import pytest

from myodrive.tools.lead_fields import main
from myodrive.tools.muscle_model import read_muscle_model


@pytest.mark.parametrize("conductor", ["half-space", "cylinder"])
def test_the_command_line_makes_a_table(tmp_path, capfd, conductor):
    target = tmp_path / "made.h5"
    assert main(["--conductor", conductor, "--grid", "LIN04-10", "--muscle", "30", "-o", str(target)]) == 0
    fields = read_muscle_model(target)
    assert fields.channels == 4
    assert fields.depth_mm[-1] < 30.0
    capfd.readouterr()


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    target = tmp_path / "made.h5"
    assert main(["--grid", "no such grid", "-o", str(target)]) == 1
    assert main(["--bone", "34", "-o", str(target)]) == 1
    assert not target.exists()
    assert capsys.readouterr().err.count("lead_fields:") == 2
