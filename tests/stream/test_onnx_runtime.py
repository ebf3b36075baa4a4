"""ONNX Runtime tells nobody what it does here, and leaves nothing in the user's folders."""

import os
import re
import subprocess
import sys

import pytest

OPEN = """
import sys
from pathlib import Path
from myodrive.stream.onnx_runtime import onnxruntime
onnxruntime.InferenceSession(Path(sys.argv[1]).read_bytes(), providers=["CPUExecutionProvider"])
"""
ASKED = {"ORT_DISABLE_TELEMETRY", "CI", "GITHUB_ACTIONS", "TF_BUILD", "PYTEST_CURRENT_TEST"}  # silences it elsewhere


@pytest.mark.skipif(os.name != "posix", reason="the user's folders are elsewhere")
def test_running_a_graph_leaves_nothing_in_the_users_folders(repository, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ASKED and "XDG" not in name}
    command = [sys.executable, "-c", OPEN, str(repository / "export" / "decoder_template.onnx")]
    subprocess.run(command, check=True, timeout=60, env=environment | {"HOME": str(tmp_path)})
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()] == []


def test_whoever_sets_the_variable_keeps_it():
    shown = "from myodrive.stream import onnx_runtime; import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for given, found in ({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0"):
        environment = {name: value for name, value in os.environ.items() if name not in ASKED} | given
        said = subprocess.run(
            [sys.executable, "-c", shown], check=True, timeout=60, capture_output=True, text=True,
            env=environment | {"ORT_RUNNING_UNIT_TESTS": "1"},
        )  # fmt: skip
        assert said.stdout.strip() == found


def test_nobody_imports_it_from_elsewhere(repository):
    importing = re.compile(r"^\s*(import onnxruntime|from onnxruntime)", re.MULTILINE)
    found = [
        path.name
        for folder in ("stream", "models", "export", "tools")
        for path in (repository / folder).rglob("*.py")
        if importing.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["onnx_runtime.py"]
