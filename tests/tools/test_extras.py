"""How an extra is installed: never by a name on a package index."""

import json
import sys
from importlib import metadata

import pytest

from myodrive.tools.extras import pip_install


class Installed:
    """A distribution that says where it came from."""

    def __init__(self, told):
        self.told = told

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.told


def installed_as(monkeypatch, told):
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(told))


@pytest.mark.skipif(sys.platform == "win32", reason="the path is one of another system")
def test_a_clone_is_named_as_it_lies_for_the_python_that_runs(monkeypatch):
    installed_as(monkeypatch, json.dumps({"url": "file:///home/a%20b/myodrive", "dir_info": {"editable": True}}))
    assert pip_install("train,plot") == f'"{sys.executable}" -m pip install -e "/home/a b/myodrive[train,plot]"'
    assert pip_install("", "--force-reinstall").endswith('pip install --force-reinstall -e "/home/a b/myodrive"')


@pytest.mark.parametrize(
    "told",
    [None, "", "{}", "[]", "not json", json.dumps({"url": "file:///tmp/x", "dir_info": {}}),
     json.dumps({"url": "https://example.org/x.whl", "archive_info": {}})],
)  # fmt: skip
def test_elsewhere_the_folder_is_asked_for(monkeypatch, told):
    installed_as(monkeypatch, told)
    assert pip_install("train") == f'"{sys.executable}" -m pip install ".[train]" in the folder of myodrive'


def test_no_message_and_no_page_installs_a_name_that_anybody_could_register(repository):
    pages = [path for kind in ("*.py", "*.md") for part in ("stream", "models", "export", "tools")
             for path in (repository / part).rglob(kind)]  # fmt: skip
    for path in [*pages, *repository.glob("*.md")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "myodrive[" not in line, f"{path}: {line}"
