"""What is judged of Python and packages, on observations that are made up."""

from dataclasses import replace

import pytest

from myodrive.tools.doctor import installation as i

HERE = i.PythonSeen(prefix="/venv", base_prefix="/usr", active="/venv", on_path="/venv/bin/myodrive")
WHOLE = i.PackagesSeen(
    installed={"numpy": "2.4.6", "onnxruntime": "1.31.1", "torch": "2.13.0+cpu", "onnx": "1", "onnxscript": "1",
               "matplotlib": "3"},
    least={"numpy": "2.0", "onnxruntime-gpu": "1.22", "onnxruntime": "1.22"},
    tested={"numpy": "2.4.6", "torch": "2.13.0"},
)  # fmt: skip


@pytest.mark.parametrize("seen", [replace(HERE, version=(3, 10, 4)), replace(HERE, bits=32)])
def test_an_old_or_narrow_python_is_a_problem(seen):
    assert i.judge_python(seen).level == "problem"
    assert i.judge_python(HERE).level == "ok"


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (replace(HERE, active="/other"), "/other"),
        (replace(HERE, on_path="/usr/bin/myodrive"), "/usr/bin/myodrive"),
        (replace(HERE, python_path="/x"), "PYTHONPATH"),
    ],
)
def test_a_mix_up_of_environments_is_named(seen, word):
    found = i.judge_environment(seen)
    assert found.level == "note"
    assert word in found.found


@pytest.mark.parametrize("seen", [HERE, replace(HERE, active="", on_path=""), replace(HERE, base_prefix="/venv")])
def test_one_environment_is_in_order(seen):
    assert i.judge_environment(seen).level == "ok"


def levels(seen):
    return {finding.name: finding.level for finding in i.judge_packages(seen)}


def test_all_there_is_in_order():
    assert levels(WHOLE) == {"packages": "ok", "versions": "ok", "extras": "ok"}


def test_a_missing_package_is_a_problem_and_either_onnxruntime_will_do():
    without = replace(WHOLE, installed={"onnxruntime-gpu": "1.31.1"})
    found = i.judge_packages(without)[0]
    assert found.level == "problem"
    assert "numpy" in found.found
    assert "onnxruntime" not in found.found
    assert "onnxruntime" in i.judge_packages(replace(WHOLE, installed={"numpy": "2.4.6"}))[0].found


def test_a_package_older_than_asked_for_is_a_problem():
    old = replace(WHOLE, installed=WHOLE.installed | {"numpy": "1.26.4"})
    found = i.judge_packages(old)[0]
    assert found.level == "problem"
    assert "1.26.4" in found.found
    assert found.remedy.endswith("numpy")


def test_versions_other_than_the_tests_are_told_but_no_fault():
    found = i.judge_versions(replace(WHOLE, installed={"numpy": "2.5.0", "torch": "2.13.0+cpu"}))
    assert found.level == "ok"
    assert "numpy 2.5.0" in found.found
    assert "torch" not in found.found


def test_a_missing_extra_says_what_is_lacking():
    found = i.judge_extras(replace(WHOLE, installed={"matplotlib": "3"}))
    assert "train" in found.remedy
    assert "plot" not in found.remedy


def test_requirements_and_pins_are_read():
    least = i.least_versions(
        ["numpy>=2.0", "rich", 'onnxruntime>=1.22; sys_platform == "x"', 'torch>=2.13; extra == "train"']
    )
    assert least == {"numpy": "2.0", "rich": "", "onnxruntime": "1.22"}
    assert i.pinned_versions("# words\nnumpy==2.4.6\nJinja2==3.1.6\n") == {"numpy": "2.4.6", "jinja2": "3.1.6"}


def test_what_pyproject_asks_for_is_seen_here():
    seen = i.see_packages()
    assert seen.least["numpy"]
    assert {"numpy", "pyzmq", "pylsl", "websockets"} <= set(seen.least) & set(seen.installed) & set(seen.tested)
    assert i.see_python().version >= (3, 11)


def test_a_clone_newer_than_its_installation_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(i.metadata, "requires", lambda name: ["numpy>=2.0"])
    project = tmp_path / "pyproject.toml"
    assert i.requirements(project) == ["numpy>=2.0"]
    project.write_text('[project]\nname = "myodrive"\ndependencies = ["numpy>=2.0", "websockets>=15"]\n')
    assert i.least_versions(i.requirements(project)) == {"numpy": "2.0", "websockets": "15"}
    for other in ('[project]\nname = "another"\ndependencies = ["django"]\n', "[project\n"):
        project.write_text(other)
        assert i.requirements(project) == ["numpy>=2.0"]
    without = i.PackagesSeen(installed={"onnxruntime": "1.31.1"}, least={"websockets": "15"})
    assert "websockets" in i.judge_packages(without)[0].found
