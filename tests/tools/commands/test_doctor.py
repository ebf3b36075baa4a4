"""`myodrive doctor`."""

import pytest

from myodrive.tools.commands import doctor
from myodrive.tools.doctor.finding import Finding

FINE = Finding("python", "ok", "3.11")
SLOW = Finding("disk", "note", "3 MB/s", "record to an SSD")
BAD = Finding("timer", "problem", "wakes late [/mnt/x] [red]", "close :smile: programs")


@pytest.fixture
def found(monkeypatch):
    """Let the examination find these, and keep what it was asked."""
    asked = {}

    def find(*findings):
        def examine(**options):
            asked.update(options)
            return list(findings)

        monkeypatch.setattr(doctor, "examine", examine)
        return asked

    return find


@pytest.mark.parametrize(("findings", "code"), [([FINE], 0), ([FINE, SLOW], 0), ([FINE, BAD], 1)])
def test_a_problem_is_exit_code_1(myodrive, found, findings, code):
    found(*findings)
    said = myodrive("doctor", "--json")
    assert said.code == code
    assert said.json["healthy"] is (code == 0)
    assert [finding["name"] for finding in said.json["findings"]] == [finding.name for finding in findings]


def test_what_was_found_is_printed_as_it_is(myodrive, found):
    found(BAD)
    said = myodrive("doctor")
    assert said.out == ""
    assert "timer: wakes late [/mnt/x] [red] -> close :smile: programs" in said.err


def test_other_machines_are_asked_only_when_told_to(myodrive, found):
    asked = found(FINE)
    myodrive("doctor")
    assert asked["asks_network"] is False
    myodrive("doctor", "--network", "--record", "x")
    assert (asked["asks_network"], asked["record"]) == (True, "x")
