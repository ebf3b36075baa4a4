"""Looking for a stream: what is opened and not taken is closed again."""

import time
from types import SimpleNamespace

import pytest

from myodrive.stream import finder
from myodrive.stream.errors import StreamError


class FakeInlet:
    """Knows whether it was closed."""

    def __init__(self):
        self.closed = False

    def close_stream(self):
        self.closed = True


@pytest.fixture
def opened(monkeypatch):
    """Inlets that were opened; a stream is always there."""
    inlets = []
    info = SimpleNamespace(name=lambda: "emg", source_id=lambda: "a", uid=lambda: "b", created_at=lambda: 0.0)

    def open_stream(info, check):
        inlets.append(FakeInlet())
        return finder.Found(inlets[-1], None)

    monkeypatch.setattr(finder, "resolve", lambda *arguments: [info])
    monkeypatch.setattr(finder, "open_stream", open_stream)
    return inlets


@pytest.mark.parametrize(
    ("error", "said"), [(StreamError("counts nothing"), "counts nothing"), (RuntimeError("lost"), "ended while")]
)
def test_a_stream_that_its_samples_rule_out_is_closed(opened, error, said):
    def probe(found, stop):
        raise error

    one = finder.StreamFinder("emg", None, "", lambda source: None, probe)
    try:
        end = time.monotonic() + 5
        while one.refusal is None and time.monotonic() < end:
            time.sleep(0.01)
        assert said in str(one.refusal)
        assert one.found is None
    finally:
        one.stop()
        one._thread.join(5)
    assert opened
    assert all(inlet.closed for inlet in opened)


def test_a_stream_that_its_samples_confirm_stays_open(opened):
    one = finder.StreamFinder("emg", None, "", lambda source: None, lambda found, stop: None)
    one.wait(5)
    assert one.found is not None
    assert one.refusal is None
    assert [inlet.closed for inlet in opened] == [False]
