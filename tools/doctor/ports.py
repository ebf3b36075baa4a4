"""The ports of LSL and ZeroMQ on this machine's own addresses, and whether a firewall is on."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from dataclasses import dataclass, field

from ..subscriber import ask
from .asking import answer_of, text_of
from .discovery import FIREWALL
from .finding import Finding, note, ok, problem
from .interfaces import Interface

LSL_PORTS = range(16572, 16605)
PORTS_A_STREAM = 2  # one for its description, one for its samples
MESSAGES, CONTROL = 5570, 5571  # what `run` binds by itself
CONNECT_S = 0.5
FREE, OURS, TAKEN = "free", "a pipeline", "another program"


@dataclass(frozen=True)
class PortsSeen:
    """How many of LSL's are free, whether a connection comes about on each own address, and who has `run`'s two."""

    free: int = len(LSL_PORTS)
    connects: dict[str, bool] = field(default_factory=dict)
    messages: str = FREE


def see_ports(interfaces: list[Interface]) -> PortsSeen:
    """Try them; nothing leaves the machine, for it connects to itself."""
    free = [port for port in LSL_PORTS if _is_free("", port)]
    connects = {one.address: _connects(one.address, free) for one in interfaces} if free else {}
    messages = FREE
    if not all(_is_free("127.0.0.1", port) for port in (MESSAGES, CONTROL)):
        messages = OURS if ask(f"tcp://127.0.0.1:{CONTROL}", "ping", CONNECT_S) else TAKEN
    return PortsSeen(len(free), connects, messages)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as one:
        if os.name == "posix":  # as ZeroMQ does, for what has just ended; on Windows it would take a port in use
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            return False
    return True


def _connects(address: str, ports: list[int]) -> bool:
    """Whether a connection to the first of the ports that can be had comes about and carries a byte."""
    for port in ports:
        with socket.socket() as server:
            try:
                server.bind((address, port))
            except OSError:  # taken meanwhile
                continue
            server.settimeout(CONNECT_S)
            server.listen(1)
            with contextlib.suppress(OSError), socket.create_connection((address, port), CONNECT_S) as client:
                accepted, _ = server.accept()
                with accepted:
                    accepted.settimeout(CONNECT_S)
                    client.sendall(b"x")
                    return accepted.recv(1) == b"x"
            return False
    return True  # none could be had: that is another finding


def judge_ports(seen: PortsSeen) -> list[Finding]:
    """Whether streams find room and connections come about."""
    findings = []
    if seen.free < PORTS_A_STREAM:
        remedy = "end LSL programs that are no longer needed; streams beyond them take any port, which firewalls stop"
        findings.append(note("LSL ports", f"{seen.free} of {len(LSL_PORTS)} ports are free (16572-16604)", remedy))
    refused = [address for address, connected in seen.connects.items() if not connected]
    if refused:
        found = f"this machine cannot connect to itself at {', '.join(refused)} on ports 16572-16604"
        here = any(address.startswith("127.") for address in refused)
        findings.append((problem if here else note)("LSL ports", found, FIREWALL))
    if not findings:
        findings.append(ok("LSL ports", f"{seen.free} of {len(LSL_PORTS)} are free, connections come about"))
    return [*findings, judge_messages(seen)]


def judge_messages(seen: PortsSeen) -> Finding:
    """Whether `run` can publish where programs expect it."""
    name = "ports of run"
    if seen.messages == TAKEN:
        remedy = "end that program, or give `run --bind tcp://127.0.0.1:5670` and the same address to its readers"
        return note(name, f"{MESSAGES} or {CONTROL} belongs to another program", remedy)
    if seen.messages == OURS:
        return ok(name, f"a pipeline runs at tcp://127.0.0.1:{MESSAGES}", "a second one needs another --bind")
    return ok(name, f"{MESSAGES} and {CONTROL} are free")


def see_firewall() -> list[str]:
    """Firewalls that are on, as far as it can be told without rights."""
    if sys.platform == "win32":
        return of_netsh(answer_of("netsh", "advfirewall", "show", "allprofiles", "state"))
    if sys.platform == "darwin":
        said = answer_of("/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate")
        return ["macOS's"] if re.search(r"enabled|State = [12]", said) else []
    found = ["ufw"] if re.search(r"^ENABLED=yes", text_of("/etc/ufw/ufw.conf"), re.MULTILINE) else []
    for name in ("firewalld", "nftables"):
        if answer_of("systemctl", "is-active", name).strip() == "active":
            found.append(name)
    return found


def of_netsh(text: str) -> list[str]:
    """Windows' own, if any profile has it on; the words differ by language, ON and EIN do not look alike elsewhere."""
    on = re.search(r"^\S.*\s(ON|EIN|ACTIV[EÉ]R?|ACTIVAD[OA]|ATTIVO)\s*$", text, re.MULTILINE | re.IGNORECASE)
    return ["Windows Defender's"] if on else []


def judge_firewall(on: list[str]) -> Finding:
    """A firewall lets a machine talk to itself, so that it is on says more than that all of the above works."""
    if not on:
        return ok("firewall", "none that can be seen without rights")
    found = f"{' and '.join(on)} is on: streams of other machines may be kept out, which cannot be tried from here"
    return note("firewall", found, f"where the amplifier's stream is not found, {FIREWALL}")
