"""The limit of open files is only ever raised."""

import subprocess
import sys

import pytest

from myodrive.tools.open_files import allow_many


def test_the_limit_does_not_fall():
    first = allow_many()
    assert allow_many() == first


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_low_soft_limit_is_raised():
    code = (
        "import resource; from myodrive.tools.open_files import allow_many;"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard));"
        "print(allow_many() > 200)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"
