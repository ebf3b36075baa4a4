"""Whether an LSL stream of our own is found, over every interface, and whether its samples arrive.

Discovery is one UDP datagram to multicast groups, answered by every outlet that hears it. So it is asked here as liblsl
asks, on one interface at a time and with a reach of 0, which keeps the question on this machine; an answer shows that
multicast works there and that no firewall stops port 16571. liblsl itself hides such faults on one machine: after half
a second it also asks its own ports at 127.0.0.1, one by one.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pylsl

from ...stream.errors import StreamError
from ...stream.source_info import describe
from ..processes import finish, python_command
from ..stream_units import in_short
from .finding import Finding, note, ok, problem
from .interfaces import KNOWN_PEERS, LOOPBACK, Interface
from .lsl_settings import kept_here

GROUPS = ("224.0.0.183", "239.255.172.215")  # of LSL's scopes "link" and "site"
PORT = 16571  # of LSL's search
ANSWER_S = 0.4
RESOLVE_S = 3.0
STREAMS_S = 1.0
UNITS_S = 1.5  # for the answers of all streams together
PROBE_S = 9.0
NAME = "myodrive-doctor"
MOST_NAMED = 8
FIREWALL = "let UDP 16571 and TCP and UDP 16572-16604 through the firewall, for Python and for the amplifier's program"


@dataclass(frozen=True)
class DiscoverySeen:
    """What became of our own stream.

    Attributes
    ----------
    plain, asked : dict of str to bool
        By address: whether a datagram to a multicast group arrives, and whether the stream answers LSL's question.
    found_s : float or None
        How long liblsl took to find it.
    opened_s : float or None
        And from there to its first sample.
    streams : list of str
        Others that are on, with the units of their channels where they answered.
    failure : str
    """

    plain: dict[str, bool] = field(default_factory=dict)
    asked: dict[str, bool] = field(default_factory=dict)
    found_s: float | None = None
    opened_s: float | None = None
    streams: list[str] = field(default_factory=list)
    failure: str = ""


def see_discovery(interfaces: list[Interface], settings: str, asks_network: bool) -> DiscoverySeen:
    """Try it in two processes of their own, for liblsl reads its settings once.

    One offers a stream under the user's `settings`, and asks for it on each interface; one finds it as a reader would,
    with the search kept on this machine unless `asks_network`.
    """
    source_id = f"doctor-{uuid.uuid4().hex}"
    addresses = [one.address for one in interfaces if one.multicast]
    looking = settings if asks_network else kept_here(settings)
    with _process("offer", source_id, settings, *addresses) as offer, _process("look", source_id, looking) as look:
        try:
            looked = look.communicate(timeout=PROBE_S)[0]
            offered = offer.communicate(timeout=PROBE_S)[0]  # which ends it: its input is closed
            return DiscoverySeen(**json.loads(offered), **json.loads(looked))
        except (subprocess.TimeoutExpired, ValueError, TypeError):
            return DiscoverySeen(failure=f"LSL gave no answer within {PROBE_S:g} s")


@contextmanager
def _process(*orders: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        python_command(__name__, *orders), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        finish(process)


def judge_finding(seen: DiscoverySeen, interfaces: list[Interface]) -> Finding:
    """Whether streams of this machine are found and can be read at all."""
    mute = [one.name for one in interfaces if not one.multicast and one.kind != LOOPBACK]
    if not seen.failure and seen.found_s is None and mute:
        found = f"a stream of this very machine is not found, and multicast is off on {', '.join(mute)}"
        return note("LSL", found, f"turn it on (Linux: sudo ip link set {mute[0]} multicast on), or that interface off")
    if seen.failure or seen.found_s is None:
        found = seen.failure or f"a stream of this very machine is not found within {RESOLVE_S:g} s"
        return problem("LSL", found, FIREWALL)
    if seen.opened_s is None:
        return problem("LSL", "a stream of this very machine is found, but none of its samples arrives", FIREWALL)
    names = f"other streams: {', '.join(seen.streams[:MOST_NAMED])}" if seen.streams else "no other stream is on"
    return ok("LSL", f"a stream of this machine is found, and its samples arrive; {names}")


def judge_multicast(seen: DiscoverySeen, interfaces: list[Interface], settings_limit: bool) -> list[Finding]:
    """Whether streams of other machines could be found, interface by interface."""
    if seen.failure:
        return []
    findings = []
    for one in interfaces:
        if not one.multicast or one.address not in seen.asked:
            continue
        name = f"multicast on {one.name}"
        if seen.asked[one.address]:
            findings.append(ok(name, "LSL's search is heard and answered"))
        elif not seen.plain.get(one.address, False):
            remedy = f"allow multicast in the firewall and the network's settings; where you may not, {KNOWN_PEERS}"
            findings.append(
                note(name, "no datagram to a multicast group comes back, so LSL finds no stream there", remedy)
            )
        elif settings_limit:
            findings.append(
                note(name, "LSL's search is not answered, as lsl_api.cfg asks for", "see LSL settings above")
            )
        else:
            findings.append(
                note(name, "multicast works, but LSL's search is not answered: port 16571 is closed", FIREWALL)
            )
    if not findings:
        findings.append(
            note(
                "multicast", "no interface can carry it, so only streams of this machine are found",
                f"connect the amplifier's network, or {KNOWN_PEERS}",
            )
        )  # fmt: skip
    return findings


def multicast_arrives(address: str) -> bool:
    """Whether a datagram to LSL's group, sent on the interface with this address, comes back to it."""
    member = socket.inet_aton(GROUPS[0]) + socket.inet_aton(address)
    try:
        with _asking_from(address) as asking, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hearing:
            hearing.bind(("", 0))
            hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            hearing.settimeout(ANSWER_S)
            word = uuid.uuid4().bytes
            asking.sendto(word, (GROUPS[0], hearing.getsockname()[1]))
            return hearing.recv(64) == word
    except OSError:
        return False


