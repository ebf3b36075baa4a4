"""`myodrive dashboard` as a user starts it."""

import os
import signal
import socket
import urllib.request

import msgspec
import pytest


@pytest.fixture
def started(process, address):
    """The command, begun, and what it said first."""
    one = process("dashboard", "--connect", address, "--port", "0", "--no-open", "--json")
    return one, msgspec.json.decode(one.stdout.readline())


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return answer.status, answer.read()


def test_it_says_where_the_page_is_and_ends_in_order(started, address):
    one, said = started
    assert said["connect"] == address
    assert fetch(said["url"])[0] == 200
    one.send_signal(signal.SIGTERM)
    out, err = one.communicate(timeout=20)
    assert (one.returncode, out, err) == (0, b"", b"")


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no niceness")
def test_it_leaves_the_processor_to_the_pipeline(started):
    assert os.getpriority(os.PRIO_PROCESS, started[0].pid) >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)


def test_a_port_that_is_taken_is_one_sentence(process, started, address):
    port = started[1]["url"].rstrip("/").rpartition(":")[2]
    other = process("dashboard", "--connect", address, "--port", port, "--no-open")
    out, err = other.communicate(timeout=20)
    assert other.returncode == 1
    assert out == b""
    lines = err.decode().splitlines()
    assert len(lines) == 1
    assert f"port {port}" in lines[0]
    assert "--port" in lines[0]


def test_a_taken_port_of_the_other_loopback_is_refused_too(myodrive, address):
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        other.listen()
        port = other.getsockname()[1]
        assert myodrive("dashboard", "--connect", address, "--port", port, "--no-open").refused(f"port {port}")


@pytest.mark.parametrize("where", ["nonsense", "", "tcp://127.0.0.1:99999"])
def test_what_is_no_address_is_refused(myodrive, where):
    assert myodrive("dashboard", "--connect", where, "--port", "0", "--no-open").refused("cannot be connected to")


def test_keys_that_are_not_there_are_refused(myodrive, tmp_path):
    assert myodrive("dashboard", "--curve", tmp_path, "--port", "0", "--no-open").refused("myodrive keys")


@pytest.mark.parametrize("port", ["-1", "65536", "web"])
def test_what_is_no_port_is_wrong_usage(myodrive, port):
    assert myodrive("dashboard", "--port", port).wrong_usage("error:")


def test_a_key_that_is_turned_away_ends_it_with_the_reason(process, myodrive, tmp_path, address, decoder_path, unique):
    keys, stranger = tmp_path / "keys", tmp_path / "stranger"
    assert myodrive("keys", keys).code == 0
    assert myodrive("keys", tmp_path / "others").code == 0
    assert myodrive("keys", tmp_path / "others", "--client", "wrist").code == 0
    found = next((tmp_path / "others").rglob("wrist/client.secret")).parent
    found.rename(stranger)
    (stranger / "server.key").write_bytes((keys / "server.key").read_bytes())
    process("run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--curve", keys)
    one = process("dashboard", "--connect", address, "--curve", stranger, "--port", "0", "--no-open")
    _, err = one.communicate(timeout=60)
    assert one.returncode == 1
    assert "turns this key away" in err.decode().splitlines()[-1]


@pytest.mark.slow
def test_the_demo_can_show_it(process, muscle_path):
    demo = process("demo", "--dashboard", "--seconds", "4", "--recording", muscle_path)
    line = next(line for line in iter(demo.stderr.readline, b"") if b"http://" in line).decode()
    url = next(word for word in line.split() if word.startswith("http://")).rstrip(";")
    assert fetch(url)[0] == 200
    _, err = demo.communicate(timeout=90)
    assert demo.returncode == 0, err
    with pytest.raises(OSError):
        fetch(url)
