"""Programs and files of the system that may not be there."""

import sys

from myodrive.tools.doctor.asking import answer_of, text_of


def test_a_program_that_answers_is_read():
    assert answer_of(sys.executable, "-c", "print('here')").strip() == "here"


def test_silence_is_no_error(tmp_path):
    assert answer_of("no-such-program-anywhere") == ""
    assert answer_of(sys.executable, "-c", "import sys; print('x'); sys.exit(3)") == ""
    assert answer_of(sys.executable, "-c", "import time; time.sleep(60)", timeout_s=0.2) == ""
    assert text_of(tmp_path / "none") == text_of(tmp_path) == ""
