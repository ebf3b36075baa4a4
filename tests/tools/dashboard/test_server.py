"""The web server: who may read, what can be asked for, and what a slow or rude page costs."""

import contextlib
import json
import socket
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from myodrive.stream.errors import AddressError
from myodrive.tools.dashboard.board import Board
from myodrive.tools.dashboard.files import FOLDER, TYPES
from myodrive.tools.dashboard.server import IN_FLIGHT, LONGEST_WORD, MOST_PAGES, Dashboard


def wish(page, **fields):
    page.send(json.dumps({"wish": {"seen": True, "unit": 0, "column": 0, **fields}}))


def listen(page):
    """Take frames until the page is let go, 200 at most."""
    for _ in range(200):
        page.recv(timeout=5)


@pytest.mark.parametrize("path", ["/", "/index.html", "/main.js", "/style.css", "/main.js?x=1"])
def test_the_page_and_its_files_are_served_with_a_strict_policy(served, path):
    head, body = served.get(path)
    assert head.startswith("HTTP/1.1 200 ")
    assert body
    policy = next(line for line in head.splitlines() if line.startswith("Content-Security-Policy:"))
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "X-Content-Type-Options: nosniff" in head
    assert "Access-Control" not in head


def test_all_files_of_the_page_and_nothing_else_can_be_asked_for(served):
    names = {f"/{file.name}" for file in FOLDER.iterdir()}
    for name in names:
        expected = " 200 " if any(name.endswith(kind) for kind in TYPES) else " 404 "
        assert expected in served.get(name)[0].splitlines()[0], name


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/vendor/../../server.py", "/%2e%2e/server.py", "/page/index.html", "//etc/passwd", "/etc/passwd",
     "/vendor", "/vendor/", "/server.py", "/index.html/", "/\\..\\server.py", "*", "http://127.0.0.1/index.html"],
)  # fmt: skip
def test_what_is_no_file_of_the_page_is_not_found(served, path):
    head, body = served.get(path)
    assert head.startswith("HTTP/1.1 404 ")
    assert b"import" not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", ""]
)
def test_a_name_that_is_not_ours_is_refused_whatever_is_asked(served, host):
    for path in ("/", "/socket", "/main.js"):
        assert served.get(path, host.format(port=served.port))[0].startswith("HTTP/1.1 403 ")


def test_a_request_with_two_hosts_or_none_is_refused(served):
    own = f"127.0.0.1:{served.port}"
    assert served.raw(f"GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil\r\n\r\n".encode())[0].startswith("HTTP/1.1 403 ")
    assert served.raw(b"GET / HTTP/1.1\r\n\r\n")[0].startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "DELETE"])
def test_other_methods_are_refused(served, method):
    assert served.get("/", method=method)[0].startswith(("HTTP/1.1 405 ", "HTTP/1.1 400 "))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "null",
        "http://localhost.evil:{port}",
    ],
)
def test_a_page_of_another_origin_cannot_open_the_socket(served, origin):
    with pytest.raises(InvalidStatus) as refused, served.page(origin.format(port=served.port)):
        pass
    assert refused.value.response.status_code == 403


def test_a_program_that_names_no_origin_cannot_open_the_socket(served):
    key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    head, _ = served.raw(f"GET /socket HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n{key}\r\n\r\n".encode())
    assert head.startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_our_own_page_gets_frames(served, take, name):
    with served.page(f"http://{name}:{served.port}") as page:
        first = take(page)
        assert first["n"] == 0
        assert first["headline"]["word"] == "No pipeline"
        assert take(page)["n"] == 1


def test_it_is_bound_to_loopback_only(served):
    hosts = {one.getsockname()[0] for server in served.dashboard._servers for one in server.sockets}
    assert hosts <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in hosts


def test_a_port_that_is_taken_is_one_sentence(served, address):
    import asyncio

    board = Board(address)
    with pytest.raises(AddressError, match=f"port {served.port} .* --port"):
        asyncio.run(Dashboard(board, served.readers, served.port).open())


