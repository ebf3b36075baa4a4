"""The examination of a machine."""

import pytest

from myodrive.tools import doctor


@pytest.fixture(scope="module")
def findings():
    return doctor.examine()


def test_every_check_gives_one_finding_with_words(findings):
    assert len({finding.name for finding in findings}) == len(findings) == 10
    for finding in findings:
        assert finding.level in ("ok", "note", "problem")
        assert finding.found
        assert finding.level != "problem" or finding.remedy


def test_a_stream_of_this_machine_is_found(findings):
    assert next(finding for finding in findings if finding.name == "LSL").level == "ok"


def test_a_check_that_breaks_is_a_problem_and_not_the_end(monkeypatch):
    def broken():
        raise ImportError("no such library [/x]")

    broken.__name__ = "_onnxruntime"
    monkeypatch.setattr(doctor, "_onnxruntime", broken)
    monkeypatch.setattr(doctor, "_lsl_reachable", doctor._python)
    monkeypatch.setattr(doctor, "_decoder", doctor._python)
    found = next(finding for finding in doctor.examine() if finding.name == "onnxruntime")
    assert found.level == "problem"
    assert "no such library" in found.found


def test_more_threads_than_cores_are_a_problem(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    assert doctor._threads().level == "problem"