def search_is_answered(address: str, source_id: str) -> bool:
    """Whether the outlet of this source answers LSL's question for it, put on the interface with this address."""
    for group in GROUPS:
        with suppress(OSError), _asking_from(address) as asking:
            question = f"LSL:shortinfo\r\nsource_id='{source_id}'\r\n{asking.getsockname()[1]} 1\r\n"
            asking.sendto(question.encode(), (group, PORT))
            if source_id.encode() in asking.recv(8192):
                return True
    return False


def _asking_from(address: str) -> socket.socket:
    """A socket whose multicast leaves on one interface and no machine."""
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        asking.bind((address, 0))
        asking.settimeout(ANSWER_S)
    except OSError:
        asking.close()
        raise
    return asking


def offer(source_id: str, *addresses: str) -> dict[str, object]:
    """Open a stream, ask for it on every interface, and send samples until nobody wants more."""
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(NAME, "", 1, 0, pylsl.cf_float32, source_id))
    seen = {
        "plain": {address: multicast_arrives(address) for address in addresses},
        "asked": {address: search_is_answered(address, source_id) for address in addresses},
    }
    wanted = threading.Thread(target=sys.stdin.read, daemon=True)
    wanted.start()
    ends_at = time.monotonic() + PROBE_S
    while wanted.is_alive() and time.monotonic() < ends_at:
        outlet.push_sample([1.0])
        time.sleep(0.05)
    return seen


def look(source_id: str) -> dict[str, object]:
    """Find that stream and read from it; say which others are on."""
    began = time.perf_counter()
    found = pylsl.resolve_byprop("source_id", source_id, timeout=RESOLVE_S)
    found_at = time.perf_counter()
    opened_s = None
    if found:
        inlet = pylsl.StreamInlet(found[0], recover=False)
        with suppress(RuntimeError):
            inlet.open_stream(timeout=2.0)
            if inlet.pull_sample(timeout=1.0)[0] is not None:
                opened_s = time.perf_counter() - found_at
    others = [info for info in pylsl.resolve_streams(STREAMS_S) if info.name() != NAME]
    return {"found_s": found_at - began if found else None, "opened_s": opened_s, "streams": named(others)}


def named(streams: list[pylsl.StreamInfo]) -> list[str]:
    """Each name once, with the units of those that are numbers at a regular rate and answer in time."""
    until = time.monotonic() + UNITS_S
    names = set()
    for info in sorted(streams, key=pylsl.StreamInfo.name):
        name = info.name()
        left = until - time.monotonic()
        if left > 0:
            with suppress(RuntimeError, StreamError):
                source = describe(pylsl.StreamInlet(info, recover=False).info(timeout=left))
                units = [source.unit_said(channel) for channel in range(source.channels)]
                name += f" (unit {in_short(units)})"
        names.add(name)
    return sorted(names)


def main(what: str, source_id: str, settings: str, *addresses: str) -> None:
    """In a process of its own: one of the two, under these settings; prints what was seen."""
    if settings and hasattr(pylsl, "set_config_content"):
        pylsl.set_config_content(settings)
    print(json.dumps(offer(source_id, *addresses) if what == "offer" else look(source_id)))


if __name__ == "__main__":
    main(*sys.argv[1:])
