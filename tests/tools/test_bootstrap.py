"""The set-up script: what it installs when, and how it recovers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from myodrive.tools import bootstrap
from myodrive.tools.bootstrap import BootstrapError, Environment


@pytest.fixture
def environment(tmp_path):
    """An environment in a repository of nothing but the two files it depends on."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "tools" / "constraints.txt").write_text("numpy==2.4.6\n")
    (tmp_path / ".venv").mkdir()
    return Environment(tmp_path)


@pytest.fixture
def commands(monkeypatch):
    """The commands that would be run, without running them."""
    seen = []
    monkeypatch.setattr(
        bootstrap, "run", lambda command, folder, **variables: seen.append(list(map(str, command))) or 0
    )
    return seen


def test_an_installation_is_remembered_until_a_file_it_depends_on_changes(environment, commands):
    assert not environment.has("")
    environment.install("")
    assert environment.has("")
    (environment.root / "tools" / "constraints.txt").write_text("numpy==2.4.7\n")
    assert not environment.has("")


def test_the_larger_installation_serves_the_smaller_command_and_not_the_other_way(environment, commands):
    environment.install("")
    assert not environment.has("dev")
    environment.install("dev")
    assert environment.has("dev")
    assert environment.has("")


def test_pip_is_held_to_the_constraints(environment, commands):
    environment.install("dev")
    (command,) = commands
    assert command[command.index("-c") + 1] == str(environment.root / "tools" / "constraints.txt")
    assert command[command.index("-e") + 1] == f"{environment.root}[dev]"


def test_pip_says_only_what_went_wrong(environment, tmp_path, capfd):
    (environment.root / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = 'no version'\n")
    environment.python = Path(sys.executable)
    with pytest.raises(BootstrapError, match="its last lines say why"):
        environment.install("")
    said = "".join(capfd.readouterr())
    assert "error" in said.lower()
    assert "Collecting" not in said


def test_a_failed_installation_is_tried_again(environment, monkeypatch):
    monkeypatch.setattr(bootstrap, "run", lambda *_, **__: 1)
    with pytest.raises(BootstrapError, match="check the network"):
        environment.install("dev")
    assert not environment.has("dev")


def test_an_installation_cut_off_leaves_an_environment_that_is_made_anew(environment, monkeypatch):
    environment.python = Path(sys.executable)
    monkeypatch.setattr(bootstrap, "run", lambda *_, **__: bootstrap.INTERRUPTED)
    assert environment.works()
    with pytest.raises(KeyboardInterrupt):
        environment.install("dev")
    assert not environment.works()
    assert not environment.has("dev")


def test_a_half_made_environment_is_made_anew_and_so_is_what_was_in_it(environment, commands):
    environment.install("dev")
    (environment.folder / "pyvenv.cfg").write_text("home = nowhere\n")
    assert not environment.works()
    environment.make()
    assert environment.works()
    assert not environment.has("dev")


def test_the_checks_stop_at_the_first_that_fails(environment, monkeypatch):
    seen = []

    def run(command, folder, **variables):
        seen.append(command[2])
        return 3 if command[2] == "mypy" else 0

    monkeypatch.setattr(bootstrap, "run", run)
    assert bootstrap.check(environment, []) == 3
    assert seen == ["ruff", "ruff", "mypy"]


def test_further_arguments_go_to_pytest(environment, commands):
    assert bootstrap.check(environment, ["-k", "geometry"]) == 0
    assert commands[-1][1:3] == ["-m", "pytest"]
    assert commands[-1][-2:] == ["-k", "geometry"]  # the last word is the caller's: "-n 0" is one process


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 3), (3, 4), (16, 4)])
def test_the_tests_take_half_as_many_processes_again_as_cores(environment, monkeypatch, cores, workers):
    monkeypatch.setattr(bootstrap.os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    _, command, variables = bootstrap.check_steps(environment, [])[-1]
    assert ("-n" in command) == (workers > 1)
    assert int(variables.get("PYTEST_XDIST_AUTO_NUM_WORKERS", 1)) == workers
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        assert int(variables[name]) == max(1, cores // workers)


def test_what_the_tests_start_need_not_compile_again_what_others_did(environment, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    variables = bootstrap.check_steps(environment, [])[-1][2]
    script = environment.root / "say.py"
    script.write_text("import sys; sys.exit(int(sys.dont_write_bytecode))")
    assert bootstrap.run([sys.executable, script], environment.root) == 1
    assert bootstrap.run([sys.executable, script], environment.root, **variables) == 0


def test_mypy_finds_the_package_by_its_import_name(environment):
    (environment.root / "stream").mkdir()
    (environment.root / "stream" / "__init__.py").touch()
    root = bootstrap.import_root(environment)
    assert (root / "myodrive" / "stream" / "__init__.py").exists()
    assert bootstrap.import_root(environment) == root  # the second time it is there already


def test_sources_are_copied_where_links_are_not_allowed(environment, monkeypatch):
    def refuse(*_, **__):
        raise OSError("a privilege is missing")

    monkeypatch.setattr(bootstrap.Path, "symlink_to", refuse)
    for part in ("stream", "models", "export", "tools"):
        (environment.root / part).mkdir(exist_ok=True)
        (environment.root / part / "__init__.py").write_text(f"# {part}\n")
    root = bootstrap.import_root(environment)
    (environment.root / "stream" / "__init__.py").write_text("# changed\n")
    assert bootstrap.import_root(environment) == root
    assert (root / "myodrive" / "stream" / "__init__.py").read_text() == "# changed\n"


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["deploy"], 2), (["--help"], 0)])
def test_wrong_usage_shows_the_two_commands(repository, arguments, code):
    script = repository / "tools" / "bootstrap.py"
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    assert done.returncode == code
    assert "bootstrap.py demo" in (done.stdout if code == 0 else done.stderr)


def test_an_older_python_is_refused_in_one_sentence(repository, tmp_path):
    script = (repository / "tools" / "bootstrap.py").read_text(encoding="utf-8")
    old = tmp_path / "bootstrap.py"
    old.write_text(script.replace("import sys\n", "import sys\nsys.version_info = (3, 9, 2)\n", 1), encoding="utf-8")
    done = subprocess.run([sys.executable, old, "demo"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "This is Python 3.9, myodrive needs 3.11 or newer: install one and start this script with it."
    )


def test_a_command_gets_its_variables_and_gives_its_exit_code(tmp_path):
    show = "import os, sys; sys.exit(7 if os.environ['MYPYPATH'] == 'here' and os.getcwd() == sys.argv[1] else 1)"
    assert bootstrap.run([sys.executable, "-c", show, os.path.realpath(tmp_path)], tmp_path, MYPYPATH="here") == 7
