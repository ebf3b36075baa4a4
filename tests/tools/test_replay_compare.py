"""What is said of messages that differ, whatever stands in the recorded ones."""

import msgspec
import pytest

from myodrive.stream.messages import Status
from myodrive.tools.replay import Replayed
from myodrive.tools.replay_compare import compare

MESSAGE = {"seq": 0, "sample": 5, "t": 1.0, "unit": [1, 2], "t_pub": 3.0, "session": "a"}


class Recorded:
    """A session that holds one message of spikes."""

    def __init__(self, message):
        self.message = message

    def messages(self):
        yield b"spikes/x", msgspec.msgpack.encode(self.message)


def compared(recorded, replayed=MESSAGE):
    bodies = {"spikes": [msgspec.msgpack.encode(replayed)]}
    return compare(Recorded(recorded), Replayed(Status, {}, [], bodies, None, 1.0, 2048.0))


def test_when_it_was_published_and_in_which_session_does_not_count():
    found = compared(MESSAGE | {"t_pub": 9.0, "session": "b"})
    assert found.same
    assert found.counts == {"spikes": 1}


@pytest.mark.parametrize("change", [{"unit": [1, 3]}, {"unit": [1]}, {"t": 1.1}, {"sample": 5.0 + 1}, {"more": 1}])
def test_any_other_difference_is_named(change):
    found = compared(MESSAGE | change)
    assert next(iter(change)) in found.difference


def test_rounding_is_told_and_no_difference():
    found = compared(MESSAGE | {"t": 1.0 + 1e-7})
    assert found.same
    assert 0 < found.rounding < 1e-6


@pytest.mark.parametrize(
    "change",
    [{"unit": "\x1b[2J\n" * 1000}, {"\x1b[2J" * 1000: 1}, {"sample": "\x07", "t": 7.0}, {"unit": [[[]]] * 999}],
)
def test_what_is_said_fits_a_line_whatever_was_recorded(change):
    found = compared(MESSAGE | change)
    assert not found.same
    assert found.difference.isprintable()
    assert len(found.difference) < 400


@pytest.mark.parametrize("message", [{**MESSAGE, 1: 2}, {**MESSAGE, "seq": "x"}, [1], "spikes", None])
def test_what_is_no_message_is_left_out(message):
    assert compared(message).counts == {}
