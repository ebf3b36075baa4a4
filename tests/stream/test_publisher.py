"""The publisher on loopback: newcomers are seen, numbers have no holes, a taken address is refused and left alone."""

import time

import pytest
import zmq

from myodrive.stream.errors import AddressError
from myodrive.stream.messages import Drive, Spikes
from myodrive.stream.publisher import Publisher

STREAM = "amplifier 1"


@pytest.fixture
def publisher(context, free_address):
    address = free_address()
    publisher = Publisher(context, address, STREAM, "session 1")
    publisher.address = address
    yield publisher
    publisher.close()


def drive():
    return Drive(rate=[1.0], cst=1.0, command=0.1, source="units", delay_s=0.08, envelope=1.0, valid=True)


def arrivals(publisher, timeout_s=2.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = publisher.newcomers()
        if found is not None:
            return found
        time.sleep(0.002)
    return None


@pytest.mark.parametrize("prefix", ["", "units/", "status/", "units/" + STREAM])
def test_every_new_subscription_is_seen_once(publisher, subscribe, prefix):
    assert publisher.newcomers() is None
    first = subscribe(publisher.address, prefix)
    assert arrivals(publisher) == {prefix}
    assert publisher.newcomers() is None
    second = subscribe(publisher.address, prefix)  # a second subscriber with the same prefix is a newcomer too
    assert arrivals(publisher) == {prefix}
    assert first is not second  # both are kept open until here


def test_a_message_arrives_under_its_topic_stamped_with_number_session_and_time(publisher, subscribe):
    reader = subscribe(publisher.address, "drive/")
    arrivals(publisher)
    publisher.send("drive", drive(), 12.5)
    message = reader.receive()
    assert reader.topics == [b"drive/amplifier 1"]
    assert (message.v, message.seq, message.session, message.t_pub) == (1, 0, "session 1", 12.5)


def test_numbers_count_per_topic_without_holes(publisher, subscribe):
    reader = subscribe(publisher.address, "")
    arrivals(publisher)
    for i in range(300):
        publisher.send("drive", drive(), float(i))
        if i % 3 == 0:
            publisher.send("spikes", Spikes(unit=[0], spike_sample=[i], spike_t=[0.0], margin=[1.0]), float(i))
    reader.until(lambda message: isinstance(message, Drive) and message.seq == 299)
    assert [message.seq for message in reader.of(Drive)] == list(range(300))
    assert [message.seq for message in reader.of(Spikes)] == list(range(100))
    assert publisher.dropped == 0


def test_numbers_go_on_while_nobody_listens(publisher, subscribe):
    for _ in range(5):
        publisher.send("drive", drive(), 0.0)
    reader = subscribe(publisher.address, "drive/")
    arrivals(publisher)
    publisher.send("drive", drive(), 0.0)
    assert reader.receive().seq == 5


def test_a_subscriber_gets_only_what_it_asked_for(publisher, subscribe):
    reader = subscribe(publisher.address, "spikes/")
    arrivals(publisher)
    publisher.send("drive", drive(), 0.0)
    publisher.send("spikes", Spikes(unit=[0], spike_sample=[1], spike_t=[0.0], margin=[1.0]), 0.0)
    assert isinstance(reader.receive(), Spikes)
    assert reader.receive(0.05) is None


def test_a_kind_is_wanted_while_somebody_subscribes_to_it(publisher, context):
    reader = context.socket(zmq.SUB)
    reader.subscribe("emg/")
    reader.connect(publisher.address)
    arrivals(publisher)
    assert publisher.wanted("emg")
    assert not publisher.wanted("drive")
    reader.close()
    end = time.monotonic() + 2
    while publisher.wanted("emg") and time.monotonic() < end:
        publisher.newcomers()
        time.sleep(0.01)
    assert not publisher.wanted("emg")


def test_a_subscriber_that_does_not_read_holds_up_nobody(publisher, subscribe, context):
    stopped = context.socket(zmq.SUB)
    stopped.setsockopt(zmq.RCVHWM, 1)
    stopped.subscribe("")
    stopped.connect(publisher.address)
    reader = subscribe(publisher.address, "drive/")
    time.sleep(0.1)
    publisher.newcomers()
    for i in range(20_000):
        publisher.send("drive", drive(), 0.0)
        if i % 200 == 199:
            reader.until(lambda message, last=i: message.seq == last)
    assert [message.seq for message in reader.kept] == list(range(20_000))


def test_a_taken_address_is_refused_and_nothing_stays_bound(context, free_address):
    address = free_address()
    holder = context.socket(zmq.REP)
    holder.bind(address)
    with pytest.raises(AddressError, match="in use"):
        Publisher(context, address, STREAM, "s")
    holder.close()
    time.sleep(0.05)
    Publisher(context, address, STREAM, "s").close()


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "tcp://999.1.1.1:5570", ""]
)
def test_what_is_no_address_is_refused_with_an_example(context, address):
    with pytest.raises(AddressError, match="tcp://"):
        Publisher(context, address, STREAM, "s")
