"""A client of the test's own publisher: what it keeps, what it counts, and when it does not act."""

import math
from contextlib import closing

import msgspec
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.client import FUTURE_S, STALE_S, Client
from myodrive.stream.errors import AddressError
from myodrive.stream.messages import Drive, Spikes


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def __call__(self):
        return self.now


class Sender:
    """A publisher that sends any message under any number."""

    def __init__(self, context, address):
        self.address = address
        self._socket = context.socket(zmq.XPUB)
        self._socket.bind(address)

    def joined(self):
        """Wait for a subscription."""
        assert self._socket.poll(5000)
        return self._socket.recv()

    def send(self, message, topic=None):
        kind = {Drive: b"drive/emg", Spikes: b"spikes/emg"}
        body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
        self._socket.send_multipart([topic or kind[type(message)], body])


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sender(context, free_address):
    return Sender(context, free_address())


@pytest.fixture
def client(sender, clock):
    with Client(sender.address, ["drive/", "spikes/"], clock=clock) as client:
        sender.joined()
        sender.joined()
        yield client


def drive(seq=0, command=0.5, t_pub=100.0, valid=True, session="a", source="units", **fields):
    return Drive(
        seq=seq, session=session, t_pub=t_pub, rate=[10.0], cst=10.0, command=command, source=source, delay_s=0.08,
        envelope=1.0, valid=valid, **fields,
    )  # fmt: skip


def spikes(seq=0, session="a"):
    return Spikes(seq=seq, session=session, unit=[1], spike_sample=[5], spike_t=[0.1], margin=[1.0])


def drained(client, until, count):
    """Take in `count` messages, which are on their way."""
    taken = [0]

    def more():
        taken[0] += client.drain()
        return taken[0] >= count

    assert until(more)
    return client


# a command to follow


def test_before_the_first_message_the_command_is_0(client):
    assert client.command() == 0.0
    assert "no drive message" in client.why_not()


def test_the_command_is_that_of_the_newest_drive(client, sender, until):
    for seq, command in enumerate((0.1, 0.9, 0.4)):
        sender.send(drive(seq, command))
    assert drained(client, until, 3).command() == 0.4
    assert client.why_not() == ""
    assert client.skipped == 2


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (drive(valid=False), "not valid"),
        (drive(t_pub=100.0 - STALE_S), "old"),
        (drive(t_pub=0.0), "old"),
        (drive(t_pub=100.0 + 2 * FUTURE_S), "ahead"),
        (drive(t_pub=1e9), "ahead"),
        (drive(t_pub=math.nan), ""),
        (drive(t_pub=-math.inf), "old"),
        (drive(command=math.nan), "no number"),
        (drive(command=1.5), "no number"),
        (drive(command=-0.1), "no number"),
        (drive(valid=False, source="envelope"), "not valid"),
    ],
)
def test_what_must_not_be_acted_on_is_0(client, sender, until, message, why):
    sender.send(message)
    assert drained(client, until, 1).command() == 0.0
    assert why in client.why_not()


def test_silence_is_not_intent(client, sender, until, clock):
    sender.send(drive(command=1.0))
    assert drained(client, until, 1).command() == 1.0
    clock.now += 0.9 * STALE_S
    assert client.command() == 1.0
    clock.now += 0.2 * STALE_S
    assert client.command() == 0.0
    assert client.silence_s() == pytest.approx(1.1 * STALE_S)
    sender.send(drive(1, 0.7, t_pub=clock.now))
    assert drained(client, until, 1).command() == 0.7


def test_a_publisher_whose_clock_is_a_little_ahead_cannot_prolong_a_command(client, sender, until, clock):
    sender.send(drive(t_pub=clock.now + FUTURE_S))
    assert drained(client, until, 1).command() == 0.5
    clock.now += STALE_S  # by t_pub it is younger
    assert client.command() == 0.0


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf, 0.0, 1e12])
def test_a_senseless_now_is_never_acted_on(client, sender, until, now):
    sender.send(drive())
    drained(client, until, 1)
    assert client.command(now) == (0.5 if now < 100 else 0.0)  # an earlier one is that of the reading


@given(age=st.floats(-1.0, 1.0), held=st.floats(0.0, 1.0))
def test_only_what_is_young_by_both_measures_is_fresh(age, held):
    clock = Clock()
    with Client("tcp://127.0.0.1:9", ["drive/"], clock=clock) as client:
        message = drive(t_pub=clock.now - age)
        client._newest[Drive] = message
        client._taken[Drive] = clock.now
        clock.now += held
        assert client.fresh(message) == (-FUTURE_S <= clock.now - message.t_pub < STALE_S and clock.now - 100 < STALE_S)


def test_the_envelope_is_followed_only_where_it_is_asked_for(sender, clock, until):
    with Client(sender.address, ["drive/"], clock=clock, fallback=True) as client:
        sender.joined()
        sender.send(drive(valid=False, source="envelope"))
        assert drained(client, until, 1).command() == 0.5
        sender.send(drive(1, valid=False, source="none"))
        assert drained(client, until, 1).command() == 0.0


def test_a_restart_is_told_and_what_the_old_session_wanted_is_forgotten(client, sender, until):
    sender.send(drive(7, 0.9))
    assert drained(client, until, 1).command() == 0.9
    sender.send(spikes(0, "b"))
    assert drained(client, until, 1).command() == 0.0
    assert (client.session, client.restarts) == ("b", 1)
    sender.send(drive(3, 0.2, session="b"))
    assert drained(client, until, 1).command() == 0.2
    assert not client.missed


