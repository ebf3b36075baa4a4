"""`myodrive doctor`."""

import pytest

from myodrive.tools.commands import doctor
from myodrive.tools.doctor import Finding

FINE = Finding("python", "ok", "3.11")
BAD = Finding("timer", "problem", "wakes late [/mnt/x] [red]", "close :smile: programs")


@pytest.mark.parametrize(("findings", "code"), [([FINE], 0), ([FINE, BAD], 1)])
def test_a_problem_is_exit_code_1(myodrive, monkeypatch, findings, code):
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    said = myodrive("doctor", "--json")
    assert said.code == code
    assert said.json["healthy"] is (code == 0)
    assert [finding["name"] for finding in said.json["findings"]] == [finding.name for finding in findings]


def test_what_was_found_is_printed_as_it_is(myodrive, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda: [BAD])
    said = myodrive("doctor")
    assert said.out == ""
    assert "timer: wakes late [/mnt/x] [red] -> close :smile: programs" in said.err


def test_the_real_one_prints_one_object(myodrive):
    said = myodrive("doctor", "--json")
    assert said.json["healthy"] is (said.code == 0)
    assert len(said.json["findings"]) == 10
