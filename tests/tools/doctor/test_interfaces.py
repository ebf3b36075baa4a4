"""Interfaces as each system tells them, and what is made of them."""

import json

import pytest

from myodrive.tools.doctor import interfaces as n

LO = n.Interface("lo", "127.0.0.1", multicast=False)
ETH = n.Interface("eth0", "192.168.1.5")

IFCONFIG = """lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
\tinet 127.0.0.1 netmask 0xff000000
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether aa:bb:cc:dd:ee:ff
\tinet6 fe80::1%en0 prefixlen 64
\tinet 192.168.1.20 netmask 0xffffff00 broadcast 192.168.1.255
utun3: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1380
\tinet 10.8.0.6 --> 10.8.0.5 netmask 0xffffffff
en5: flags=8822<BROADCAST,SMART,SIMPLEX,MULTICAST> mtu 1500
\tinet 10.0.0.1 netmask 0xff000000
awdl0: flags=8943<UP,BROADCAST> mtu 1500
"""


def test_ifconfig_is_read():
    assert n.of_ifconfig(IFCONFIG) == [
        n.Interface("lo0", "127.0.0.1", False), n.Interface("en0", "192.168.1.20"), n.Interface("utun3", "10.8.0.6"),
    ]  # fmt: skip


def test_powershell_is_read_a_list_or_one():
    entries = [
        {"InterfaceAlias": "Ethernet", "IPAddress": "192.168.1.7"},
        {"InterfaceAlias": "Loopback Pseudo-Interface 1", "IPAddress": "127.0.0.1"},
    ]
    found = n.of_powershell(json.dumps(entries))
    assert [(one.name, one.multicast) for one in found] == [("Ethernet", True), (entries[1]["InterfaceAlias"], False)]
    assert len(n.of_powershell(json.dumps(entries[0]))) == 1
    assert n.of_powershell("") == n.of_powershell("no such command") == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("eth0", n.WIRED), ("enp3s0", n.WIRED), ("Ethernet 2", n.WIRED), ("wlan0", n.WIRELESS), ("wlp2s0", n.WIRELESS),
        ("Wi-Fi", n.WIRELESS), ("tun0", n.VPN), ("wg0", n.VPN), ("utun3", n.VPN), ("tailscale0", n.VPN),
        ("Cisco AnyConnect", n.VPN), ("docker0", n.VIRTUAL), ("br-1f2e", n.VIRTUAL), ("virbr0", n.VIRTUAL),
        ("vEthernet (WSL)", n.VIRTUAL), ("VirtualBox Host-Only Network", n.VIRTUAL), ("veth12ab", n.VIRTUAL),
    ],
)  # fmt: skip
def test_the_kind_of_an_interface_is_told_by_its_name(name, kind):
    assert n.Interface(name, "10.0.0.1").kind == kind


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (n.Interface("wg0", "10.8.0.2"), "VPN"), (n.Interface("wlan0", "192.168.2.5"), "turn off"),
        (n.Interface("docker0", "172.17.0.1"), "Docker"),
    ],
)  # fmt: skip
def test_a_second_way_is_a_note_with_what_to_write_into_the_settings(more, word):
    found = n.judge_interfaces([LO, ETH, more])
    assert found.level == "note"
    assert word in found.remedy
    assert "KnownPeers" in found.remedy
    assert "lsl_api.cfg" in found.remedy


def test_one_network_or_none_is_in_order():
    assert n.judge_interfaces([LO, ETH]).level == "ok"
    assert "only streams of this machine" in n.judge_interfaces([LO]).found


def test_a_system_without_interfaces_is_a_note():
    assert n.judge_interfaces([]).level == "note"


def test_this_machine_has_a_loopback():
    assert "127.0.0.1" in [one.address for one in n.see_interfaces()]
