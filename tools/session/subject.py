"""A subject is a code, never a name: what is written beside EMG stays, and is handed on."""

from __future__ import annotations

import re

from ...stream.errors import OptionError, printable

LONGEST = 12
CODE = re.compile(rf"(?=[A-Z0-9]{{1,{LONGEST}}}\Z)[A-Z]{{0,4}}[0-9]+[A-Z]?", re.IGNORECASE)


def subject_code(text: str) -> str:
    """`text`, where it is a code such as S01.

    Raises
    ------
    OptionError
    """
    if CODE.fullmatch(text):
        return text
    raise OptionError(
        f'"{printable(text)}" is no code of a subject: give one such as S01, four letters at most and then digits, '
        f"{LONGEST} characters in all and no spaces; a name would stay in every file of the session "
        "and tell who was measured"
    )
