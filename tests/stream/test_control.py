"""The control socket: REQ and DEALER are answered, anything else is refused, and it goes on working."""

import contextlib
import socket
import threading

import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.control import AT_ONCE, FRAMES_AT_ONCE, MAX_FRAME_BYTES, Control
from myodrive.stream.errors import AddressError
from myodrive.tools.hostile_frames import request

PING = msgspec.msgpack.encode({"do": "ping"})


class Served:
    """A control socket tended by a thread, and the words it did."""

    def __init__(self, address):
        self.address = address
        self.done = []
        self._context = zmq.Context()
        self._control = Control(self._context, address, self._answer)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tend, daemon=True)
        self._thread.start()

    def _answer(self, word):
        self.done.append(word)
        return {"state": "live"}

    def _tend(self):
        while not self._stop.wait(0.001):
            self._control.tend()

    def close(self):
        self._stop.set()
        self._thread.join(5)
        assert not self._thread.is_alive(), "the control socket's thread does not end"
        self._control.close()
        self._context.term()


@pytest.fixture(scope="module")
def served(free_address):
    served = Served(free_address())
    yield served
    served.close()


@pytest.fixture(scope="module")
def dealer(served):
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(served.address)
    yield socket
    context.destroy(linger=0)


def exchange(socket, frames):
    socket.send_multipart(frames)
    assert socket.poll(3000), "no answer"
    return socket.recv_multipart()


def test_a_req_client_is_answered(served, ask):
    assert ask(served.address, "ping") == {"ok": True, "state": "live"}


def test_a_dealer_is_answered_with_and_without_a_delimiter_as_it_asked(dealer):
    assert len(exchange(dealer, [PING])) == 1
    answer = exchange(dealer, [b"", PING])
    assert answer[0] == b""
    assert msgspec.msgpack.decode(answer[1])["ok"] is True


@pytest.mark.parametrize("frames", [[PING, PING], [b"", PING, PING], [PING, b""], [b""], [b"", b""], [b"", b"", PING]])
def test_extra_or_missing_frames_are_refused_and_change_nothing(served, dealer, frames):
    before = list(served.done)
    reply = msgspec.msgpack.decode(exchange(dealer, frames)[-1])
    assert reply["ok"] is False
    assert isinstance(reply["error"], str)
    assert served.done == before


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=1500), min_size=1, max_size=3))
def test_any_bytes_are_answered_and_change_nothing(served, dealer, frames):
    before = list(served.done)
    reply = msgspec.msgpack.decode(exchange(dealer, frames)[-1])
    assert reply["ok"] is False
    assert reply["error"]
    assert served.done == before


def test_after_all_that_it_still_answers(served, dealer):
    for _ in range(3):
        exchange(dealer, [b"\xff" * 1000])
        assert msgspec.msgpack.decode(exchange(dealer, [PING])[0])["ok"] is True


@pytest.mark.parametrize("size", [1025, 4096, 4097, MAX_FRAME_BYTES])
def test_a_long_request_is_answered_that_it_is_too_long(dealer, size):
    reply = msgspec.msgpack.decode(exchange(dealer, [b"x" * size])[-1])
    assert reply == {"ok": False, "error": f"a request of {size} bytes is too long"}


def test_hostile_requests_are_all_refused_and_change_nothing(served, dealer):
    before = list(served.done)
    rng = np.random.default_rng(3)
    for _ in range(300):
        reply = msgspec.msgpack.decode(exchange(dealer, request(rng))[-1])
        assert reply["ok"] is False
        assert len(reply["error"]) < 300
    assert served.done == before


def test_a_request_of_very_many_frames_is_refused_and_taken_in_bit_by_bit(context, free_address):
    address = free_address()
    control = Control(context, address, lambda word: {})
    client = context.socket(zmq.DEALER)
    client.connect(address)
    client.send_multipart([PING] * 5000)
    client.send(PING)
    calls = 0
    while not client.poll(1):
        control.tend()
        calls += 1
    assert calls >= 5000 / FRAMES_AT_ONCE
    assert "has 5000" in msgspec.msgpack.decode(client.recv())["error"]
    while not client.poll(1):
        control.tend()
    assert msgspec.msgpack.decode(client.recv())["ok"] is True
    control.close()


def test_bytes_that_are_no_zeromq_and_connections_that_say_nothing_disturb_nobody(served, ask):
    where = "127.0.0.1", int(served.address.rpartition(":")[2])
    with contextlib.ExitStack() as silent:
        for _ in range(100):
            silent.enter_context(socket.create_connection(where))
        for number in range(60):
            with socket.create_connection(where) as raw, contextlib.suppress(OSError):
                raw.sendall(np.random.default_rng(number).bytes(300))
        assert ask(served.address, "ping")["ok"] is True
    assert ask(served.address, "ping")["ok"] is True


def test_a_client_that_never_reads_its_answers_disturbs_nobody(served, ask):
    context = zmq.Context()
    try:
        deaf = context.socket(zmq.DEALER)
        deaf.setsockopt(zmq.RCVHWM, 1)
        deaf.setsockopt(zmq.SNDHWM, 0)
        deaf.connect(served.address)
        for _ in range(3000):
            deaf.send(PING)
        for _ in range(3):
            assert ask(served.address, "ping")["ok"] is True
    finally:
        context.destroy(linger=0)


def test_a_request_beyond_any_size_costs_the_sender_its_connection_and_nobody_else(served, context, ask):
    flood = context.socket(zmq.DEALER)
    flood.connect(served.address)
    flood.send(b"x" * 1_000_000)
    assert not flood.poll(100)
    flood.close(linger=0)
    assert ask(served.address, "status")["ok"] is True


def test_a_client_that_left_before_its_answer_disturbs_nobody(served, context, ask):
    for _ in range(20):
        client = context.socket(zmq.REQ)
        client.connect(served.address)
        client.send(PING)
        client.close(linger=50)
    assert ask(served.address, "ping")["ok"] is True


def test_a_flood_of_requests_takes_only_a_share_of_the_loops_time(context, free_address):
    assert AT_ONCE <= 64
    address = free_address()
    done = []
    control = Control(context, address, lambda word: done.append(word) or {})
    flood = context.socket(zmq.DEALER)
    flood.connect(address)
    for _ in range(500):
        flood.send(PING)
    while not done:
        control.tend()
    assert len(done) <= AT_ONCE
    while len(done) < 500:
        before = len(done)
        control.tend()
        assert len(done) - before <= AT_ONCE
    control.close()


def test_a_taken_address_is_refused_and_nothing_stays_bound(context, free_address):
    address = free_address()
    holder = context.socket(zmq.REP)
    holder.bind(address)
    with pytest.raises(AddressError, match="in use"):
        Control(context, address, lambda word: {})
    holder.close()
    for _ in range(100):
        try:
            Control(context, address, lambda word: {}).close()
            break
        except AddressError:
            threading.Event().wait(0.01)
    else:
        pytest.fail("the address is still bound")
