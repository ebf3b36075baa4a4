"""Python, the environment it runs in, and what is installed there."""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import sys
import tomllib
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ..extras import pip_install
from .asking import text_of
from .finding import Finding, note, ok, problem

LEAST_PYTHON = (3, 11)
EXTRAS = {
    "train": (
        ("torch", "onnx", "onnxscript"),
        "`train`, `simulate`, `calibrate --method bmiss` and the physics of `estimate`",
    ),
    "plot": (("matplotlib",), "`estimate --report`"),
}
INSTALL_AGAIN = f"{pip_install('', '--force-reinstall')}, in an environment of its own"
MOST_NAMED = 6
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)[^>;]*(?:>=\s*([0-9.]+))?")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")


@dataclass(frozen=True)
class PythonSeen:
    """The interpreter; `active` is the environment the shell has chosen, `on_path` the `myodrive` it would call."""

    version: tuple[int, int, int] = (3, 12, 0)
    bits: int = 64
    machine: str = ""
    prefix: str = ""
    base_prefix: str = ""
    active: str = ""
    on_path: str = ""
    python_path: str = ""


@dataclass(frozen=True)
class PackagesSeen:
    """Installed versions, the least that pyproject.toml asks for, and those that the tests run with; all by name."""

    installed: dict[str, str] = field(default_factory=dict)
    least: dict[str, str] = field(default_factory=dict)
    tested: dict[str, str] = field(default_factory=dict)


def see_python() -> PythonSeen:
    """Look at this interpreter."""
    return PythonSeen(
        version=sys.version_info[:3], bits=8 * struct.calcsize("P"),
        machine=f"{platform.system()} {platform.release()} {platform.machine()}",
        prefix=sys.prefix, base_prefix=sys.base_prefix,
        active=os.environ.get("VIRTUAL_ENV", "") or os.environ.get("CONDA_PREFIX", ""),
        on_path=shutil.which("myodrive") or "", python_path=os.environ.get("PYTHONPATH", ""),
    )  # fmt: skip


def judge_python(seen: PythonSeen) -> Finding:
    """Whether it is recent and wide enough."""
    version = ".".join(map(str, seen.version))
    found = f"{version}, {seen.bits} bits, {seen.machine}"
    if seen.version[:2] < LEAST_PYTHON or seen.bits < 64:
        return problem("python", found, "install Python 3.11 or newer of 64 bits, and myodrive anew with it")
    return ok("python", found)


def judge_environment(seen: PythonSeen) -> Finding:
    """Whether the environment that runs is the one the user means."""
    name = "environment"
    if seen.active and not _same(seen.active, seen.prefix):
        return note(
            name, f"the shell has {seen.active} active, and this runs in {seen.prefix}",
            f"call {seen.active}'s own myodrive, or deactivate it",
        )  # fmt: skip
    if seen.on_path and not _within(seen.on_path, seen.prefix):
        return note(
            name, f"this runs in {seen.prefix}, and the word myodrive alone calls {seen.on_path}",
            "activate this environment, or take the other one off the PATH",
        )  # fmt: skip
    if seen.python_path:
        return note(
            name, f"PYTHONPATH ({seen.python_path}) puts other packages before those of {seen.prefix}",
            "unset PYTHONPATH unless you mean it",
        )  # fmt: skip
    if _same(seen.prefix, seen.base_prefix):
        return ok(
            name,
            f"{seen.prefix}, shared with all other programs",
            "an environment of its own (python -m venv) keeps others' versions out",
        )
    return ok(name, seen.prefix)


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _within(program: str, folder: str) -> bool:
    """Whether the program lies in the folder; a link to a program elsewhere is where it was put."""
    return Path(os.path.realpath(Path(program).parent)).is_relative_to(os.path.realpath(folder))