def test_after_a_pause_the_command_is_of_now_or_0(client, sender, until, clock):
    for seq in range(3000):
        sender.send(drive(seq, 1.0, t_pub=100.0 + 0.01 * seq))
    clock.now = 130.0
    last = 2999
    found = []

    def caught_up():
        found.append(client.command())
        return client.newest(Drive) is not None and client.newest(Drive).seq == last

    caught = until(caught_up, 5.0)
    clock.now = 130.0
    young = [client.newest(Drive).t_pub > clock.now - STALE_S]
    assert set(found[:-1]) <= {0.0, 1.0}
    assert (found[-1] == 1.0) == (caught and young[0])
    assert client.skipped + sum(client.missed.values()) > 1000


# another machine's clock


class Elsewhere:
    """A clock whose difference from ours is known, or not."""

    def __init__(self, ahead):
        self.known = ahead

    def tend(self, now):
        """There is nobody to ask."""

    def ahead(self, now):
        return self.known

    def forget(self):
        self.known = None

    def close(self):
        """Nothing is open."""


@pytest.fixture
def far(sender, clock):
    with Client(sender.address, ["drive/"], clock=clock, same_clock=False) as client:
        client._remote.close()
        client._remote = Elsewhere((4999.9, 5000.0))
        sender.joined()
        yield client


def test_age_is_told_on_the_clock_of_the_pipeline(far, sender, until, clock):
    sender.send(drive(t_pub=5100.0 - 0.05))
    assert drained(far, until, 1).command() == 0.5
    assert far.age_s(far.newest(Drive)) == pytest.approx(0.05)
    sender.send(drive(1, t_pub=5100.0 - STALE_S - 0.01))
    assert drained(far, until, 1).command() == 0.0
    sender.send(drive(2, t_pub=100.0))
    assert drained(far, until, 1).command() == 0.0


def test_while_the_other_clock_is_unknown_the_command_is_0(far, sender, until):
    far._remote.known = None
    sender.send(drive(t_pub=5100.0))
    assert drained(far, until, 1).command() == 0.0
    assert "clock" in far.why_not()


def test_after_a_restart_the_other_clock_is_asked_anew(far, sender, until):
    sender.send(drive(t_pub=5100.0))
    assert drained(far, until, 1).command() == 0.5
    sender.send(drive(t_pub=5100.0, session="b"))
    assert drained(far, until, 1).command() == 0.0


@pytest.mark.parametrize(
    ("address", "same_clock", "asks"),
    [
        ("tcp://127.0.0.1:9", None, False),
        ("tcp://localhost:9", None, False),
        ("tcp://127.0.0.1:9", False, True),
        ("tcp://192.0.2.1:9", None, True),
        ("tcp://192.0.2.1:9", True, False),
    ],
)
def test_the_clock_is_asked_of_other_machines_only(address, same_clock, asks):
    with Client(address, same_clock=same_clock) as client:
        assert (client._remote is not None) == asks


# what came


def test_waiting_gives_all_that_came_in_order(client, sender, until):
    for seq in range(5):
        sender.send(drive(seq))
        sender.send(spikes(seq))
    got = []
    assert until(lambda: got.extend(client.waiting()) or len(got) == 10)
    assert [(kind, message.seq) for kind, message in got] == [(k, n) for n in range(5) for k in ("drive", "spikes")]
    assert client.skipped == 0
    assert list(client.waiting()) == []


def test_holes_are_counted_however_the_messages_are_read(client, sender, until):
    for seq in (0, 1, 4, 5, 9):
        sender.send(drive(seq))
    drained(client, until, 5)
    assert client.missed == {"drive/emg": 5}
    sender.send(drive(12))
    assert client.receive(5.0)[1].seq == 12
    assert client.missed == {"drive/emg": 7}


def test_one_stream_is_not_mixed_up_with_another_whose_name_begins_so(sender, clock, until):
    with Client(sender.address, ["drive/"], stream="emg", clock=clock) as client:
        sender.joined()
        sender.send(drive(0, 0.9), b"drive/emg2")
        sender.send(drive(0, 0.3), b"drive/emg")
        assert drained(client, until, 2).command() == 0.3
        assert client.restarts == 0


def test_junk_is_counted_and_harms_nothing(client, sender, until):
    sender.send(drive(0, 0.6))
    for body in (b"", b"junk", b"\xc1", b"\x80", msgspec.msgpack.encode(drive(1, v=9))):
        sender.send(body, b"drive/emg")
    sender.send(b"x", b"spikes/")
    assert drained(client, until, 7).command() == 0.6
    assert client.damaged == 6


def test_newest_is_of_the_form_asked_for(client, sender, until):
    sender.send(drive(3))
    sender.send(spikes(4))
    drained(client, until, 2)
    assert isinstance(client.newest(Drive), Drive)
    assert client.newest(Spikes).seq == 4


def test_a_flood_cannot_hold_a_controller_up(sender, clock, until):
    with Client(sender.address, ["drive/"], clock=clock, queue=10) as client:
        sender.joined()
        for seq in range(500):
            sender.send(drive(seq))
        taken = []
        assert until(lambda: taken.append(client.drain()) or sum(taken) >= 10)
        assert max(taken) <= 10


def test_a_quiet_turn_of_a_control_loop_allocates_nothing_that_stays(client, sender, until, memory_of):
    sender.send(drive())
    assert drained(client, until, 1).command() == 0.5
    kept, most = memory_of(lambda _: client.command(), 10_000)
    assert kept < 1000
    assert most < 4000


@pytest.mark.parametrize("where", ["", "nonsense", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "x://y:1"])
def test_what_is_no_address_is_refused(where):
    with pytest.raises(AddressError, match="cannot be connected to"):
        Client(where)


def test_it_can_be_closed_twice(free_address):
    with closing(Client(free_address())) as client:
        client.close()
