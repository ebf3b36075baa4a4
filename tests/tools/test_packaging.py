"""What gets installed, and where."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PARTS = ("stream", "models", "export", "tools")


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    """A wheel of the sources as they are, built from a copy that holds no more than a release does."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PARTS, "pyproject.toml", "LICENSE", "NOTICE", "README.md"):
        if (repository / name).exists():
            copy(repository / name, source / name)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(target)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


def copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        return
    for file in source.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            copy(file, target / file.relative_to(source))


def test_nothing_but_myodrive_lands_in_site_packages(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"myodrive"}
    assert not any(name == "myodrive/__init__.py" for name in zipfile.ZipFile(wheel).namelist())


def test_every_source_file_is_in_the_wheel(repository, wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for part in PARTS:
        for source in (repository / part).rglob("*.py"):
            if "__pycache__" not in source.parts:
                assert f"myodrive/{part}/{source.relative_to(repository / part).as_posix()}" in inside


def test_types_data_and_licences_come_along(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {f"myodrive/{part}/py.typed" for part in PARTS} <= inside
    assert {"myodrive/tools/data/vl_excerpt.h5", "myodrive/tools/data/LICENSE-openhdemg.txt"} <= inside
    licences = {name.split("licenses/")[1] for name in inside if "licenses/" in name}
    assert licences == {"LICENSE", "NOTICE", "tools/data/LICENSE-openhdemg.txt"}


def test_the_page_comes_along(repository, wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    page = [
        file for file in (repository / "tools" / "dashboard").rglob("*.*") if file.suffix in (".html", ".css", ".js")
    ]
    assert len(page) > 10
    assert {f"myodrive/{file.relative_to(repository).as_posix()}" for file in page} <= inside


def test_the_wheel_can_be_imported_from_anywhere(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    show = "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; "
    show += "import myodrive.tools.hdf5_reading as h, myodrive.tools.recording as r, myodrive.stream.geometry as g; "
    show += "print(r.__file__, g.__file__, h.read_recording(r.BUNDLED).channels, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-P", "-c", show],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    recording, geometry, channels = done.stdout.split()
    assert Path(recording).is_relative_to(tmp_path)
    assert Path(geometry).is_relative_to(tmp_path)
    assert channels == "64"


def test_every_sub_package_is_listed(repository, project):
    packages = {
        "myodrive." + ".".join(file.parent.relative_to(repository).parts)
        for part in PARTS
        for file in (repository / part).rglob("__init__.py")
    }
    setuptools = project["tool"]["setuptools"]
    assert set(setuptools["packages"]) == packages
    assert {name.replace("myodrive.", "").replace(".", "/") for name in packages} == set(
        setuptools["package-dir"].values()
    )


@pytest.mark.parametrize(
    ("system", "machine", "chosen"),
    [
        ("linux", "x86_64", "onnxruntime-gpu"),
        ("win32", "AMD64", "onnxruntime-gpu"),
        ("linux", "aarch64", "onnxruntime"),
        ("darwin", "arm64", "onnxruntime"),
        ("darwin", "x86_64", "onnxruntime"),
        ("win32", "ARM64", "onnxruntime"),
    ],
)
def test_each_platform_gets_exactly_one_onnxruntime(project, system, machine, chosen):
    wanted = [Requirement(text) for text in project["project"]["dependencies"]]
    place = {"sys_platform": system, "platform_machine": machine}
    runtimes = [r.name for r in wanted if r.name.startswith("onnxruntime") and r.marker.evaluate(place)]
    assert runtimes == [chosen]


def test_every_requirement_has_a_pinned_version_that_satisfies_it(repository, project):
    lines = (repository / "tools" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {name.lower(): version for name, version in pins.items()}
    extras = project["project"]["optional-dependencies"]
    for text in [*project["project"]["dependencies"], *extras["train"], *extras["dev"]]:
        requirement = Requirement(text)
        if requirement.name != "myodrive":
            assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement
    assert pins["torch"] == "2.13.0"


def test_the_live_path_needs_no_torch(project):
    assert not any(Requirement(text).name in ("torch", "onnx") for text in project["project"]["dependencies"])
