"""A replay keeps no more messages than a small multiple of the recorded ones."""

import pytest

from myodrive.tools import replay as module
from myodrive.tools.replay_compare import compare
from myodrive.tools.segments import frame, read_frames
from myodrive.tools.session_file import Session
from myodrive.tools.synthetic_session import synthetic_session


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a short session."""
    folder = tmp_path_factory.mktemp("session") / "whole"
    synthetic_session(folder, 4, 2, 0.6, 0)
    return folder


def test_what_was_recorded_is_made_again(folder):
    session = Session(folder)
    found = compare(session, module.replay(session, keep=True))
    assert found.same
    assert found.beyond == 0
    assert found.counts["drive"] > 20


def test_without_comparing_nothing_is_kept(folder):
    assert module.replay(Session(folder)).bodies == {}


def test_what_makes_many_more_messages_than_were_recorded_is_kept_in_part(folder, monkeypatch):
    monkeypatch.setattr(module, "KEPT_MORE", 200)
    path = folder / "messages-0000.myo"
    whole = path.read_bytes()
    frames = list(read_frames(path, []))
    path.write_bytes(b"".join(frame(kind, payload) for kind, payload in frames[:10]))
    try:
        session = Session(folder)
        recorded = sum(len(body) for _, body in session.messages())
        kept = module.replay(session, keep=True).bodies
        longest = max(len(body) for bodies in kept.values() for body in bodies)
        assert recorded < sum(len(body) for bodies in kept.values() for body in bodies) <= 2 * recorded + 200 + longest
        found = compare(session, module.replay(session, keep=True))
        assert found.same
        assert sum(found.counts.values()) >= 8
    finally:
        path.write_bytes(whole)
