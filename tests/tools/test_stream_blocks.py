"""Seconds of a stream, block by block: all of them, a stream found late included, or the reason why not."""

from types import SimpleNamespace

import numpy as np
import pytest

from myodrive.stream.errors import MismatchError, MissingStreamError, SilentStreamError, StreamError
from myodrive.stream.source_info import SourceInfo
from myodrive.tools import stream_blocks
from myodrive.tools.stream_blocks import blocks, raise_final

FS_HZ, HOP = 100.0, 8
SOURCE = SourceInfo("s", "s", "u", "h", FS_HZ, 3, np.float32, None, ("uv",) * 3, None)
NOTHING = 0


class Scripted:
    """Stands for StreamSource: gives the hops of a script, each a number of samples or a refusal."""

    def __init__(self, script):
        self.refusal, self.stalled, self.closed = None, False, False
        self._script, self._given = iter(script), 0
        self._buffer = np.zeros((HOP, 2), np.float32)

    def next_hop(self):
        step = next(self._script, NOTHING)
        self.refusal = step if isinstance(step, StreamError) else None
        samples = step if isinstance(step, int) else 0
        self.stalled = self._given > 0 and not samples
        self._buffer[:samples] = self._given + np.arange(samples)[:, None]  # the same buffer each time
        self._given += samples
        stamp, lost = 1000.0 + (self._given - 1) / FS_HZ, int(self._given == 8)
        return SimpleNamespace(samples=samples, signal=self._buffer[:samples], stamp=stamp, lost_before=lost)

    def close(self):
        self.closed = True


@pytest.fixture
def play(monkeypatch):
    """Blocks of a second of a scripted stream, and the stream."""

    def start(*script):
        stream = Scripted(script)
        monkeypatch.setattr(stream_blocks, "StreamSource", lambda *_: stream)
        return blocks(SOURCE, np.arange(2), 1.0, HOP, None, None), stream

    return start


def test_blocks_are_all_samples_of_these_seconds_with_the_time_of_each(play):
    coming, stream = play(*[8, 5, 8, 1] * 10)
    found = list(coming)
    emg, stamps = np.concatenate([one.signal for one in found]), np.concatenate([one.stamps for one in found])
    np.testing.assert_array_equal(emg, np.repeat(np.arange(100.0)[:, None], 2, axis=1))  # the last is cut short
    np.testing.assert_allclose(stamps, 1000.0 + np.arange(100) / FS_HZ, atol=1e-9)
    assert [one.lost_before for one in found[:3]] == [1, 0, 0]
    assert stream.closed


def test_a_stream_found_late_is_waited_for(play):
    coming, _ = play(MissingStreamError("not yet"), MissingStreamError("not yet"), NOTHING, *[8] * 13)
    assert sum(len(one.signal) for one in coming) == 100


@pytest.mark.parametrize("refusal", [MismatchError("another"), SilentStreamError("silent"), StreamError("two of them")])
def test_a_stream_that_is_refused_is_let_go_with_the_reason(play, refusal):
    coming, stream = play(NOTHING, MissingStreamError("not yet"), refusal, *[8] * 13)
    with pytest.raises(type(refusal), match=str(refusal)):
        next(coming)
    assert stream.closed


def test_a_stream_that_stops_midway_ends_with_how_far_it_came(play):
    coming, stream = play(8, 8)
    with pytest.raises(StreamError, match=r"stopped after 0\.2 s of 1 s"):
        list(coming)
    assert stream.closed


def test_a_stream_that_never_comes_ends_in_time(play, monkeypatch):
    monkeypatch.setattr(stream_blocks, "FIND_S", -1.5)  # the deadline is now
    coming, stream = play(MissingStreamError("not yet"))
    with pytest.raises(StreamError, match="stopped after 0"):
        list(coming)
    assert stream.closed


def test_whoever_has_enough_lets_the_stream_go(play):
    coming, stream = play(*[8] * 13)
    next(coming)
    assert not stream.closed
    coming.close()
    assert stream.closed


def test_a_refusal_that_may_pass_is_final_to_those_who_do_not_wait_for_it():
    raise_final(None)
    raise_final(SilentStreamError("silent"), MissingStreamError, SilentStreamError)
    with pytest.raises(SilentStreamError):
        raise_final(SilentStreamError("silent"), MissingStreamError)
    with pytest.raises(MismatchError):
        raise_final(MismatchError("another"), MissingStreamError, SilentStreamError)
