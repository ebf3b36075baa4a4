"""Finding our own stream: judged on made-up observations, and tried once on this machine."""

import socket

import pylsl
import pytest

from myodrive.tools.doctor import discovery as d
from myodrive.tools.doctor.interfaces import Interface, see_interfaces
from myodrive.tools.doctor.lsl_settings import kept_quiet

ETH = Interface("eth0", "10.0.0.5")
LO = Interface("lo", "127.0.0.1", multicast=False)
FOUND = d.DiscoverySeen({ETH.address: True}, {ETH.address: True}, 0.1, 0.1, ["amplifier"])


@pytest.mark.parametrize(
    "seen", [d.DiscoverySeen(failure="no answer"), d.DiscoverySeen(), d.DiscoverySeen(found_s=0.1)]
)
def test_a_stream_that_cannot_be_read_is_a_problem_with_the_ports_to_open(seen):
    found = d.judge_finding(seen, [LO, ETH])
    assert found.level == "problem"
    assert "16572-16604" in found.remedy


def test_a_stream_that_is_read_is_in_order_and_others_are_named():
    found = d.judge_finding(FOUND, [LO, ETH])
    assert found.level == "ok"
    assert "amplifier" in found.found


def test_other_streams_are_named_once_with_the_unit_of_those_that_are_signals(unique):
    def outlet(name, number, form, units=()):
        info = pylsl.StreamInfo(f"{unique}-{name}", "EMG", max(1, len(units)), 100.0, form, f"{unique}-{number}")
        channels = info.desc().append_child("channels")
        for unit in units:
            channels.append_child("channel").append_child_value("unit", unit)
        return pylsl.StreamOutlet(info)

    on = [
        outlet("a", 1, pylsl.cf_float32, ["µV", "µV"]),
        outlet("a", 2, pylsl.cf_float32, ["µV"]),
        outlet("b", 3, pylsl.cf_int16),
        outlet("c", 4, pylsl.cf_string),
    ]
    infos = [pylsl.resolve_byprop("source_id", f"{unique}-{number}", timeout=5.0)[0] for number in (1, 2, 3, 4)]
    assert d.named(infos) == [f"{unique}-a (unit µV)", f"{unique}-b (unit -)", f"{unique}-c"]
    assert len(on) == 4


def test_an_interface_without_multicast_is_named_when_nothing_is_found():
    found = d.judge_finding(d.DiscoverySeen(), [LO, Interface("eth1", "10.1.0.5", multicast=False)])
    assert found.level == "note"
    assert "eth1" in found.remedy


def judged(plain, asked, limited=False):
    seen = d.DiscoverySeen({ETH.address: plain}, {ETH.address: asked}, 0.1, 0.1)
    (finding,) = d.judge_multicast(seen, [LO, ETH], limited)
    return finding


def test_multicast_that_works_is_in_order():
    assert judged(True, True).level == "ok"


def test_no_multicast_says_what_to_write_into_the_settings():
    found = judged(False, False)
    assert found.level == "note"
    assert "KnownPeers" in found.remedy
    assert "lsl_api.cfg" in found.remedy


def test_a_closed_search_port_is_told_from_no_multicast():
    found = judged(True, False)
    assert "16571" in found.found
    assert "firewall" in found.remedy


def test_settings_that_close_the_search_are_not_blamed_on_a_firewall():
    assert "firewall" not in judged(True, False, limited=True).remedy


def test_loopback_alone_is_said():
    (finding,) = d.judge_multicast(d.DiscoverySeen(found_s=0.1, opened_s=0.1), [LO], False)
    assert finding.level == "note"
    assert "only streams of this machine" in finding.found


def test_an_address_that_is_not_ours_has_no_multicast():
    assert not d.multicast_arrives("192.0.2.77")
    assert not d.search_is_answered("192.0.2.77", "nobody")


def test_what_asks_leaves_no_machine():
    with d._asking_from("127.0.0.1") as asking:
        assert asking.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 0


def test_a_stream_of_this_machine_is_found_and_read():
    seen = d.see_discovery(see_interfaces(), kept_quiet(), False)
    assert seen.failure == ""
    assert seen.found_s is not None
    assert seen.opened_s is not None
    assert set(seen.plain) == set(seen.asked) == {one.address for one in see_interfaces() if one.multicast}