def test_emg_and_waveforms_are_asked_for_only_while_a_page_shows_them(served, pipeline, take, until):
    running = pipeline()
    assert until(lambda: running.wanted.get("spikes"))
    assert not running.wanted["emg"]
    with served.page() as page:
        wish(page)
        assert until(lambda: take(page) and running.wanted["emg"] and running.wanted["muaps"])
        assert until(lambda: "emg" in take(page))
        wish(page, seen=False)
        assert until(lambda: take(page) and not running.wanted["emg"])
        assert not running.wanted["muaps"]
        wish(page)
        assert until(lambda: take(page) and running.wanted["emg"])
    assert until(lambda: not running.wanted["emg"])
    assert served.board.missed == 0


def test_a_page_that_takes_nothing_gets_a_few_frames_and_no_more(served, pipeline, take, until):
    pipeline()
    assert until(lambda: served.board.spikes.head > 0)
    with served.page() as slow, served.page() as quick:
        got = [json.loads(slow.recv(timeout=5)) for _ in range(IN_FLIGHT)]
        for _ in range(30):
            take(quick)
        with pytest.raises(TimeoutError):
            slow.recv(timeout=0.2)
        spikes = served.board.spikes.head
        slow.send(json.dumps({"got": got[-1]["n"]}))
        late = json.loads(slow.recv(timeout=5))
        assert late["n"] == IN_FLIGHT  # frames were not made, so none is old
        seen = sum(len(frame.get("spikes", {"t": ()})["t"]) for frame in [*got, late])
        assert seen >= spikes  # and nothing of what happened meanwhile is lacking


def test_a_page_gets_no_more_frames_than_it_wants(served, pipeline, take, until):
    pipeline()
    with served.page() as page:
        assert until(lambda: take(page) and served.board.spikes.head > 0)
        wish(page, rate=5)
        for _ in range(IN_FLIGHT + 2):
            take(page)
        began = time.monotonic()
        for _ in range(5):
            take(page)
        assert time.monotonic() - began > 0.7  # 30 a second would take a sixth of a second


@pytest.mark.parametrize(
    "words", ["nonsense", '{"got": "x"}', '{"do": "stop"}', '{"wish": {"unit": 1e99}}', "[]", b"\x00\xff"]
)
def test_a_page_that_says_what_ours_never_says_is_let_go(served, take, words):
    with served.page() as page:
        take(page)
        page.send(words)
        with pytest.raises(ConnectionClosed):
            listen(page)
    with served.page() as page:
        take(page)


def test_a_word_that_is_too_long_ends_the_page_and_not_the_server(served, take):
    with served.page() as page:
        take(page)
        page.send('{"got": 0}' + " " * LONGEST_WORD)
        with pytest.raises(ConnectionClosed):
            listen(page)
    with served.page() as page:
        take(page)


def test_wishes_for_what_there_is_not_do_no_harm(served, pipeline, take, until):
    pipeline()
    with served.page() as page:
        assert until(lambda: served.board.emg is not None and take(page))
        for unit, column in ((-1, -1), (2**40, 2**40), (3, 10**6)):
            wish(page, unit=unit, column=column)
            for _ in range(5):
                take(page)


def test_pages_beyond_the_most_are_refused(served, take):
    with contextlib.ExitStack() as pages:
        for _ in range(MOST_PAGES):
            take(pages.enter_context(served.page()))
        with pytest.raises(InvalidStatus) as refused, served.page():
            pass
        assert refused.value.response.status_code == 503


def test_it_says_when_the_pipeline_goes_and_goes_on_when_it_comes_back(served, pipeline, take, until):
    first = pipeline()
    with served.page() as page:

        def said():
            frame = take(page)
            return frame.get("headline", {}).get("sentence", "")

        assert until(lambda: "5 motor units" in said())
        first.end()
        assert until(lambda: "ended or cannot be reached" in said())
        pipeline()
        assert until(lambda: "restarted" in said())
        before = served.board.spikes.head
        assert until(lambda: take(page) and served.board.spikes.head > before)


def test_a_connection_that_says_nothing_is_let_go(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began > 1.0  # it was given time


def test_garbage_is_refused_and_forgotten(served, take):
    for garbage in (b"\x00" * 100 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"A" * 20_000 + b"\r\n\r\n"):
        head, _ = served.raw(garbage)
        assert "200" not in head.split("\r\n")[0]
    with served.page() as page:
        take(page)
