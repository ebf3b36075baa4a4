"""The settings that liblsl reads from `lsl_api.cfg`, and what they do to finding streams."""

from __future__ import annotations

import configparser
import io
import sys
from dataclasses import dataclass, field

from ...stream.lsl import configured_by_user
from .asking import text_of
from .finding import Finding, note, ok

QUIET = "-3"  # liblsl's level for fatal errors alone


@dataclass(frozen=True)
class SettingsSeen:
    """Where the settings come from ("" for liblsl's own), what they are, and why they cannot be read."""

    place: str = ""
    values: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    linux: bool = True


def see_settings() -> SettingsSeen:
    """Read the file that liblsl would read."""
    place = configured_by_user()
    values, failure = settings_in(text_of(place)) if place else ({}, "")
    return SettingsSeen(place or "", values, failure, sys.platform == "linux")


def settings_in(text: str) -> tuple[dict[str, str], str]:
    """Every setting as ``section.name`` in lower case, and why there is none."""
    parser = _parser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        return {}, str(error).splitlines()[0][:160]
    return {
        f"{section.lower()}.{name.lower()}": value.strip()
        for section in parser.sections()
        for name, value in parser.items(section)
    }, ""


def kept_quiet() -> str:
    """Settings that change nothing but that liblsl says no word."""
    return f"[log]\nlevel = {QUIET}\n"


def kept_here(text: str) -> str:
    """The same settings, but liblsl asks no other machine and says nothing."""
    parser = _parser()
    try:
        parser.read_string(text)
    except configparser.Error:
        parser = _parser()
    for section, name, value in (("multicast", "ResolveScope", "machine"), ("log", "level", QUIET)):
        for one in parser.sections():
            if one.lower() == section:
                section = one
        if not parser.has_section(section):
            parser.add_section(section)
        for key in list(parser[section]):
            if key.lower() == name.lower():
                parser.remove_option(section, key)
        parser.set(section, name, value)
    for section in parser.sections():  # peers are other machines
        for key in [key for key in parser[section] if key.lower() == "knownpeers"]:
            parser.remove_option(section, key)
    written = io.StringIO()
    parser.write(written)
    return written.getvalue()


def _parser() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    return parser


def judge_settings(seen: SettingsSeen) -> Finding:
    """Whether the settings let streams of other machines be found, and those of this one."""
    name = "LSL settings"
    if not seen.place:
        return ok(name, "liblsl's own: any program on this network can read a stream and pose as one")
    if seen.failure:
        return note(
            name, f"{seen.place} cannot be read ({seen.failure})", "mend it or move it away: liblsl ignores it as it is"
        )
    address = seen.values.get("multicast.listenaddress", "")
    if address and seen.linux:
        return note(
            name, f"{seen.place} has ListenAddress = {address}: on Linux a stream then no longer hears the search",
            "take that line out, and let a firewall keep strangers away",
        )  # fmt: skip
    if seen.values.get("multicast.resolvescope", "").lower() == "machine":
        return note(
            name, f"{seen.place} has ResolveScope = machine: only streams of this machine are found",
            "if the amplifier is on another one, write ResolveScope = site",
        )  # fmt: skip
    session = seen.values.get("lab.sessionid", "default")
    if session != "default":
        return note(
            name, f"{seen.place} has SessionID = {session}: only streams of that session are found",
            "write the same SessionID on the amplifier's machine, or take the line out",
        )  # fmt: skip
    return ok(name, f"from {seen.place}")
