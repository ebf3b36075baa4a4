"""Reading in a process of its own: what is said when that process does not come to its end."""

import os

import pytest


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_ctrl_c_at_the_terminal_does_not_make_it_the_fault_of_the_file(beside_interrupts, muscle_path):
    lines = (
        "from myodrive.tools.recording_reader import read_apart\n"
        f"for _ in range(3): read_apart({str(muscle_path)!r})\n"
        "print('read')"
    )
    assert beside_interrupts(lines) == "read\n"
