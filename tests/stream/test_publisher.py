"""The publisher on loopback: newcomers are seen, numbers have no holes, a taken address is refused and left alone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import msgspec
import pytest
import zmq

from myodrive.stream.control import Control
from myodrive.stream.errors import AddressError
from myodrive.stream.messages import Drive, Spikes
from myodrive.stream.publisher import AT_ONCE, HIGH_WATER, Publisher
from myodrive.tools.hostile_files import resident_bytes

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


def test_a_flood_of_subscriptions_takes_only_a_share_of_the_loops_time_and_is_not_kept(publisher, context):
    flood = context.socket(zmq.XSUB)
    flood.setsockopt(zmq.SNDHWM, 0)
    flood.connect(publisher.address)
    for number in range(1000):
        flood.send(b"\x01nothing of ours %d" % number)
    flood.send(b"\x01drive/")
    calls, end = 0, time.monotonic() + 5
    while not publisher.wanted("drive") and time.monotonic() < end:
        calls += publisher.newcomers() is not None
    assert publisher.wanted("drive")
    assert calls >= 1000 / AT_ONCE
    assert len(publisher._prefixes) == 1


SIGNATURE = b"\xff\0\0\0\0\0\0\0\x01\x7f"  # of all versions of ZMTP but the first


def turned_away(address, sent):
    """Whether the connection that brought these bytes is closed from the other side, long before its time is up."""
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=3) as raw:
        try:
            raw.sendall(sent)
            while raw.recv(256):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",  # a browser
        b"\x01\0" + b"\x01\0" * 20,  # libzmq of 2010, and whoever is taken for it
        SIGNATURE + b"\x01\x02" + b"\0" * 20,  # libzmq 3
        SIGNATURE + b"\x03\0" + b"CURVE".ljust(20, b"\0") + b"\0" * 32,
        *(bytes([number]) * 200 for number in (0, 1, 2, 22, 127, 254, 255)),
    ],
)
def test_who_does_not_speak_our_zeromq_is_turned_away_and_subscribes_to_nothing(publisher, context, free_address, sent):
    assert turned_away(publisher.address, sent)
    time.sleep(0.01)
    assert publisher.newcomers() is None
    assert not publisher.wanted("drive")
    control = Control(context, free_address(), lambda word: {})
    try:
        assert turned_away(control._socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0"), sent)
    finally:
        control.close()


def test_bytes_that_are_no_zeromq_disturb_no_subscriber(publisher, subscribe):
    reader = subscribe(publisher.address, "drive/")
    arrivals(publisher)
    port = int(publisher.address.rpartition(":")[2])
    for number in range(50):
        with socket.create_connection(("127.0.0.1", port)) as raw, contextlib.suppress(OSError):
            raw.sendall(bytes([number]) * 200)
    publisher.newcomers()
    publisher.send("drive", drive(), 1.0)
    assert isinstance(reader.receive(), Drive)


STRANGERS = """
import contextlib, socket, sys, zmq
from myodrive.stream.publisher import Publisher

port = int(sys.argv[1].rpartition(":")[2])
for _ in range(150):
    context = zmq.Context()
    publisher = Publisher(context, sys.argv[1], "emg", "session")
    for number in range(50):
        with socket.create_connection(("127.0.0.1", port)) as raw, contextlib.suppress(OSError):
            raw.sendall(bytes([number]) * 200)
    publisher.close()
    context.term()
"""


def test_strangers_at_the_door_while_it_is_closed_do_not_end_the_process(free_address):
    """They did: libzmq found that a subscription it had made up for them could not be handed over."""
    done = subprocess.run([sys.executable, "-c", STRANGERS, free_address()], capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_stream_with_a_very_long_name_can_be_subscribed_to(context, free_address, subscribe):
    address = free_address()
    publisher = Publisher(context, address, "ä" * 700, "s")
    try:
        reader = subscribe(address, "drive/" + "ä" * 700)
        assert arrivals(publisher)
        publisher.send("drive", drive(), 1.0)
        assert isinstance(reader.receive(), Drive)
    finally:
        publisher.close()


def test_a_subscription_beyond_any_length_costs_its_sender_the_connection(publisher, context, subscribe):
    greedy = context.socket(zmq.XSUB)
    greedy.connect(publisher.address)
    greedy.send(b"\x01" + b"x" * 100_000)
    reader = subscribe(publisher.address, "drive/")
    assert arrivals(publisher) == {"drive/"}
    publisher.send("drive", drive(), 1.0)
    assert isinstance(reader.receive(), Drive)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
def test_stopped_subscribers_cost_little_memory_and_count_what_they_lost(publisher):
    each, sent, later = 10, 20_000, 20
    long = Drive(
        rate=[1.0] * 100, cst=1.0, command=0.1, source="units", delay_s=0.08, envelope=1.0, valid=True
    )  # 1 kB: more in all than the system's buffers hold
    command = [sys.executable, "-m", "myodrive.tools.many_subscribers", publisher.address, str(each)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        end = time.monotonic() + 5
        while not publisher.wanted("drive") and time.monotonic() < end:
            publisher.newcomers()
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGSTOP)
        before = resident_bytes(os.getpid())
        for number in range(sent):
            publisher.send("drive", long, 0.0)
            if number % 100 == 99:
                time.sleep(0.001)
        assert resident_bytes(os.getpid()) - before < each * HIGH_WATER * 1200 + (8 << 20)
        process.send_signal(signal.SIGCONT)
        for _ in range(later):  # the message after a hole shows the hole
            time.sleep(0.1)
            publisher.send("drive", long, 0.0)
        found = msgspec.json.decode(process.communicate(timeout=30)[0])
    finally:
        process.kill()
        process.communicate()
    assert found["missed"] > 0
    assert found["received"] + found["missed"] == each * (sent + later)


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
