"""What every test may use: the repository, free addresses, and the larger recordings where a checkout has them."""

import importlib.util
import os
import signal
import socket
import time
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # for tests that import ONNX Runtime themselves

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: what tests start would be deaf, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
PORTS = range(20_000, 32_000)  # systems hand out none of these by themselves

# How long an example takes says what else the machine does: `timeout` in pyproject.toml ends what hangs. A run looks at
# the examples of the run before, so that a change that fails is the one that did it; "search" looks for other ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("search"), derandomize=True)
settings.load_profile("same")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return ROOT


def ports_of(worker: int, workers: int) -> range:
    """The ports that belong to one of the processes which share the tests: no other takes one between two looks.

    One that takes the place of one that died has the next number.
    """
    shares = 2 * workers
    share, place = len(PORTS) // shares, worker % shares
    return PORTS[place * share : (place + 1) * share]


@pytest.fixture(scope="session")
def free_address():
    """Function that gives an address on loopback whose port, and the one above it, are free; another one each time."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = ports_of(worker, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    tried = count(os.getpid() * 2, 2)  # two runs of the tests on one machine begin at different places

    def free_address() -> str:
        for _ in range(len(ports) // 2):
            port = ports[next(tried) % (len(ports) - 1)]
            with socket.socket() as first, socket.socket() as second:
                try:
                    first.bind(("127.0.0.1", port))
                    second.bind(("127.0.0.1", port + 1))
                except OSError:
                    continue
                return f"tcp://127.0.0.1:{port}"
        raise RuntimeError(f"no two free ports side by side in {ports}")

    return free_address


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Function that gives a folder of this name, filled by one of the processes that share the tests, for all."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made_once(name: str, fill, seconds: float = 200.0) -> Path:
        folder, lock = shared / name, shared / f"{name}.lock"
        deadline = time.monotonic() + seconds
        while not folder.is_dir():
            try:
                lock.mkdir()
            except FileExistsError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"another process is not done with {folder}") from None
                time.sleep(0.05)
                continue
            try:
                if not folder.is_dir():  # finished between the two looks
                    partial = tmp_path_factory.mktemp(name)
                    fill(partial)
                    partial.rename(folder)
            finally:
                lock.rmdir()
        return folder

    return made_once


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the larger recordings; a test that asks for it is not collected where there is none."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def excerpt_path() -> Path:
    """The bundled recording's file."""
    return ROOT / "tools" / "data" / "vl_excerpt.h5"


@pytest.fixture(scope="session")
def parameter_graph():
    """The module `parameter_graph.py` beside this file: parameter models of random weights."""
    pytest.importorskip("onnx")
    spec = importlib.util.spec_from_file_location("parameter_graph", ROOT / "tests" / "parameter_graph.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def until():
    """Wait until a condition holds, so many seconds at most; its last value."""

    def wait(condition, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not (found := condition()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    return wait


def pytest_collection_modifyitems(config, items):
    """Leave out the tests on `../shared/data` in a clone that has none."""
    if SHARED_DATA.is_dir():
        return
    left_out = [item for item in items if "shared_data" in getattr(item, "fixturenames", ())]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
