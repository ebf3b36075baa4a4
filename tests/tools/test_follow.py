"""The virtual hand: it follows no faster than its motor, opens in doubt, and knows how late it is."""

import itertools

import msgspec
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.client import STALE_S, Client
from myodrive.stream.messages import Drive
from myodrive.tools.follow import PERIOD_S, Hand, drawn, follow


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def publisher(address):
    with zmq.Context() as context:
        socket = context.socket(zmq.XPUB)
        socket.bind(address)
        yield socket
        socket.close(linger=0)


@pytest.fixture
def client(publisher, address, clock):
    with Client(address, ["drive/"], clock=clock) as client:
        assert publisher.poll(5000)
        publisher.recv()
        yield client


def send(publisher, seq, command, t_pub, t=None, valid=True):
    message = Drive(
        seq=seq, t_pub=t_pub, t=t_pub if t is None else t, rate=[], cst=0.0, command=command, source="units",
        delay_s=0.08, envelope=0.0, valid=valid,
    )  # fmt: skip
    publisher.send_multipart([b"drive/emg", msgspec.msgpack.encode(message)])


def arrived(client, until, seq):
    return until(lambda: client.drain() >= 0 and (found := client.newest(Drive)) is not None and found.seq == seq)


@given(commands=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30), closing=st.floats(0.01, 10))
def test_a_hand_never_moves_faster_than_its_motor_and_never_too_far(commands, closing):
    hand = Hand(closing)
    for command, seconds in commands:
        before = hand.closed
        hand.move(command, seconds)
        assert abs(hand.closed - before) <= seconds / closing * (1 + 1e-9) + 1e-12
        low, high = sorted((before, command))
        assert low - 1e-12 <= hand.closed <= high + 1e-12


def turns(count):
    """Stop after so many turns."""
    numbers = itertools.count()
    return lambda: next(numbers) >= count


def test_it_closes_opens_when_nothing_comes_and_says_how_late_it_was(client, publisher, clock, until):
    hand = Hand(0.1)
    send(publisher, 0, 1.0, t_pub=clock.now - 0.002, t=clock.now - 0.005)
    assert arrived(client, until, 0)
    followed = follow(client, hand, stop=turns(150), clock=clock, sleep=clock.sleep)
    assert hand.closed == 1.0
    assert (followed.acted, followed.stops) == (1, 0)
    assert followed.delay.summary().p50 == pytest.approx(5.0, rel=0.1)
    assert followed.group_delay_s == 0.08

    followed = follow(client, hand, stop=turns(round((STALE_S + 0.2) / PERIOD_S)), clock=clock, sleep=clock.sleep)
    assert hand.closed == 0.0
    assert followed.stops == 1


def test_an_invalid_drive_is_not_acted_on(client, publisher, clock, until):
    hand = Hand()
    send(publisher, 0, 1.0, t_pub=clock.now, valid=False)
    assert arrived(client, until, 0)
    followed = follow(client, hand, stop=turns(50), clock=clock, sleep=clock.sleep)
    assert (hand.closed, followed.acted, followed.turns) == (0.0, 0, 50)


def test_a_turn_comes_every_period_and_a_late_one_makes_no_others_hurry(client, clock):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        clock.now += seconds + (0.5 if len(slept) == 10 else 0.0)

    follow(client, Hand(), stop=turns(20), clock=clock, sleep=sleep)
    assert slept == pytest.approx([PERIOD_S] * 10 + [0.0] + [PERIOD_S] * 9, abs=1e-9)


@pytest.mark.parametrize(("closed", "filled"), [(0.0, 0), (0.5, 20), (1.0, 40)])
def test_the_hand_is_one_line_of_one_length(closed, filled):
    hand = Hand()
    hand.closed = closed
    line = drawn(hand, closed, "")
    assert line.count("█") == filled
    assert "\n" not in line
    assert len(line) == len(drawn(Hand(), 0.0, ""))
