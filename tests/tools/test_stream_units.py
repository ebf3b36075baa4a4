"""Units in short: as the stream writes them, with numbers of channels only where they differ."""

import pytest

from myodrive.tools.stream_units import in_short


@pytest.mark.parametrize(
    ("units", "shown"),
    [
        ([], "-"),
        (["", "", ""], "-"),
        (["µV"] * 64, "µV"),
        (["microvolts"] * 64 + ["samples"], "microvolts x64, samples x1"),
        (["", "uV", ""], "- x2, uV x1"),
        (["a", "b", "c", "d"], "a x1, b x1, c x1, ..."),
    ],
)
def test_every_unit_is_told_once(units, shown):
    assert in_short(units) == shown


def test_what_a_stream_writes_cannot_spoil_a_terminal():
    assert in_short(["\x1b[2J" + "x" * 1000]) == "?[2J" + "x" * 16
