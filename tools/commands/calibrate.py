"""``myodrive calibrate``: find the motor units, write one decoder file."""

from __future__ import annotations

import argparse
import threading
import time
from importlib import metadata

from rich.table import Table

from ...export.decoder import write_decoder
from ...export.parity import preload
from ...models.calibration import Calibration, CalibrationSettings, calibrate
from ...models.separation import SearchSettings
from ...stream.decoder_file import Unit
from ...stream.errors import OptionError
from ..calibration_source import from_file, from_stream
from ..channels import channel_list
from ..console import add_json, check_output, messages, number, print_json, progress_bar, whole_number

EXAMPLE = (
    "myodrive calibrate recording.h5 -o decoder.onnx\n  myodrive calibrate --stream emg --seconds 30 -o decoder.onnx"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", help="recording (.h5)")
    source.add_argument("--stream", metavar="NAME", help="calibrate on a live LSL stream instead")
    parser.add_argument("--seconds", type=float, default=30.0, help="how much of the stream to record (%(default)s)")
    parser.add_argument("-o", "--output", required=True, help="decoder file to write (.onnx)")
    parser.add_argument("--method", choices=["cbss"], default="cbss", help="how the units are found (%(default)s)")
    parser.add_argument("--channels", type=channel_list, help="EMG channels, such as 0-63 (all)")
    parser.add_argument("--grid", help="electrode grid, such as GR08MM1305, or a grid file (as the source says)")
    parser.add_argument("--bad", type=channel_list, default=[], help="channels to leave out, such as 3,17")
    parser.add_argument(
        "--mains", type=float, choices=[50.0, 60.0], help="notch the mains and its harmonics, Hz (none)"
    )
    parser.add_argument("--gain", type=number(1e-9, 1e9), help="uV per number, for a stream that names no unit")
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="use the recording from here (%(default)s)"
    )
    parser.add_argument("--end", type=float, metavar="S", help="and up to here (its end)")
    parser.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0, help="of every random draw (%(default)s)")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Calibrate and write the decoder."""
    check_output(args.output)
    started = time.perf_counter()
    threading.Thread(target=preload, name="preload", daemon=True).start()
    with progress_bar("recording" if args.stream else "reading") as progress:
        if args.stream is None:
            source = from_file(args.file, args.channels, args.grid, args.start, args.end, args.bad)
        else:
            source = from_stream(
                args.stream, args.seconds, args.channels, args.grid, args.gain, progress, messages.print
            )
    for channel in args.bad:
        if channel not in source.index:
            raise OptionError(f"channel {channel} of --bad is not among the selected ones: correct the list")
    settings = CalibrationSettings(search=SearchSettings(seed=args.seed), bad=tuple(args.bad), mains_hz=args.mains)
    with progress_bar("calibrating") as progress:
        found = calibrate(
            source, settings, lambda share, units: progress(share, f"{units} units"),
            {"program": "myodrive", "version": metadata.version("myodrive"), "source": args.file or args.stream},
        )  # fmt: skip
    sha256 = write_decoder(args.output, found.info, windows=found.windows, **found.matrices)
    seconds = time.perf_counter() - started
    if args.json:
        units = [unit_fields(unit) for unit in found.info.units]
        left_out = {str(channel): why for channel, why in found.left_out.items()}
        print_json({"decoder": args.output, "sha256": sha256, "seconds": seconds, "units": units, "left_out": left_out})
    else:
        messages.print(unit_table(found))
        for channel, why in sorted(found.left_out.items()):
            messages.print(f"channel {channel} left out: {why}")
        messages.print(f"{len(found.info.units)} units in {args.output}, {seconds:.1f} s")
    return 0


def unit_fields(unit: Unit) -> dict[str, float]:
    """A unit's quality for --json."""
    names = ("sil", "pnr_db", "cov_isi", "rate_hz", "discharges", "lag_s", "threshold")
    return {"unit": unit.id, **{name: getattr(unit, name) for name in names}}


def unit_table(found: Calibration) -> Table:
    """The units found, for a person."""
    table = Table(title="Motor units")
    for name in ("unit", "SIL", "PNR (dB)", "CoV of intervals", "rate (1/s)", "discharges", "lag (ms)"):
        table.add_column(name, justify="right")
    for unit in found.info.units:
        table.add_row(
            str(unit.id), f"{unit.sil:.3f}", f"{unit.pnr_db:.1f}", f"{unit.cov_isi:.2f}", f"{unit.rate_hz:.1f}",
            str(unit.discharges), f"{1e3 * unit.lag_s:.1f}",
        )  # fmt: skip
    return table