def see_packages() -> PackagesSeen:
    """Look up what is installed beside what was asked for."""
    wanted = requirements(Path(__file__).resolve().parents[2] / "pyproject.toml")
    names = {name for names, _ in EXTRAS.values() for name in names}
    names |= set(least_versions(wanted)) | {"onnxruntime", "onnxruntime-gpu"}
    pins = text_of(Path(__file__).resolve().parent.parent / "constraints.txt")
    return PackagesSeen(installed_versions(names), least_versions(wanted), pinned_versions(pins))


def requirements(project: Path) -> list[str]:
    """What myodrive needs: as the project of a clone says, which may be newer than its installation, else as installed.

    Parameters
    ----------
    project : Path
        The clone's pyproject.toml, if there is one.
    """
    try:
        told = tomllib.loads(text_of(project)).get("project", {})
    except tomllib.TOMLDecodeError:
        told = {}
    if told.get("name") == "myodrive":
        return list(told.get("dependencies", ()))
    try:
        return metadata.requires("myodrive") or []
    except metadata.PackageNotFoundError:
        return []


def installed_versions(names: set[str]) -> dict[str, str]:
    """The versions of those that are installed."""
    found = {}
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def least_versions(requirements: list[str]) -> dict[str, str]:
    """Name and least version of those that every installation needs; "" where any will do."""
    found = {}
    for one in requirements:
        match = _REQUIREMENT.match(one)
        if match and "extra ==" not in one:
            found[match[1].lower()] = match[2] or ""
    return found


def pinned_versions(text: str) -> dict[str, str]:
    """Name and version of every pin in a constraints file."""
    return {match[1].lower(): match[2] for match in map(_PIN.match, text.splitlines()) if match}


def judge_packages(seen: PackagesSeen) -> list[Finding]:
    """Whether all that is needed is there, new enough, and what the tests run with."""
    runtimes = {"onnxruntime", "onnxruntime-gpu"}
    missing = [name for name in seen.least if name not in seen.installed and name not in runtimes]
    if not runtimes & set(seen.installed):
        missing.append("onnxruntime")
    old = [
        f"{name} {seen.installed[name]} (at least {least})"
        for name, least in seen.least.items()
        if least and name in seen.installed and _number(seen.installed[name]) < _number(least)
    ]
    findings = []
    if missing:
        findings.append(problem("packages", f"not installed: {', '.join(missing)}", INSTALL_AGAIN))
    if old:
        findings.append(
            problem(
                "packages",
                f"too old: {', '.join(old)}",
                f"pip install --upgrade {' '.join(word.split()[0] for word in old)}",
            )
        )
    if not findings:
        listed = ", ".join(f"{name} {seen.installed[name]}" for name in seen.least if name in seen.installed)
        findings.append(ok("packages", listed or "all that is needed is there"))
    return [*findings, judge_versions(seen), judge_extras(seen)]


def judge_versions(seen: PackagesSeen) -> Finding:
    """Whether the versions are those of the tests; others usually work as well."""
    others = [
        f"{name} {version} (tested {seen.tested[name]})"
        for name, version in seen.installed.items()
        if name in seen.tested and version.partition("+")[0] != seen.tested[name]
    ]
    if not others:
        return ok("versions", "those that the tests run with" if seen.tested else "the tests' own are not at hand")
    listed = ", ".join(others[:MOST_NAMED]) + (
        f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    )
    return ok(
        "versions",
        f"other than the tests': {listed}",
        "if something is odd, in the folder of myodrive: "
        f'"{sys.executable}" -m pip install -c tools/constraints.txt -e .',
    )


def judge_extras(seen: PackagesSeen) -> Finding:
    """What cannot be done for want of an extra."""
    lacking = {
        extra: what for extra, (names, what) in EXTRAS.items() if any(name not in seen.installed for name in names)
    }
    if not lacking:
        return ok("extras", "all installed")
    found = "; ".join(f'without "{extra}" there is no {what}' for extra, what in lacking.items())
    return ok("extras", found, f"for these {pip_install(','.join(lacking))}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
