"""A reader that notices what it missed, on a publisher of the test's own."""

from contextlib import closing

import msgspec
import pytest
import zmq

from myodrive.stream.errors import AddressError
from myodrive.stream.messages import Spikes
from myodrive.tools.subscriber import Subscriber, ask


@pytest.fixture
def publisher(address):
    """Send messages on `address`; the socket and a way to wait for the subscriber."""
    with zmq.Context() as context:
        socket = context.socket(zmq.XPUB)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(address)
        yield socket
        socket.close(linger=0)


@pytest.fixture
def subscriber(publisher, address):
    with closing(Subscriber(address, ("spikes/",))) as reader:
        assert publisher.poll(5000)  # the subscription has come
        publisher.recv()
        yield reader


def spikes(seq, session="a", **fields):
    return Spikes(seq=seq, session=session, unit=[1], spike_sample=[5], spike_t=[0.1], margin=[1.0], **fields)


def send(publisher, message, topic=b"spikes/emg"):
    body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    publisher.send_multipart([topic, body])


def test_messages_come_with_their_kind(publisher, subscriber):
    send(publisher, spikes(4))
    kind, message = subscriber.receive(5.0)
    assert kind == "spikes"
    assert message == spikes(4)
    assert subscriber.missed == {}  # what went before it joined is not missed


@pytest.mark.parametrize(("numbers", "missed"), [([0, 1, 2], 0), ([0, 3], 2), ([5, 7, 8, 12], 4)])
def test_holes_in_the_numbers_are_counted(publisher, subscriber, numbers, missed):
    for number in numbers:
        send(publisher, spikes(number))
    for _ in numbers:
        assert subscriber.receive(5.0)
    assert sum(subscriber.missed.values()) == missed


def test_a_new_session_begins_to_count_anew(publisher, subscriber):
    for message in (spikes(100), spikes(0, "b"), spikes(1, "b")):
        send(publisher, message)
        assert subscriber.receive(5.0)
    assert sum(subscriber.missed.values()) == 0


def test_topics_are_counted_apart(publisher, subscriber):
    for topic in (b"spikes/a", b"spikes/b"):
        send(publisher, spikes(7), topic)
        assert subscriber.receive(5.0)
    assert sum(subscriber.missed.values()) == 0


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"junk", msgspec.msgpack.encode(spikes(0, v=9))])
def test_damaged_messages_are_counted_and_left_out(publisher, subscriber, body):
    send(publisher, body)
    assert subscriber.receive(5.0) is None
    assert subscriber.damaged == 1
    send(publisher, spikes(0))
    assert subscriber.receive(5.0)


def test_nothing_in_time_is_none(subscriber):
    assert subscriber.receive(0.0) is None
    assert subscriber.damaged == 0


@pytest.mark.parametrize("where", ["", "nonsense", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "x://y:1"])
def test_what_is_no_address_is_refused(where):
    with pytest.raises(AddressError, match="cannot be connected to"):
        Subscriber(where)


def test_nobody_there_gives_no_answer(address):
    assert ask(address, "ping", 0.1) is None
