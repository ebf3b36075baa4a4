"""Messages and decoding."""

import pytest

from myodrive.tools.doctor import work as w


def test_messages_that_do_not_arrive_are_a_problem():
    assert w.judge_messages(w.MessagesSeen(us=None)).level == "problem"
    assert w.judge_messages(w.MessagesSeen(curve=False)).level == "note"
    assert w.judge_messages(w.MessagesSeen()).level == "ok"


def test_messages_pass_on_this_machine():
    seen = w.see_messages()
    assert seen.us is not None
    assert seen.us > 0


@pytest.mark.parametrize(("share", "level"), [(0.01, "ok"), (0.5, "note"), (0.9, "problem")])
def test_decoding_that_takes_most_of_a_hop_is_a_problem(share, level):
    assert w.judge_decoding(share * w.HOP_US).level == level
