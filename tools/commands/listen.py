"""``myodrive listen``: print what a pipeline publishes, and say when something was missed."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import msgspec

from ...stream.curve import ClientKeys, read_client_keys
from ...stream.endpoints import next_port
from ...stream.errors import AddressError
from ...stream.messages import KINDS, Params
from ..console import LONGEST_S, number, whole_number
from ..console import messages as console
from ..signals import stop_on_signals
from ..subscriber import Subscriber, ask
from ..table import watch

EXAMPLE = "myodrive listen --topic spikes/"
NOTHING_S = 3.0  # without a message: then it is said why, once
ASK_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--connect", default="tcp://127.0.0.1:5570", help="address of the pipeline (%(default)s)")
    parser.add_argument("--curve", metavar="DIR", help="keys of this client, as `myodrive keys` made them")
    parser.add_argument("--topic", action="append", help="prefix, such as spikes/ (all but emg/ and muaps/)")
    parser.add_argument("--count", type=whole_number(1, 2**62), help="stop after so many messages")
    parser.add_argument("--seconds", type=number(0, LONGEST_S), help="stop after this long")
    parser.add_argument("--table", action="store_true", help="show the live table instead of lines")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def main(args: argparse.Namespace) -> int:
    """Print messages until told to stop."""
    keys = None if args.curve is None else read_client_keys(args.curve)
    end = None if args.seconds is None else time.monotonic() + args.seconds
    with stop_on_signals() as stop:

        def over() -> bool:
            return stop() or (end is not None and time.monotonic() > end)

        if args.table:
            watch(args.connect, stop=lambda _: over(), keys=keys)
            return 0
        topics = args.topic or ["spikes/", "drive/", "params/", "units/", "status/", "event/", "signal/"]
        subscriber = Subscriber(args.connect, topics, keys)
        received = told = restarts = 0
        wonders = None if end is not None else time.monotonic() + NOTHING_S
        try:
            while not over() and (args.count is None or received < args.count):
                found = subscriber.receive(0.1)
                missed = sum(subscriber.missed.values())
                if missed > told:
                    console.print(f"missed {missed - told} messages, {missed} in all: this reader is too slow")
                    told = missed
                if subscriber.restarts > restarts:
                    restarts = subscriber.restarts
                    console.print("the pipeline was started again: its numbers and samples begin anew")
                if found is None:
                    if wonders is not None and received == 0 and time.monotonic() > wonders:
                        wonders = None
                        console.print(f"{_why_nothing(args, keys)}\nstill waiting")
                    continue
                received += 1
                kind, message = found
                fields = message.flat() if isinstance(message, Params) else msgspec.to_builtins(message)
                line = msgspec.json.encode({"kind": kind, **fields}).decode() if args.json else _line(kind, fields)
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
        finally:
            damaged = subscriber.damaged
            subscriber.close()
    if damaged:
        console.print(f"{damaged} messages could not be read: the publisher speaks another protocol")
    if told:
        console.print(f"missed {told} of {told + received} messages: this reader is too slow")
    if received == 0:
        console.print(_why_nothing(args, keys))
        return 1
    return 0


def _why_nothing(args: argparse.Namespace, keys: ClientKeys | None) -> str:
    """Why no message came: nobody is there, or somebody who sends nothing of the kind."""
    try:
        control = next_port(args.connect)
    except AddressError:  # no pipeline of ours has such a one
        control = None
    if control is None or ask(control, "ping", ASK_S, keys) is None:
        how = "without --curve" if keys is None else "with --curve and this server.key"
        return f"no message came from {args.connect}: is `myodrive run` running there, {how}?"
    if not args.topic:
        return f"a pipeline is at {args.connect}, but no message of it came: look at what it says"
    named = " or ".join(f'"{topic}"' for topic in args.topic)
    known = ", ".join(f"{kind}/" for kind in KINDS)
    return f"a pipeline is at {args.connect}, but nothing that begins with {named} came: topics are {known}"


def _line(kind: str, fields: dict[str, Any]) -> str:
    shown = {key: value for key, value in fields.items() if key not in ("v", "session", "t_pub", "latency_ms")}
    if kind == "muaps":
        shown["waveform"] = f"{len(fields['waveform'])}x{len(fields['waveform'][0])} uV, {_extent(fields['waveform'])}"
    if kind == "signal":
        shown = _of_a_signal(shown)
    texts = {key: _short(value) for key, value in shown.items() if not key.endswith("_sd")}
    for key in [key for key in shown if key.endswith("_sd") and shown[key] is not None]:
        texts[key.removesuffix("_sd")] += f"±{shown[key]:.2g}"
    return f"{kind:<7} " + "  ".join(f"{key}={text}" for key, text in texts.items())


def _of_a_signal(fields: dict[str, Any]) -> dict[str, Any]:
    """A signal's message with its lists as how many there are, and the newest."""
    value, place, t = (fields[key] for key in ("value", "value_sample", "value_t"))
    ends = {"value_sample": place[-1], "value_t": t[-1]} if value and place and t else {}
    said = str(len(value))
    if value:
        least, most = _short(min(value)), _short(max(value))
        said += f", {least}" if least == most else f", {least} to {most}"
    others = {key: text for key, text in fields.items() if key not in ("value_sample", "value_t")}
    return others | {"value": said} | ends


def _extent(waveform: list[list[float]]) -> str:
    return f"{min(map(min, waveform)):.0f} to {max(map(max, waveform)):.0f}"


def _short(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 100 else f"{value:.4f}"  # times are hundreds of seconds and more
    if isinstance(value, list):
        return "[" + ",".join(_short(item) for item in value) + "]"
    return str(value)
