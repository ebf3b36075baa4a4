"""The clock of another machine: its bounds hold the truth whatever the way took."""

import contextlib
import itertools
import threading

import msgspec
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.client_clock import ANSWER_S, ASK_S, DRIFT, FORGET_S, RemoteClock
from myodrive.stream.control import Control

DELAYS = st.floats(0.0, 2.0)


def answer(t):
    return msgspec.msgpack.encode({"ok": True, "state": "live", "t": t})


@given(
    ahead=st.floats(-1e6, 1e6),
    drift=st.floats(-0.9 * DRIFT, 0.9 * DRIFT),
    answers=st.lists(st.tuples(DELAYS, DELAYS, DELAYS), min_size=1, max_size=20),
    later=st.floats(0.0, FORGET_S - 1),
)
def test_the_true_difference_lies_between_the_bounds(ahead, drift, answers, later):
    remote = RemoteClock(None, "", None, lambda: 0.0)
    now = 0.0
    for pause, there, back in answers:
        asked = now + pause
        read = asked + there
        remote._answered(answer(read + ahead + drift * read), asked, read + back)
        now = read + back
    now += later
    least, most = remote.ahead(now)
    rounding = 1e-9 + 1e-15 * abs(ahead) * 1e3
    assert least - rounding <= ahead + drift * now <= most + rounding


def test_a_clock_that_was_set_is_believed_at_once():
    remote = RemoteClock(None, "", None, lambda: 0.0)
    remote._answered(answer(100.0), 0.0, 0.01)
    remote._answered(answer(51.0), 1.0, 1.01)
    least, most = remote.ahead(1.01)
    assert (least, most) == pytest.approx((49.99, 50.0))


@pytest.mark.parametrize("body", [b"", b"junk", b"\xc1", msgspec.msgpack.encode({"ok": True}), answer(float("nan"))])
def test_an_answer_that_tells_no_time_leaves_it_unknown(body):
    remote = RemoteClock(None, "", None, lambda: 0.0)
    remote._answered(body, 0.0, 0.01)
    assert remote.ahead(0.02) is None


def test_it_is_forgotten_when_no_answer_comes_any_more():
    remote = RemoteClock(None, "", None, lambda: 0.0)
    remote._answered(answer(5.0), 0.0, 0.0)
    assert remote.ahead(FORGET_S - 1) is not None
    assert remote.ahead(FORGET_S + 1) is None


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def remote(context, address, clock):
    with contextlib.closing(RemoteClock(context, address, None, clock)) as remote:
        yield remote


@pytest.fixture
def address(free_address):
    return free_address()


@pytest.fixture
def served(context, address):
    """A control socket 1000 s ahead, in a thread."""
    control = Control(context, address, lambda word: {"state": "live", "t": 1000.0})
    stop = threading.Event()

    def serve():
        while not stop.wait(0.001):
            control.tend()

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    stop.set()
    thread.join()
    control.close()


@pytest.mark.usefixtures("served")
def test_the_control_socket_is_asked(remote, clock, until):
    def known():
        remote.tend(clock.now)
        return remote.ahead(clock.now)

    assert until(known) == (1000.0, 1000.0)
    clock.now = 2 * ASK_S  # it asks again; the clock there still says 1000
    assert until(lambda: known()[1] == pytest.approx(1000.0 - 2 * ASK_S))


def test_a_lost_answer_is_asked_for_anew(remote, clock, context, address):
    socket = context.socket(zmq.ROUTER)
    socket.bind(address)
    remote.tend(clock.now)
    assert socket.poll(5000)
    first, *_ = socket.recv_multipart()
    clock.now = ANSWER_S + 1
    remote.tend(clock.now)
    remote.tend(clock.now)
    assert socket.poll(5000)
    second, *_ = socket.recv_multipart()
    assert first != second  # another connection: the answer to the first question cannot be taken for one to this
    for client, t in ((first, 1.0), (second, 7.0)):
        socket.send_multipart([client, b"", answer(t)])
    for _ in itertools.takewhile(lambda _: remote.ahead(clock.now) is None, range(500)):
        remote.tend(clock.now)
        threading.Event().wait(0.01)
    assert remote.ahead(clock.now) == (7.0 - clock.now, 7.0 - clock.now)


def test_it_never_waits_where_nobody_answers(remote, clock):
    for step in range(1000):
        clock.now = 0.01 * step
        remote.tend(clock.now)
    assert remote.ahead(clock.now) is None
