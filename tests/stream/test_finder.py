"""Looking for a stream: what is opened and not taken is closed again."""

import time
from types import SimpleNamespace

import pytest
from pylsl.util import LostError

from myodrive.stream import finder
from myodrive.stream.errors import MissingStreamError, StreamError


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


@pytest.fixture
def elsewhere(monkeypatch):
    """Streams of other names are on, as many as the list holds; the one looked for comes when it is set."""
    names, come = [], []
    monkeypatch.setattr(finder, "MISSING_S", 0.05)
    monkeypatch.setattr(finder, "resolve", lambda *arguments: come)
    monkeypatch.setattr(
        finder.pylsl, "resolve_streams", lambda wait: [SimpleNamespace(name=lambda name=name: name) for name in names]
    )
    monkeypatch.setattr(finder, "open_stream", lambda info, check: finder.Found(FakeInlet(), None))
    return names, come


def test_the_streams_that_are_there_are_named_once_and_the_waiting_goes_on(elsewhere, until):
    names, come = elsewhere
    names += ["b\x1b[2J", "emg", "a", "a"]
    one = finder.StreamFinder("emg", None, "", lambda source: None)
    try:
        assert until(lambda: one.refusal is not None)
        said = one.refusal
        assert isinstance(said, MissingStreamError)
        assert 'no stream named "emg" is on, only "a", "b?[2J": ' in str(said)
        assert "\n" not in str(said)
        time.sleep(0.5)
        assert one.refusal is said
        come.append(SimpleNamespace(source_id=lambda: "s", uid=lambda: "u", created_at=lambda: 0.0))
        one.wait(5)
        assert one.found is not None
        assert one.refusal is None
    finally:
        one.stop()
        one._thread.join(5)


def test_a_source_that_went_away_is_waited_for_in_silence(elsewhere):
    elsewhere[0].append("a")
    one = finder.StreamFinder("emg", "serial-5", "", lambda source: None)
    try:
        time.sleep(0.5)
        assert one.refusal is None
    finally:
        one.stop()
        one._thread.join(5)


@pytest.mark.parametrize("source_id", [None, "serial-5"])
def test_one_that_ends_while_it_is_opened_is_named_and_waited_for_in_silence_where_it_was_lost_before(
    monkeypatch, source_id
):
    opened = []

    class Ending(FakeInlet):
        def __init__(self, info, **options):
            opened.append(self)

        def info(self, timeout):
            raise LostError("the stream has been lost.")

    monkeypatch.setattr(finder, "resolve", lambda *arguments: [twin("serial-5", "lab-a")])
    monkeypatch.setattr(finder.pylsl, "StreamInlet", Ending)
    one = finder.StreamFinder("emg", source_id, "", lambda source: None)
    try:
        time.sleep(0.8)  # it is tried again
        assert len(opened) > 1
        assert one.found is None
        assert str(one.refusal) == ("None" if source_id else 'stream "emg" ended while it was opened: start it again')
    finally:
        one.stop()
        one._thread.join(5)


def test_where_no_stream_is_on_that_is_said(elsewhere):
    assert str(finder.missing("emg")) == (
        'no stream named "emg" is on, nor any other: start the amplifier\'s LSL program'
    )


def test_of_many_streams_some_are_named(elsewhere):
    elsewhere[0].extend(f"s{n:02d}" for n in range(30))
    said = str(finder.missing("emg", 10.0))
    assert "appeared within 10 s" in said
    assert "and 22 more" in said
    assert len(said) < 300


def twin(source_id, host):
    return SimpleNamespace(
        name=lambda: "emg", source_id=lambda: source_id, hostname=lambda: host, uid=lambda: source_id,
        created_at=lambda: 0.0,
    )  # fmt: skip


def test_two_sources_of_one_name_are_refused_with_where_they_are(elsewhere, until):
    elsewhere[1].extend([twin("serial-2", "lab-b"), twin("serial-1\n", "lab-a")])
    one = finder.StreamFinder("emg", None, "", lambda source: None)
    try:
        assert until(lambda: one.refusal is not None)
        assert str(one.refusal) == (
            '2 streams are named "emg", of source id "serial-1?" on lab-a, "serial-2" on lab-b: '
            "give each its own name, or stop all but one"
        )
        elsewhere[1].pop()
        one.wait(5)
        assert one.found is not None
    finally:
        one.stop()
        one._thread.join(5)


def test_a_source_that_comes_back_is_taken_up_though_another_has_its_name(monkeypatch):
    asked = []

    def resolve(name, source_id, *others):
        asked.append(source_id)
        return [twin(source_id, "lab-a")] if source_id else [twin("serial-1", "lab-a"), twin("serial-2", "lab-b")]

    monkeypatch.setattr(finder, "resolve", resolve)
    monkeypatch.setattr(finder, "open_stream", lambda info, check: finder.Found(FakeInlet(), info.source_id()))
    one = finder.StreamFinder("emg", "serial-1", "", lambda source: None)
    one.wait(5)
    one.stop()
    one._thread.join(5)
    assert one.found.source == "serial-1"
    assert asked == ["serial-1"]


def test_a_stream_that_its_samples_confirm_stays_open(opened):
    one = finder.StreamFinder("emg", None, "", lambda source: None, lambda found, stop: None)
    one.wait(5)
    assert one.found is not None
    assert one.refusal is None
    assert [inlet.closed for inlet in opened] == [False]
