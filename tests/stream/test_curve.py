"""CURVE on both sockets: who is on the list comes in, anybody else is turned away and counted."""

import contextlib
import os
import shutil
import socket
import time

import msgspec
import pytest
import zmq

from myodrive.stream import curve
from myodrive.stream.client_clock import RemoteClock
from myodrive.stream.curve import (
    ALLOWED,
    CLIENTS,
    LOCAL,
    MOST_CLIENTS,
    AllowedList,
    read_allowed,
    read_client_keys,
    read_key,
    read_server_keys,
)
from myodrive.stream.endpoints import Endpoints, next_port
from myodrive.stream.errors import AddressError, KeysError
from myodrive.tools.keys import make_client, make_server
from myodrive.tools.subscriber import ask

PING = msgspec.msgpack.encode({"do": "ping"})


@pytest.fixture
def folder(tmp_path):
    make_server(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def pipeline(folder, free_address):
    """Endpoints that take CURVE only; a client's request is answered by `tend`."""
    address = free_address()
    endpoints = Endpoints(address, "emg", read_server_keys(folder))
    endpoints.address = address
    yield endpoints
    endpoints.close()


def answer(pipeline, context, keys, timeout_s=3.0):
    """What a client with these keys gets to its ping, None for nothing in time."""
    client = context.socket(zmq.DEALER)
    client.setsockopt(zmq.LINGER, 0)
    if keys is not None:
        keys.secure(client)
    client.connect(next_port(pipeline.address))
    with contextlib.suppress(zmq.Again):  # shut out already: there is nobody to send to
        client.send(PING, zmq.NOBLOCK)
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and not client.poll(5):
        pipeline.control.tend()
    reply = msgspec.msgpack.decode(client.recv()) if client.poll(0) else None
    client.close(linger=0)
    return reply


def refusals(pipeline, more_than=0, timeout_s=3.0):
    end = time.monotonic() + timeout_s
    while pipeline.refused <= more_than and time.monotonic() < end:
        time.sleep(0.01)
    return pipeline.refused


def test_who_is_on_the_list_is_answered(pipeline, folder, context):
    make_client(folder, "wrist")
    for where in (folder, folder / CLIENTS / LOCAL, folder / CLIENTS / "wrist"):
        assert answer(pipeline, context, read_client_keys(where))["ok"] is True
    assert pipeline.refused == 0


def test_who_is_on_the_list_gets_messages(pipeline, folder, context):
    reader = context.socket(zmq.SUB)
    read_client_keys(folder).secure(reader)
    reader.subscribe("status/")
    reader.connect(pipeline.address)
    end = time.monotonic() + 3
    while not pipeline.publisher.newcomers() and time.monotonic() < end:
        time.sleep(0.005)
    pipeline.announce_warming(1.0)
    assert reader.poll(3000)
    assert reader.recv_multipart()[0] == b"status/emg"
    reader.close(linger=0)


def test_who_speaks_plain_gets_nothing_and_is_counted(pipeline, context):
    assert answer(pipeline, context, None, timeout_s=0.3) is None
    assert refusals(pipeline) > 0


def test_a_key_that_is_not_on_the_list_gets_nothing_and_is_counted(pipeline, folder, context):
    stranger = make_client(folder, "stranger")
    (folder / ALLOWED / "stranger.key").unlink()
    assert answer(pipeline, context, read_client_keys(stranger), timeout_s=0.3) is None
    assert refusals(pipeline) > 0


def test_another_servers_key_gets_nothing(pipeline, tmp_path, context):
    other = make_server(tmp_path / "other")
    assert answer(pipeline, context, read_client_keys(other), timeout_s=0.3) is None
    assert refusals(pipeline) > 0


def test_the_list_is_read_anew_for_every_client(pipeline, folder, context):
    assert answer(pipeline, context, read_client_keys(folder))["ok"] is True
    late = read_client_keys(make_client(folder, "late"))
    assert answer(pipeline, context, late)["ok"] is True
    (folder / ALLOWED / "late.key").unlink()
    assert answer(pipeline, context, late, timeout_s=0.3) is None
    assert answer(pipeline, context, read_client_keys(folder))["ok"] is True


def test_a_list_that_vanishes_or_breaks_lets_nobody_else_in(pipeline, folder, context):
    late = read_client_keys(make_client(folder, "late"))
    (folder / ALLOWED / "late.key").write_bytes(os.urandom(5000))
    assert answer(pipeline, context, late, timeout_s=0.3) is None
    assert answer(pipeline, context, read_client_keys(folder))["ok"] is True
    shutil.rmtree(folder / ALLOWED)
    assert answer(pipeline, context, read_client_keys(folder), timeout_s=0.3) is None


@pytest.mark.timeout(60)
def test_a_client_that_is_shut_out_when_the_pipeline_comes_back_waits_for_nothing(folder, free_address, context):
    """Its connection is then gone, and a question sent over it would wait for ever."""
    address, now = free_address(), [0.0]
    remote = RemoteClock(context, next_port(address), read_client_keys(folder), lambda: now[0])

    def live(seconds, done):
        """A pipeline of that address for a while, and a client whose time only the test moves."""
        endpoints = Endpoints(address, "emg", read_server_keys(folder))
        endpoints.control.answer = lambda word: {"state": "live", "t": 1000.0}
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and not done(endpoints):
                endpoints.control.tend()
                remote.tend(now[0])
                time.sleep(0.005)
            return done(endpoints)
        finally:
            endpoints.close()

    with contextlib.closing(remote):
        assert live(10, lambda _: remote.ahead(now[0])) == (1000.0, 1000.0)
        local = folder / ALLOWED / "local.key"
        kept = local.read_bytes()
        local.unlink()
        assert live(10, lambda endpoints: endpoints.refused) > 0
        remote.tend(now[0])
        for _ in range(20):
            now[0] += 2.0  # it is time to ask, again and again
            remote.tend(now[0])
        assert remote.ahead(now[0]) is None
        local.write_bytes(kept)
        now[0] += 2.0
        assert live(10, lambda _: remote.ahead(now[0]))
        least, most = remote.ahead(now[0])  # wider where the question had left before the pipeline was there
        assert least <= 1000.0 - now[0] <= most


@pytest.mark.timeout(60)
def test_one_who_was_shut_out_already_is_told_that_there_is_no_answer(pipeline, folder, monkeypatch):
    (folder / ALLOWED / "local.key").unlink()
    pack = msgspec.msgpack.encode

    def late(message):
        assert refusals(pipeline, more_than=refused) > refused  # between connecting and asking
        time.sleep(0.5)
        return pack(message)

    monkeypatch.setattr("myodrive.tools.subscriber.msgspec.msgpack.encode", late)
    for _ in range(5):  # whether ZeroMQ has noticed when it sends is left to chance
        refused = pipeline.refused
        assert ask(next_port(pipeline.address), "ping", 0.1, read_client_keys(folder)) is None


def test_bytes_that_are_no_zeromq_are_turned_away_from_both_ports(pipeline, folder, context):
    ports = [int(where.rpartition(":")[2]) for where in (pipeline.address, next_port(pipeline.address))]
    rubbish = (b"GET / HTTP/1.1\r\n\r\n", b"\xff" + b"\x00" * 9 + b"\x7f" * 200, os.urandom(2000), b"")
    for port in ports:
        for what in rubbish:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(what)
    assert refusals(pipeline) > 0
    assert answer(pipeline, context, read_client_keys(folder))["ok"] is True


def test_without_keys_a_curve_client_gets_nothing(folder, free_address, context):
    address = free_address()
    endpoints = Endpoints(address, "emg")
    endpoints.address = address
    try:
        assert answer(endpoints, context, read_client_keys(folder), timeout_s=0.3) is None
        assert endpoints.refused == 0
    finally:
        endpoints.close()


def test_a_taken_address_frees_everything_and_the_folder_can_be_used_again(folder, free_address, context):
    address = free_address()
    holder = context.socket(zmq.REP)
    holder.bind(address)
    with pytest.raises(AddressError, match="in use"):
        Endpoints(address, "emg", read_server_keys(folder))
    holder.close()
    Endpoints(free_address(), "emg", read_server_keys(folder)).close()


@pytest.fixture
def reads(monkeypatch):
    """Paths of the keys that were read."""
    seen = []

    def note(path):
        seen.append(path)
        return read_key(path)

    monkeypatch.setattr(curve, "read_key", note)
    return seen


def age(folder, seconds):
    """Make the folder and all its files that much older."""
    for path in (*folder.iterdir(), folder):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_a_list_that_did_not_change_is_read_once(folder, monkeypatch, reads):
    age(folder / ALLOWED, 10)
    monkeypatch.setattr(curve, "SETTLED_S", 0.0)  # the age that counts is also that of the change of times above
    keys = AllowedList(folder / ALLOWED)
    first = keys.read()
    assert len(first) == len(reads) == 1
    for _ in range(5):
        assert keys.read() == first
    assert len(reads) == 1


@pytest.mark.parametrize("settled_s", [0.0, 1e6])
def test_every_change_of_the_list_is_seen(folder, monkeypatch, settled_s):
    monkeypatch.setattr(curve, "SETTLED_S", settled_s)
    allowed = folder / ALLOWED
    keys = AllowedList(allowed)
    local = (allowed / "local.key").read_bytes().strip()
    assert keys.read() == {local}
    late = read_client_keys(make_client(folder, "late")).public
    assert keys.read() == {local, late}
    (allowed / "late.key").unlink()
    assert keys.read() == {local}
    age(allowed, 10)
    assert keys.read() == {local}
    (allowed / "local.key").write_bytes(late + b"\n")  # the folder's own time stays
    assert keys.read() == {late}
    (allowed / "local.key").write_bytes(b"damaged")
    assert keys.read() == set()
    shutil.rmtree(allowed)
    assert keys.read() == set()


def test_a_change_in_the_same_tick_of_the_clock_is_seen(folder):
    path = folder / ALLOWED / "local.key"
    other = read_client_keys(make_client(folder, "late")).public
    (folder / ALLOWED / "late.key").unlink()
    keys = AllowedList(folder / ALLOWED)
    before = path.stat()
    assert other not in keys.read()
    path.write_bytes(other + b"\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert keys.read() == {other}


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_secret_that_others_can_read_is_refused(folder):
    (folder / "server.secret").chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        read_server_keys(folder)


@pytest.mark.parametrize("damage", [b"", b"short", b"~" * 40, b"a" * 41, b"\xff" * 40, b"a" * 100_000])
def test_a_damaged_key_is_refused_in_one_sentence(folder, damage):
    for path, read in (
        (folder / ALLOWED / "local.key", read_server_keys),
        (folder / CLIENTS / LOCAL / "server.key", read_client_keys),
        (folder / "server.secret", read_server_keys),
    ):
        kept = path.read_bytes()
        path.write_bytes(damage)
        with pytest.raises(KeysError, match="holds no key"):
            read(folder)
        path.write_bytes(kept)
    read_server_keys(folder)


def test_a_folder_without_keys_is_refused(tmp_path):
    for read in (read_server_keys, read_client_keys):
        with pytest.raises(KeysError, match="myodrive keys"):
            read(tmp_path)


def test_an_endless_list_is_refused(folder):
    for number in range(MOST_CLIENTS):
        (folder / ALLOWED / f"{number}.key").touch()
    with pytest.raises(KeysError, match=f"{MOST_CLIENTS} at most"):
        read_allowed(folder / ALLOWED)


def test_no_secret_shows_when_keys_are_printed(folder):
    secret = (folder / "server.secret").read_text().strip()
    assert secret not in repr(read_server_keys(folder))
    secret = (folder / CLIENTS / LOCAL / "client.secret").read_text().strip()
    assert secret not in repr(read_client_keys(folder))
