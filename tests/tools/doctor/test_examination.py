"""The examination as a whole, on this machine."""

import re

import pytest

from myodrive.tools.doctor import examination as e
from myodrive.tools.doctor.finding import note, ok, problem

LONGEST_S = 20.0


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    steps = []
    findings = e.examine(
        record=str(tmp_path_factory.mktemp("record")), progress=lambda share, name: steps.append((share, name))
    )
    return findings, steps


def test_every_check_gives_findings_with_words(examined):
    findings, _ = examined
    assert len(findings) >= 20
    for finding in findings:
        assert finding.level in ("ok", "note", "problem")
        assert finding.found
        assert finding.level == "ok" or finding.remedy, finding
        assert "\n" not in finding.found + finding.remedy


def test_no_name_stands_twice(examined):
    names = [finding.name for finding in examined[0]]
    assert len(set(names)) == len(names)


def test_nothing_could_not_be_looked_at(examined):
    assert [finding for finding in examined[0] if "cannot be looked at" in finding.found] == []


def test_progress_goes_up_to_the_last_check(examined):
    shares = [share for share, _ in examined[1]]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] < 1


def test_the_waits_of_all_checks_together_are_bounded():
    """Each check's longest wait, as the constants say; what is quick on any machine does not count."""
    from myodrive.tools.doctor import accelerator, discovery, storage, timing

    waits = (
        accelerator.CUDA_S, discovery.RESOLVE_S + discovery.STREAMS_S + 3, 2 * timing.MOST_S, timing.PACED_S,
        storage.TRIED_S,
    )  # fmt: skip
    assert sum(waits) < LONGEST_S


def test_a_check_that_breaks_is_a_problem_and_not_the_end():
    def broken():
        raise ImportError("no such library [/x]")

    (found,) = e.made("onnxruntime", broken)
    assert found.level == "problem"
    assert "no such library" in found.found
    assert found.remedy


def test_notes_do_not_stand_in_the_way():
    assert e.healthy([ok("a", "b"), note("a", "b", "c")])
    assert not e.healthy([ok("a", "b"), problem("a", "b", "c")])


def test_each_finding_and_its_remedy_are_one_sentence(examined):
    for finding in examined[0]:
        assert not re.search(r"[a-z]\. [A-Z]", finding.found + finding.remedy), finding
