"""This machine's network interfaces, and which of them may lead LSL astray."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import socket
import struct
import sys
from dataclasses import dataclass

from .asking import answer_of
from .finding import Finding, note, ok

LOOPBACK, WIRED, WIRELESS, VPN, VIRTUAL = "loopback", "wired", "wireless", "VPN", "virtual"
KNOWN_PEERS = (
    "write the line `KnownPeers = {ADDRESS OF THE AMPLIFIER'S MACHINE}` under `[lab]` into ~/lsl_api/lsl_api.cfg"
)
_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915  # Linux's numbers
_UP, _IS_LOOPBACK, _MULTICAST = 0x1, 0x8, 0x1000
_VPN = re.compile(
    r"^(tun|tap|wg|ppp|utun|ipsec|zt|nordlynx)\d*|tailscale|wireguard|openvpn|anyconnect|fortinet|globalprotect|vpn",
    re.IGNORECASE,
)
_VIRTUAL = re.compile(
    r"^(docker|br-|veth|virbr|vmnet|vboxnet|cni|flannel|podman|bridge|lxc|lxd|ifb|dummy|awdl|llw|anpi)"
    r"|vethernet|hyper-v|virtualbox|vmware",
    re.IGNORECASE,
)
_WIRELESS = re.compile(r"^(wl|wlan|ath)|wi-?fi|wireless|wlan", re.IGNORECASE)
_IFCONFIG = re.compile(r"^(\S+?): flags=[0-9a-f]+<([^>]*)>", re.MULTILINE)
_POWERSHELL = (
    "Get-NetIPAddress -AddressFamily IPv4 -AddressState Preferred | Select-Object InterfaceAlias,IPAddress"
    " | ConvertTo-Json -Compress"
)


@dataclass(frozen=True)
class Interface:
    """One that is up and has an IPv4 address."""

    name: str
    address: str
    multicast: bool = True

    @property
    def kind(self) -> str:
        """What sort it is, as far as its name and address tell."""
        if ipaddress.ip_address(self.address).is_loopback:
            return LOOPBACK
        for kind, pattern in ((VPN, _VPN), (VIRTUAL, _VIRTUAL), (WIRELESS, _WIRELESS)):
            if pattern.search(self.name):
                return kind
        return WIRED


def see_interfaces() -> list[Interface]:
    """Those of this machine; empty where the system does not tell."""
    if sys.platform == "linux":
        return _of_linux()
    if sys.platform == "win32":
        return of_powershell(answer_of("powershell", "-NoProfile", "-Command", _POWERSHELL, timeout_s=6.0))
    return of_ifconfig(answer_of("ifconfig", "-a"))


def _of_linux() -> list[Interface]:
    import fcntl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):  # it has no IPv4 address
                flags = struct.unpack("H", fcntl.ioctl(asked, _SIOCGIFFLAGS, request)[16:18])[0]
                address = socket.inet_ntoa(fcntl.ioctl(asked, _SIOCGIFADDR, request)[20:24])
                if flags & _UP:
                    found.append(Interface(name, address, bool(flags & _MULTICAST) and not flags & _IS_LOOPBACK))
    return found


def of_ifconfig(text: str) -> list[Interface]:
    """What ``ifconfig -a`` of macOS and the BSDs says."""
    found = []
    heads = list(_IFCONFIG.finditer(text))
    for head, end in zip(heads, [*(one.start() for one in heads[1:]), len(text)], strict=True):
        flags = head[2].split(",")
        address = re.search(r"\binet (\d+\.\d+\.\d+\.\d+)", text[head.end() : end])
        if address and "UP" in flags:
            found.append(Interface(head[1], address[1], "MULTICAST" in flags and "LOOPBACK" not in flags))
    return found


def of_powershell(text: str) -> list[Interface]:
    """What ``Get-NetIPAddress`` of Windows says as JSON: a list, or one entry alone."""
    try:
        entries = json.loads(text)
    except ValueError:
        return []
    entries = entries if isinstance(entries, list) else [entries]
    found = [Interface(str(one["InterfaceAlias"]), str(one["IPAddress"])) for one in entries]
    return [Interface(one.name, one.address, one.kind != LOOPBACK) for one in found]


def judge_interfaces(seen: list[Interface]) -> Finding:
    """Whether LSL has one network to look for the amplifier on, and no other to be led astray by."""
    name = "network"
    if not seen:
        return note(
            name, "no interface is up that the system tells of, not even 127.0.0.1",
            "switch the network on (Linux: sudo ip link set lo up); if all else here works, nothing is amiss",
        )  # fmt: skip
    real = [one for one in seen if one.kind in (WIRED, WIRELESS)]
    vpns = [one for one in seen if one.kind == VPN]
    virtual = [one for one in seen if one.kind == VIRTUAL]
    found = ", ".join(f"{one.name} {one.address} ({one.kind})" for one in seen)
    if vpns:
        remedy = f"turn the VPN off while you measure; where a stream is not found or does not open, {KNOWN_PEERS}"
        return note(name, f"{found}: LSL may take the VPN for the way to the amplifier", remedy)
    if len(real) > 1:
        remedy = f"turn off those that the amplifier is not on; where a stream is not found, {KNOWN_PEERS}"
        return note(name, f"{found}: LSL asks on each, and may choose an address that does not answer", remedy)
    if virtual:
        remedy = f"where a stream is found but does not open, stop Docker or the virtual machine, or {KNOWN_PEERS}"
        return note(name, f"{found}: LSL asks on virtual interfaces as well", remedy)
    if not real:
        return ok(
            name,
            f"{found}: only streams of this machine can be found",
            "connect the amplifier's network if it is elsewhere",
        )
    return ok(name, found)
