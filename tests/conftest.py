"""What every test may use: where the repository is, and the larger recordings where a checkout has them."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return ROOT


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


def pytest_collection_modifyitems(config, items):
    """Leave out the tests on `../shared/data` in a clone that has none."""
    if SHARED_DATA.is_dir():
        return
    left_out = [item for item in items if "shared_data" in getattr(item, "fixturenames", ())]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
