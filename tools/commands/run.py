"""``myodrive run``: the live pipeline."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys

from ...stream.beside import MOST_SIGNALS, wanted_signals
from ...stream.decoder_file import read_decoder
from ...stream.drive import DriveSettings
from ...stream.endpoints import reached_here
from ...stream.errors import OptionError
from ...stream.markers import LONGEST_LABEL, Blank
from ..console import LONGEST_S, add_json, late, number, print_json
from ..live import LiveResult, LiveSettings, run_live
from ..parameters import add_params
from ..processes import CLI, finish, python_command
from ..signals import stop_on_signals

EXAMPLE = "myodrive run --stream emg --decoder decoder.onnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--stream", required=True, metavar="NAME", help="name of the LSL stream")
    parser.add_argument("--decoder", required=True, help="decoder file, as `myodrive calibrate` writes it")
    add_params(parser)
    parser.add_argument("--bind", default="tcp://127.0.0.1:5570", help="address of the messages (%(default)s)")
    parser.add_argument("--hop", type=int, default=8, help="samples decoded at a time (%(default)s)")
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu", help="what runs the graph (%(default)s)")
    parser.add_argument(
        "--whitening", choices=["folded", "staged"], default="folded",
        help="whitening as part of the filters, or a stage of its own (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--gain", type=number(1e-9, 1e9), help="uV per number, for a stream that names no unit")
    parser.add_argument(
        "--counter", type=int, metavar="CH", help="channel, from 0, that counts samples: what is lost is then exact"
    )
    parser.add_argument("--drive-rate", type=float, default=100.0, metavar="HZ", help="drive messages (%(default)s)")
    parser.add_argument("--smoothing", type=float, default=0.08, metavar="S", help="delay of the drive (%(default)s)")
    parser.add_argument(
        "--fallback", choices=["none", "envelope"], default="none",
        help="what makes the command while the units cannot be trusted (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--wait", type=number(0, LONGEST_S), default=60.0, metavar="S", help="for the stream; 0 for ever (%(default)s)"
    )
    parser.add_argument("--seconds", type=number(0, LONGEST_S), help="stop after this long")
    parser.add_argument("--curve", metavar="DIR", help="encrypt, and let in only who is on the list of `myodrive keys`")
    parser.add_argument("--open-network", action="store_true", help="let other machines read and control, unprotected")
    parser.add_argument(
        "--events", metavar="NAME", help="LSL stream of markers (cues, trials), put on the samples and published"
    )
    parser.add_argument(
        "--blank", type=blank, action="append", default=[], metavar="LABEL=MS",
        help="no discharges for so many ms after such a marker of --events; * and ? stand for anything",
    )  # fmt: skip
    parser.add_argument(
        "--signal", action="append", default=[], metavar="NAME[:CH]",
        help="LSL stream of a force or an angle, or CH, a channel of the EMG's, put on the samples and published; "
        f"{MOST_SIGNALS} times at most",
    )  # fmt: skip
    parser.add_argument("--record", metavar="DIR", help="keep samples, messages and decoder in a new folder")
    parser.add_argument(
        "--lsl", action="store_true",
        help="spikes and drive as LSL streams too, for LabRecorder; anybody on the network can read those",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no live table")
    add_json(parser)


def blank(text: str) -> Blank:
    """For argparse: a label, or a pattern of labels, and for how many ms."""
    label, _, milliseconds = text.rpartition("=")
    if not 0 < len(label) <= LONGEST_LABEL:
        raise argparse.ArgumentTypeError(f'"{text[:40]}" names no marker: write it as "stim*=20", for 20 ms')
    return Blank(label, 1e-3 * number(0.01, 10_000)(milliseconds))


def main(args: argparse.Namespace) -> int:
    """Run the pipeline; the live table and the LSL streams are processes of their own."""
    if not 1.0 <= args.drive_rate <= 1000.0:
        raise OptionError(f"{args.drive_rate:g} drive messages a second are out of range: choose 1 to 1000")
    if args.blank and args.events is None:
        raise OptionError("--blank needs markers: name their LSL stream with --events")
    if not 0.001 <= args.smoothing <= 5.0:
        raise OptionError(f"a smoothing of {args.smoothing:g} s is out of range: choose 0.001 to 5")
    settings = LiveSettings(
        stream=args.stream, bind=args.bind, hop=args.hop, provider=args.provider, whitening=args.whitening,
        gain=args.gain, counter=args.counter, drive=DriveSettings(args.drive_rate, args.smoothing, args.fallback),
        wait_s=args.wait, seconds=args.seconds, params=args.params, open_network=args.open_network, curve=args.curve,
        record=args.record, events=args.events, blank=tuple(args.blank),
        signals=wanted_signals(args.signal, args.stream),
    )  # fmt: skip
    decoder = read_decoder(args.decoder)
    shows_table = not (args.quiet or args.json) and sys.stderr.isatty()
    viewer = _start_beside(args.bind, args.curve, "listen", "--table") if shows_table else None
    outlet = _start_beside(args.bind, args.curve, "outlet", "--with-stdin") if args.lsl else None
    try:
        with stop_on_signals() as stop:
            result = run_live(decoder, settings, say=_say, stop=stop)
    finally:
        for beside in (viewer, outlet):
            if beside is not None:
                finish(beside)
    if args.json:
        print_json(_summary(result))
    else:
        status = result.status
        _say(
            f"stopped after {status.samples_in} samples; lost {status.samples_lost} in {status.gaps} gaps, "
            f"{status.reconnects} reconnects, {late(status.late_hops, status.samples_in // args.hop)}; "
            f"latency p50 {status.latency_ms.p50:.2f} ms, p99 {status.latency_ms.p99:.2f} ms"
        )
        for signal in status.signals:
            if signal.reason:
                _say(f"signal {signal.name} is {signal.state}: {signal.reason}")
    return 0


def _say(line: str) -> None:
    """A line for the user; a console that nobody reads does not hold the pipeline up, its pipe holds these few."""
    with contextlib.suppress(OSError):  # a reader that went away does not end the decoding
        print(line, file=sys.stderr, flush=True)


def _start_beside(address: str, curve: str | None, command: str, option: str) -> subprocess.Popen[bytes]:
    """A subscriber of ours in a process of its own; its standard input ends with this process, however it ends."""
    words = python_command(CLI, command, option, "--connect", reached_here(address))
    words += [] if curve is None else ["--curve", curve]
    return subprocess.Popen(words, env=os.environ.copy(), stdin=subprocess.PIPE)


def _summary(result: LiveResult) -> dict[str, object]:
    status = result.status
    names = (
        "samples_in", "samples_lost", "gaps", "reconnects", "late_hops", "repeats_dropped", "clock_jumps", "timing",
        "messages_dropped", "recording", "recorded_s", "recording_reason",
    )  # fmt: skip
    latency = {name: getattr(status.latency_ms, name) for name in ("p50", "p99", "p999", "max")}
    return {
        **{name: getattr(status, name) for name in names}, "latency_ms": latency, "provider": result.provider,
        "signals": [{"name": one.name, "state": one.state, "reason": one.reason} for one in status.signals],
        "start_to_ready_s": result.start_to_ready_s, "parameters": result.parameters,
    }  # fmt: skip
