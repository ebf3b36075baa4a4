"""``myodrive demo``: the whole chain on a bundled recording: amplifier, calibration, live decoding, a live table."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from rich.console import Console

from ... import stream
from ...stream.decoder_file import read_decoder
from ...stream.errors import StreamError
from ...stream.hop import LONGEST_HOP
from ...stream.parameter_file import read_parameter_file
from ..console import LONGEST_S, add_json, add_overwrite, check_output, late, messages, number, print_json, whole_number
from ..dashboard.beside import PORT, dashboard_at, has_screen
from ..parameters import NONE, add_params, choose_model
from ..picture import save_picture
from ..ports import control_address, free_port_pair
from ..processes import finish, json_of, output_of, start
from ..recording import BUNDLED
from ..signals import stop_on_signals
from ..subscriber import ask
from ..table import Picture, watch

EXAMPLE = "myodrive demo --seconds 60"
WORDS = """SIL: how clearly a unit's discharges stand out, at most 1; 0.9 and more is good
IZ: innervation zone, mm along the grid from its centre; CV: conduction velocity
late hop: its messages left more than a hop after its last sample had come"""
SECONDS, PAGE_SECONDS = 20.0, 600.0  # the former ends while the muscle of the bundled recording contracts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--seconds", type=number(0.1, LONGEST_S), help=f"how long to decode live ({SECONDS:g}, a page {PAGE_SECONDS:g})"
    )
    parser.add_argument("--dashboard", action="store_true", help="show it on a page in a browser, too")
    parser.add_argument("--recording", default=str(BUNDLED), help="recording to play (the bundled one)")
    parser.add_argument(
        "--hop", type=whole_number(1, LONGEST_HOP), default=8, help="samples decoded at a time (%(default)s)"
    )
    add_params(parser)
    parser.add_argument("--keep", metavar="DECODER", help="keep the decoder in this file")
    parser.add_argument("--picture", metavar="SVG", help="save the table as it stands at the end")
    add_overwrite(parser)
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Calibrate, play, decode, show, sum up."""
    for path in filter(None, (args.keep, args.picture)):
        check_output(path, args.overwrite)
    if args.params not in (None, NONE):
        read_parameter_file(args.params)
    seconds = args.seconds or (PAGE_SECONDS if args.dashboard else SECONDS)
    name = f"myodrive-demo-{os.getpid()}"
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    with tempfile.TemporaryDirectory() as folder, stop_on_signals() as stop:
        decoder = args.keep or str(Path(folder) / "decoder.onnx")
        _say(args, f"1/3  calibrating on {Path(args.recording).name}")
        if not kernels_compiled():
            _say(args, "     compiling its kernels, once")
        calibration = json_of(["calibrate", args.recording, "-o", decoder, "--overwrite", "--json"], stop)
        if stop():
            raise KeyboardInterrupt
        units = calibration["units"]
        _say(args, f"     {len(units)} motor units in {calibration['seconds']:.1f} s")
        _say(args, f'2/3  a simulated amplifier plays it as the LSL stream "{name}"')
        _say(args, f"3/3  decoding live for {seconds:g} s; messages on {address}")
        _say(args, f"     {choose_model(args.params, read_decoder(decoder)).line}")
        amplifier = start(["play", args.recording, "--name", name, "--source-id", name, "--loop"])
        arguments = ["run", "--stream", name, "--decoder", decoder, "--bind", address, "--hop", str(args.hop)]
        pipeline = start([*arguments, "--json", *([] if args.params is None else ["--params", args.params])])
        page = contextlib.ExitStack()
        try:
            if args.dashboard:
                url = page.enter_context(dashboard_at(address, (PORT, 0), show=has_screen() and not args.json))
                _say(args, f"     the page is at {url} - Ctrl-C ends the demonstration")
            end = Countdown(seconds)
            picture, missed = watch(
                address,
                stop=lambda picture: stop() or pipeline.poll() is not None or end.reached(picture),
                console=Console(stderr=True),
                quiet=args.json,
            )
            if args.picture:
                save_picture(picture, args.picture)
            if pipeline.poll() is None and not end.live:
                if stop():
                    raise KeyboardInterrupt
                raise StreamError(f"nothing was decoded within {Countdown.START_S:g} s: run `myodrive doctor`")
            ask(control_address(address), "stop")
            out = output_of(pipeline, 10.0)
        finally:
            page.close()
            finish(amplifier)
            finish(pipeline)
    summary = {
        "units": len(units), "calibration_s": calibration["seconds"], "spikes": picture.spikes,
        "messages_missed": missed, **msgspec.json.decode(out),
    }  # fmt: skip
    if args.json:
        print_json(summary)
    else:
        latency = summary["latency_ms"]
        messages.print(
            f"{summary['spikes']} discharges of {summary['units']} units; "
            f"{summary['samples_in']} samples in, {summary['samples_lost']} lost; "
            f"{late(summary['late_hops'], summary['samples_in'] // args.hop)}; "
            f"sample to message p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms"
        )
        messages.print(WORDS)
        program = typed()
        messages.print("with an amplifier:")
        messages.print(f"  {program} calibrate --stream NAME --seconds 30 --grid GR08MM1305 -o decoder.onnx")
        messages.print(f"  {program} run --stream NAME --decoder decoder.onnx")
    return 0


def kernels_compiled() -> bool:
    """Whether the numeric kernels were compiled here before."""
    return any(Path(stream.__path__[0]).glob("__pycache__/*.nbi"))


def typed() -> str:
    """How a person starts our program in this shell: by its name where that finds this installation."""
    name = "myodrive.exe" if os.name == "nt" else "myodrive"
    ours = Path(sys.executable).parent / name
    found = shutil.which("myodrive")
    if not ours.exists() or (found is not None and Path(found).resolve() == ours.resolve()):
        return "myodrive"
    inside = ours.is_relative_to(Path.cwd())
    path = str(ours.relative_to(Path.cwd()) if inside else ours)
    return f'"{path}"' if " " in path else path


class Countdown:
    """Over after so many seconds of live decoding, or when that does not begin in time."""

    START_S = 60.0

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + self.START_S
        self.live = False

    def reached(self, picture: Picture) -> bool:
        """Whether the time is up."""
        if not self.live and picture.status is not None and picture.status.state == "live":
            self.live = True
            self._end = time.monotonic() + self._seconds
        return time.monotonic() > self._end


def _say(args: argparse.Namespace, line: str) -> None:
    if not args.json:
        messages.print(line)
