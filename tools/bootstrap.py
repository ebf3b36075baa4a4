"""From a fresh clone to a running demo or a tested tree, with nothing but Python.

    python tools/bootstrap.py demo [--seconds 20 ...]
    python tools/bootstrap.py test [pytest's arguments ...]

Makes `.venv` in the repository root, installs there what the command needs (in the versions of constraints.txt) and
runs it; further arguments are passed on. Standard library only. The second time, nothing is installed unless
pyproject.toml or constraints.txt changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this file is run by whatever Python a machine has
    found = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.exit(f"This is Python {found}, myodrive needs 3.11 or newer: install one and start this script with it.")

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {"demo": "", "test": "dev"}  # what each command needs beyond the base installation
CHECKED_PACKAGES = ("myodrive.stream", "myodrive.export")
MOST_WORKERS = 4  # processes that share the tests; each holds up to 2 GB: PyTorch, recordings, tables of lead fields
THREAD_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
INTERRUPTED = 130  # as shells report Ctrl-C
BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}  # many containers set it: hundreds of processes would compile the same files


class BootstrapError(Exception):
    """The set-up cannot go on; the message says what to do."""


class Environment:
    """The virtual environment of one repository: made, found broken, filled and remembered as filled.

    Parameters
    ----------
    root : Path
        The repository. The environment is `root/.venv`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.programs = self.folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.programs / ("python.exe" if os.name == "nt" else "python")
        self.stamp = self.folder / "myodrive-installed.txt"
        self.unfinished = self.folder / "myodrive-installing.txt"  # there only while pip runs, or if it was killed

    def fingerprint(self) -> str:
        """What an installation depends on, as one hash: the two files, the Python and the place."""
        digest = hashlib.sha256()
        for name in ("pyproject.toml", "tools/constraints.txt"):
            digest.update((self.root / name).read_bytes())
        digest.update(f"{sys.version_info[:2]} {self.root}".encode())
        return digest.hexdigest()

    def has(self, extra: str) -> bool:
        """Whether the base installation (`extra` empty) or one with `extra` is there and up to date."""
        try:
            fingerprint, *extras = self.stamp.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return False
        return fingerprint == self.fingerprint() and (extra == "" or extra in extras)

    def works(self) -> bool:
        """Whether the environment's Python starts, is recent enough, has pip, and no installation was cut off."""
        if self.unfinished.exists() or not self.python.exists():
            return False
        probe = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
        try:
            return subprocess.run([self.python, "-c", probe], capture_output=True, timeout=60).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def make(self) -> None:
        """Make the environment anew, removing a half-made one."""
        if self.folder.exists() or self.folder.is_symlink():
            if self.folder.resolve() == Path(sys.prefix).resolve():
                raise BootstrapError(
                    f"{self.folder} is broken and this script runs in it: start it again with another Python."
                )
            say(f"removing {self.folder}, which is incomplete")
            if self.folder.is_symlink() or self.folder.is_file():
                self.folder.unlink()
            else:
                shutil.rmtree(self.folder)
        made = subprocess.run([sys.executable, "-P", "-m", "venv", self.folder], capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            reason = (made.stderr or made.stdout).strip().splitlines()
            raise BootstrapError(
                f"Python could not make {self.folder} ({reason[-1] if reason else 'no reason given'}): "
                "on Debian and Ubuntu install the package python3-venv, then run this again."
            )

    def install(self, extra: str) -> None:
        """Install this repository, editable, with one extra, in the versions of constraints.txt."""
        target = f"{self.root}[{extra}]" if extra else str(self.root)
        self.stamp.unlink(missing_ok=True)
        self.unfinished.write_text("pip was started and has not come back\n", encoding="utf-8")
        # quiet: pip then says what went wrong and nothing else
        command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        code = run([*command, "-c", self.root / "tools" / "constraints.txt", "-e", target], self.root)
        if code == INTERRUPTED:  # pip may have left half a package: the environment is made anew next time
            raise KeyboardInterrupt
        self.unfinished.unlink()
        if code != 0:
            raise BootstrapError(
                "pip could not install what is needed (its last lines say why): "
                "check the network and the free disk space, then run this again."
            )
        written = self.stamp.with_suffix(".new")
        written.write_text("\n".join([self.fingerprint(), *([extra] if extra else [])]) + "\n", encoding="utf-8")
        os.replace(written, self.stamp)

    def ready(self, extra: str) -> None:
        """Bring the environment to where a command that needs `extra` can run in it."""
        if not self.works():
            timed("make .venv", self.make)
        if not self.has(extra):
            what = f"install myodrive{f'[{extra}]' if extra else ''} (downloading and installing: some minutes)"
            timed(what, lambda: self.install(extra))


def say(text: str) -> None:
    """Print one line of what is going on."""
    print(f"bootstrap: {text}", flush=True)


def timed(what, do):
    """Do something, saying what and how long it took, and hand back its result."""
    say(what)
    start = time.perf_counter()
    result = do()
    say(f"{what}: {time.perf_counter() - start:.1f} s")
    return result


def run(command: list, folder: Path, **variables: str) -> int:
    """Run a command to its end and return its exit code.

    Ctrl-C goes to the command as well, which is waited for: 0 if it ends in order, otherwise INTERRUPTED.
    """
    child = subprocess.Popen(list(map(str, command)), cwd=folder, env={**os.environ, **variables})
    interrupted = False
    while True:
        try:
            code = child.wait()
            return INTERRUPTED if interrupted and code != 0 else code
        except KeyboardInterrupt:
            interrupted = True


def import_root(environment: Environment) -> Path:
    """A folder in which `myodrive` can be found as a package, for tools that know no installed mapping.

    It holds a link to the repository, or a copy of the sources where links are not allowed. The place is fixed, so
    that mypy's cache stays valid from one run to the next.
    """
    folder = environment.folder / "import-root"
    package = folder / "myodrive"
    if package.is_symlink() and package.resolve() == environment.root:
        return folder
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        package.symlink_to(environment.root, target_is_directory=True)
    except OSError:  # Windows without developer mode
        for part in ("stream", "models", "export", "tools"):
            ignored = shutil.ignore_patterns("data", "__pycache__", "*.onnx", "*.png")
            shutil.copytree(environment.root / part, package / part, ignore=ignored)
    return folder


def spread_over_cores() -> tuple[list, dict]:
    """How pytest spreads the tests over the cores this process may use: its arguments, and environment variables.

    Half as many workers again as there are cores: a live test mostly waits. Each begins with a run of neighbouring
    files, so that what these share is made once, and when it is done takes tests off one that has more left
    (`worksteal`). Its threads are bounded: threads that wait for each other on cores which other workers hold make
    everything slow.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores + cores // 2, MOST_WORKERS)
    threads = dict.fromkeys(THREAD_POOLS, str(max(1, cores // workers)))
    if workers == 1:
        return [], threads
    # "auto" and not the number: pytest-xdist then stands back where --pdb asks for one process
    return ["-n", "auto", "--dist", "worksteal"], threads | {"PYTEST_XDIST_AUTO_NUM_WORKERS": str(workers)}


def check_steps(environment: Environment, arguments: list) -> list:
    """The checks in order, each (name, command, environment variables)."""
    python = environment.python
    packages = [word for name in CHECKED_PACKAGES for word in ("-p", name)]
    settings = ["--config-file", environment.root / "pyproject.toml", "--cache-dir", environment.root / ".mypy_cache"]
    spread, variables = spread_over_cores()
    return [
        ("ruff check", [python, "-m", "ruff", "check", "."], {}),
        ("ruff format", [python, "-m", "ruff", "format", "--check", "."], {}),
        ("mypy", [python, "-m", "mypy", *settings, *packages], {"MYPYPATH": str(import_root(environment))}),
        ("pytest", [python, "-m", "pytest", *spread, *arguments], variables | BYTECODE),
    ]


def check(environment: Environment, arguments: list) -> int:
    """Lint, check the types and test; the exit code is that of the first step that failed."""
    for name, command, variables in check_steps(environment, arguments):
        code = timed(name, lambda c=command, v=variables: run(c, environment.root, **v))
        if code != 0:
            say(f"{name} failed with exit code {code}")
            return code
    say("all checks passed")
    return 0


def demo(environment: Environment, arguments: list) -> int:
    """Run the demonstration."""
    say("demo")  # what was just installed takes its time to load
    return run([environment.programs / "myodrive", "demo", *arguments], environment.root)


def main(arguments: list) -> int:
    """Run the command line and return the exit code."""
    if not arguments or arguments[0] not in EXTRAS:
        asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help")
        print(__doc__.strip(), file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    name, *further = arguments
    environment = Environment(ROOT)
    try:
        environment.ready(EXTRAS[name])
        return {"demo": demo, "test": check}[name](environment, further)
    except BootstrapError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
