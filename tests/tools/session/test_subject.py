"""Codes of subjects."""

import pytest

from myodrive.stream.errors import OptionError
from myodrive.tools.session.subject import subject_code


@pytest.mark.parametrize("code", ["S01", "s1", "07", "PT0012", "S01B", "ABCD12345678"])
def test_a_code_is_taken_as_it_is(code):
    assert subject_code(code) == code


@pytest.mark.parametrize(
    "text", ["Anna", "S 01", "", "anna.smith", "S01\n", "../S01", "Smith01", "ABCD123456789", "Ä1", "S01-2"]
)
def test_what_may_be_a_name_or_a_path_is_refused_with_the_reason(text):
    with pytest.raises(OptionError, match="who was measured"):
        subject_code(text)
