"""Ports and firewalls."""

import re
import socket
import time

import pytest
import zmq

from myodrive.tools.doctor import ports as p
from myodrive.tools.doctor.interfaces import Interface

LO = Interface("lo", "127.0.0.1", multicast=False)


def levels(seen):
    return [finding.level for finding in p.judge_ports(seen)]


def test_free_ports_and_connections_are_in_order():
    assert levels(p.PortsSeen(connects={"127.0.0.1": True})) == ["ok", "ok"]


def test_no_free_port_is_a_note():
    assert levels(p.PortsSeen(free=1)) == ["note", "ok"]


def test_no_connection_on_loopback_is_a_problem_and_elsewhere_a_note():
    assert levels(p.PortsSeen(connects={"127.0.0.1": False})) == ["problem", "ok"]
    found = p.judge_ports(p.PortsSeen(connects={"127.0.0.1": True, "10.0.0.5": False}))
    assert found[0].level == "note"
    assert "10.0.0.5" in found[0].found


def test_a_port_of_run_that_is_taken_says_how_to_take_another():
    found = p.judge_messages(p.PortsSeen(messages=p.TAKEN))
    assert found.level == "note"
    assert "--bind" in found.remedy
    assert p.judge_messages(p.PortsSeen(messages=p.OURS)).level == "ok"


def test_this_machine_connects_to_itself():
    seen = p.see_ports([LO])
    assert seen.connects in ({"127.0.0.1": True}, {})
    assert 0 <= seen.free <= len(p.LSL_PORTS)


def test_who_has_the_ports_of_run_is_told(monkeypatch, free_address):
    port = int(free_address().rpartition(":")[2])
    monkeypatch.setattr(p, "MESSAGES", port)
    monkeypatch.setattr(p, "CONTROL", port + 1)
    monkeypatch.setattr(p, "CONNECT_S", 0.1)
    assert p.see_ports([]).messages == p.FREE
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
        assert p.see_ports([]).messages == p.TAKEN
    with zmq.Context() as context, context.socket(zmq.ROUTER) as silent:
        silent.linger = 0
        silent.bind(f"tcp://127.0.0.1:{port + 1}")
        assert p.see_ports([]).messages == p.TAKEN


@pytest.mark.parametrize("word", ["ON ", "EIN", "Activé", "ACTIVADO"])
def test_a_windows_firewall_is_seen_in_several_languages(word):
    assert p.of_netsh(f"Domain Profile Settings:\n-----\nState                                 {word}\n")
    assert not p.of_netsh("Domain Profile Settings:\n-----\nState                                 OFF\n")


def test_a_firewall_that_is_on_is_a_note_with_the_ports():
    found = p.judge_firewall(["ufw"])
    assert found.level == "note"
    assert "16571" in found.remedy
    assert p.judge_firewall([]).level == "ok"
    assert isinstance(p.see_firewall(), list)


def test_a_port_whose_pipeline_has_just_ended_is_free(free_address):
    address = free_address()
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher, context.socket(zmq.SUB) as reader:
        publisher.linger = reader.linger = 0
        publisher.bind(address)
        reader.subscribe(b"")
        reader.connect(address)
        while not reader.poll(50):
            publisher.send(b"x")
        publisher.close()
        end = time.monotonic() + 10
        while not p._is_free("127.0.0.1", int(address.rpartition(":")[2])):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_the_other_address_it_names_is_the_one_of_the_guide(repository):
    remedy = p.judge_messages(p.PortsSeen(messages=p.TAKEN)).remedy
    named = re.search(r"--bind tcp://127\.0\.0\.1:\d+", remedy).group()
    assert named in (repository / "tools/guide/trouble.md").read_text("utf-8")
